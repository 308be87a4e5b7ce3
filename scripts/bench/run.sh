#!/usr/bin/env bash
# Measures Postern beside Postfix on this machine: builds Postern and relaybench,
# installs Postfix where it is missing, and hands all options on (see -help).
# Without options it takes about twenty minutes and writes RECORD.md, record.json
# and record.svg beside this script; the machine should have nothing else to do.
#
#   run.sh                                   everything, and the record
#   run.sh -quick                            three minutes that prove the bench itself
#   run.sh -out scripts/bench -controls 1000,100000,1000000 -queue 1000,100000,1000000
#   run.sh -scenarios B -extras "" -base REVISION   this tree beside another revision
#
#   KEEP=1  leave the working directory behind, and say where it is
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."

PATH=$PATH:/usr/sbin
work=$(mktemp -d "${TMPDIR:-/tmp}/postern-bench.XXXXXX")
chmod 755 "$work" # Postfix works as a user of its own
cleanup() {
	if [ -n "${KEEP:-}" ]; then
		echo "left behind: $work"
	else
		rm -rf "$work"
	fi
	if [ -d "$work.base" ]; then git worktree remove --force "$work.base"; fi
}
trap cleanup EXIT

# The flags of "postern serve" are ours to choose, not the environment's.
unset "${!POSTERN_@}"

if [ $# -eq 0 ]; then set -- -out "$here"; fi
arguments=()
while [ $# -gt 0 ]; do
	arguments+=("$1")
	if [ "$1" = -base ]; then
		git worktree add --quiet --detach "$work.base" "$2"
		(cd "$work.base" && go build -o "$work/base" ./cmd/postern)
		arguments+=("$work/base")
		shift
	fi
	shift
done

if [[ " ${arguments[*]} " != *" -postfix=false "* ]] && ! command -v postfix >/dev/null; then
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q postfix
fi
go build -o "$work/postern" ./cmd/postern
go build -o "$work/relaybench" ./scripts/bench/relaybench
"$work/relaybench" -postern "$work/postern" -dir "$work/relays" "${arguments[@]}"
