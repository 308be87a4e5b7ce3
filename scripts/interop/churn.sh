#!/usr/bin/env bash
# Changes policies by REST while mail flows through a gateway that was built with
# the race detector: no session may be dropped, no message lost or doubled, no
# race found, and the applied revision must reach the committed one.
#
#   CHANGES=200  how many changes
# shellcheck source-path=SCRIPTDIR source=lib.sh
RACE=1
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

changes=${CHANGES:-200}

need smtp-sink postfix
need jq jq
need curl curl
build

# change N: one of the changes that touch the listeners, the way out, or both.
# None of them refuses the mail of the load client.
change() {
	local n=$1
	case $((n % 10)) in
	0) api PATCH /mail-flow-policies/RELAYED '{"tls":"required"}' ;;
	1) api PATCH /mail-flow-policies/RELAYED '{"tls":null,"messages_per_connection":'$((1000 + n))'}' ;;
	2) api PUT "/destination-controls/d$n.example" '{"tls_level":"required","max_connections":5}' ;;
	3) api PATCH /destination-controls/default '{"tls_level":"preferred","max_connections":'$((5 + n % 20))'}' ;;
	4) api PUT "/domains/hosted$n.example" '{}' ;;
	5) api PATCH /listeners/outbound '{"default_policy_parameters":{"recipients_per_message":'$((100 + n))'}}' ;;
	6) api PATCH /listeners/outbound/sender-groups/RELAYLIST '{"description":"change '"$n"'","senders":[{"pattern":"127.0.0.1"},{"pattern":"192.0.2.'$((n % 256))'"}]}' ;;
	7) api PUT "/routes/.r$n.example" '{"next_hops":[{"host":"127.0.0.1","port":'"$sink_port"',"priority":0}]}' ;;
	8) api PUT "/starttls-exemptions/198.51.100.$((n % 256))" '{"reason":"change '"$n"'"}' ;;
	9) api DELETE "/destination-controls/d$((n - 7)).example" ;;
	esac
}

committed_is_applied() {
	api GET /status | tee "$work/status" |
		jq -e '.revision_committed == .revision_applied and (.problems | length) == 0' >/dev/null
}

start_gateway
start_sink churn
relay_to_sink
first=$(api GET /status | jq .revision_committed)
say "$changes policy changes while mail flows"
start_load churn -addr "127.0.0.1:$private_port" -starttls -strict -c 10 -m 20 -rate 150 -rcpt a@sink.example,b@other.example
made=0
for ((n = 0; n < changes; n++)); do
	if change "$n" >/dev/null; then
		made=$((made + 1))
	fi
done
equals "changes that were taken" "$changes" "$made"
check "the applied revision reaches the committed one" until_true 10 committed_is_applied
say "$(jq -c '{revision_committed, revision_applied, problems}' "$work/status")"
equals "revisions since" "$changes" "$(($(api GET /status | jq .revision_committed) - first))"
succeeds "no session was dropped, no command refused" end_load
check "the queue drains" drain 120
check "nothing is lost or doubled" arrived churn
succeeds "the gateway stops in good order" stop_gateway
equals "races found" 0 "$(grep -c 'WARNING: DATA RACE' "$work/serve.log" || true)"
