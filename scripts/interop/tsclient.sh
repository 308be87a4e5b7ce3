#!/usr/bin/env bash
# Generates a TypeScript client from the OpenAPI document (openapi-typescript with
# openapi-fetch, of the versions in tsclient/package-lock.json), compiles a scenario
# against it as strictly as tsc can, and drives a running gateway with it.
# shellcheck source=scripts/interop/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

sources=$root/scripts/interop/tsclient

# fetch_packages puts the packages of the lock file into a cache folder.
fetch_packages() {
	local lock
	lock=$(sha256sum "$sources/package-lock.json" | cut -c 1-16)
	packages=${XDG_CACHE_HOME:-$HOME/.cache}/postern-tsclient/$lock
	if [[ -e $packages/complete ]]; then
		return
	fi
	mkdir -p "$packages"
	cp "$sources"/package*.json "$packages"
	# --ignore-scripts: none of the packages needs one.
	(cd "$packages" && timeout 300 npm ci --no-audit --no-fund --ignore-scripts) && touch "$packages/complete"
}

generate() { "$client/node_modules/.bin/openapi-typescript" "$root/openapi/openapi.json" -o "$client/api.d.ts" >/dev/null; }

compile() { "$client/node_modules/.bin/tsc" -p "$client"; }

# stuck_message puts a message into the queue that cannot leave it.
stuck_message() {
	set_api PUT /routes/stuck.example '{"next_hops":[{"host":"127.0.0.1","port":'"$(free_port)"'}]}'
	stuck=$(swaks --server "127.0.0.1:$private_port" --from sender@client.example --to someone@stuck.example 2>&1 | queue_id_of)
	until_true 20 attempted
}

attempted() { api GET "/messages/$stuck/attempts" | jq -e '.items | length > 0'; }

# run_scenario counts each step of the scenario as a check.
run_scenario() {
	local status=0 line
	sed 's/^Authorization: Bearer //' "$work/authorization" |
		node "$client/out/scenario.js" "http://127.0.0.1:$api_port" >"$work/scenario.out" 2>&1 || status=$?
	while IFS= read -r line; do
		case $line in
		'ok '*) ok "${line#ok }" ;;
		'not ok '*) fail "${line#not ok }" ;;
		*) say "$line" ;;
		esac
	done <"$work/scenario.out"
	equals "the scenario ends well" 0 "$status"
}

need swaks swaks
need jq jq
need node nodejs
need npm npm
if ! fetch_packages >"$work/npm.log" 2>&1; then
	tail -n 5 "$work/npm.log"
	say "SKIPPED: the packages of the TypeScript client cannot be had here"
	exit 0
fi
client=$work/tsclient
mkdir "$client"
cp "$sources"/*.ts "$sources"/*.json "$client"
ln -s "$packages/node_modules" "$client/node_modules"
check "a client is generated from the document" generate
check "the scenario compiles against it" compile
build
start_gateway
set_api PATCH /settings/dns '{"servers":["127.0.0.1:'"$(free_port)"'"]}' # nobody is asked
stuck_message
run_scenario
succeeds "the gateway stops in good order" stop_gateway
