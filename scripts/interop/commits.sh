#!/usr/bin/env bash
# Commits a thousand changes in a row, each waited for until it is in force, while
# mail flows at full speed: no session may be dropped, no message lost or doubled,
# and the applied revision must reach the committed one. It prints the latencies.
#
#   CHANGES=1000  how many changes
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

changes=${CHANGES:-1000}

need smtp-sink postfix
need jq jq
need curl curl
need python3 python3
build

committer() {
	python3 "$root/scripts/interop/commits.py" --api "127.0.0.1:$api_port" \
		--authorization "$work/authorization" --changes "$changes"
}

committed_is_applied() {
	api GET /status | tee "$work/status" |
		jq -e '.revision_committed == .revision_applied and (.problems | length) == 0' >/dev/null
}

start_gateway
start_sink commits
relay_to_sink
start_load commits -addr "127.0.0.1:$private_port" -starttls -strict -c 10 -m 20 -rcpt a@sink.example,b@other.example
run_client "the committing client" committer
check "the applied revision is the committed one" until_true 10 committed_is_applied
say "$(jq -c '{revision_committed, revision_applied, problems}' "$work/status")"
succeeds "no session was dropped, no command refused" end_load
check "the queue drains" drain 120
check "nothing is lost or doubled" arrived commits
succeeds "the gateway stops in good order" stop_gateway
