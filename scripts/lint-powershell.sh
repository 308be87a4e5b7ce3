#!/usr/bin/env bash
# Parses the PowerShell scripts, and holds their vectors against Python and OpenSSL.
# It does not run them: see the head of SGLetsEncrypt.ps1.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install -q --disable-pip-version-check tree-sitter==0.26.1 tree-sitter-powershell==0.26.4
"$venv/bin/python" "$here/lint_powershell.py" "$here"
