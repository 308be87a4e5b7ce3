#!/bin/sh
# Lints openapi/openapi.json with Redocly and Spectral; fails on any error.
# The linters are npm packages of fixed versions, kept in a cache folder.
set -eu

redocly=2.77.0
spectral=6.16.3

root=$(cd "$(dirname "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/postern-lint/redocly-$redocly-spectral-$spectral
bin=$cache/node_modules/.bin

if ! [ -x "$bin/redocly" ] || ! [ -x "$bin/spectral" ]; then
	mkdir -p "$cache"
	# --ignore-scripts: the linters need none of their dependencies' scripts.
	(cd "$cache" && npm init --yes >/dev/null &&
		npm install --no-audit --no-fund --ignore-scripts --save-exact \
			"@redocly/cli@$redocly" "@stoplight/spectral-cli@$spectral")
fi

export REDOCLY_TELEMETRY=off
echo "redocly $redocly"
"$bin/redocly" lint --config "$root/openapi/redocly.yaml" "$root/openapi/openapi.json"
echo "spectral $spectral"
"$bin/spectral" lint --ruleset "$root/openapi/spectral.yaml" --fail-severity warn "$root/openapi/openapi.json"
