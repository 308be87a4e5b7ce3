#!/usr/bin/env bash
# Relays mail of strangers: Postfix's smtp-source and swaks send, Postfix's
# smtp-sink is the next hop. Nothing may be lost, nothing doubled, not even when
# the gateway is killed, beyond the delivery that it had under way.
#
#   MESSAGES=5000  messages of the two bulk runs
#   KILLS=10       rounds of kill -9
#   STOPS=3        rounds of SIGTERM
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

messages=${MESSAGES:-5000} kills=${KILLS:-10} stops=${STOPS:-3}

# Under a destination control of its default a destination gets so many
# connections at a time, and each has at most one delivery whose outcome is not
# on disk yet (B74).
in_flight=20

need smtp-source postfix
need swaks swaks
need openssl openssl
need_perl Net::SSLeay libnet-ssleay-perl
need jq jq
need curl curl
build

# --- bulk -------------------------------------------------------------------

bulk_in_clear() {
	start_sink clear
	say "$messages messages of 4 KiB by smtp-source, in clear"
	local begin=$SECONDS
	# -N gives every message a recipient of its own.
	check "smtp-source is served" smtp-source -s 20 -l 4096 -m "$messages" -N -M client.example \
		-f sender@client.example -t bulk@sink.example "127.0.0.1:$private_port"
	check "the queue drains" drain 120
	say "took $((SECONDS - begin)) seconds"
	equals "messages at smtp-sink" "$messages" "$(sunk)"
	equals "different recipients at smtp-sink" "$messages" \
		"$(sunk_lines '^X-Rcpt-Args:' | sort -u | wc -l)"
}

bulk_in_tls() {
	start_sink tls
	set_api PUT /domains/hosted.example '{}'
	say "$messages messages of 4 KiB over STARTTLS, for a hosted domain"
	check "every session is served" blast tls -addr "127.0.0.1:$public_port" -starttls -strict -n "$messages" -c 20 -m 50 \
		-rcpt a@hosted.example,b@hosted.example
	check "the queue drains" drain 120
	check "nothing is lost or doubled" arrived tls
	equals "Received fields that name TLS" "$messages" "$(sunk_lines $'^\t(TLS1' | wc -l)"
}

# --- next hops of other habits ----------------------------------------------

habits() {
	local habit name
	# No pipelining; no ESMTP at all; no 8BITMIME; neither DSN nor enhanced codes;
	# the greeting of an old firewall.
	for habit in -p -e -8 "-N -E" -P; do
		name=habit${habit// /}
		# shellcheck disable=SC2086 # several flags
		start_sink "$name" $habit
		blast "$name" -addr "127.0.0.1:$private_port" -strict -ascii -n 200 -c 5 -rcpt a@sink.example >/dev/null
		check "smtp-sink $habit: the queue drains" drain 30
		check "smtp-sink $habit: nothing is lost or doubled" arrived "$name"
	done
	# B20: a bounce, never silent damage.
	start_sink eightbit -8
	blast eightbit -addr "127.0.0.1:$private_port" -strict -n 50 -c 5 -rcpt a@sink.example >/dev/null
	check "eight-bit mail to smtp-sink -8: the queue drains" drain 30
	equals "eight-bit mail to smtp-sink -8: bounces with 5.6.3" 50 "$(sunk_lines '^Status: 5\.6\.3' | wc -l)"
}

# --- policies, while mail flows ---------------------------------------------

# swaks_to ADDRESS FLAGS...: one message; prints the session.
swaks_to() { swaks --server "127.0.0.1:$private_port" --helo client.example --from sender@client.example --to "$@" 2>&1; }

# refused CODE WORDS FLAGS...: swaks must end with this exit code, and hear the
# words from the gateway.
refused() {
	local code=$1 words=$2 status=0 session
	shift 2
	session=$(swaks_to "$@") || status=$?
	if [[ $status != "$code" || $session != *"$words"* ]]; then
		echo "$session"
		echo "exit status $status"
		return 1
	fi
}

handshakes() {
	local seen
	# -r 1: connect again, with the session of before if the gateway gave one out.
	seen=$(posttls-finger -c -r 1 -l may -L summary "[127.0.0.1]:$public_port" 2>&1)
	check "posttls-finger gets TLS 1.3" grep -o 'TLSv1.3 with cipher [A-Z0-9_]*' <<<"$seen"
	check "posttls-finger gets no session ticket" grep 'declined session caching' <<<"$seen" # B9
	seen=$(openssl s_client -starttls smtp -connect "127.0.0.1:$public_port" -tls1_1 </dev/null 2>&1) || true
	check "openssl with TLS 1.1 is refused" grep -o 'alert protocol version' <<<"$seen"
}

inbound_policy() {
	start_sink policy
	start_load policy -addr "127.0.0.1:$private_port" -starttls -strict -c 5 -rate 400 -rcpt flow@sink.example
	check "swaks is served in clear" swaks_to one@sink.example --quit-after RCPT --silent 2
	set_api PATCH /mail-flow-policies/RELAYED '{"tls":"required"}'
	# 23: MAIL was refused.
	check "required: swaks in clear is refused" refused 23 '530 5.7.0 Must issue a STARTTLS command first' one@sink.example
	check "required: swaks with STARTTLS is served" swaks_to one@sink.example -tls --silent 2
	set_api PATCH /mail-flow-policies/RELAYED '{"tls":null}'
	check "back to preferred: swaks is served in clear" swaks_to two@sink.example --silent 2
	# 24: no recipient was taken.
	check "a domain that is not hosted is refused" refused 24 '550 5.7.1' one@elsewhere.example --server "127.0.0.1:$public_port"
	succeeds "every session of the load client was served meanwhile" end_load
	check "the queue drains" drain 60
	check "nothing is lost or doubled" arrived policy
}

# recipient_is ID FILTER: a jq filter over the message's only recipient holds.
recipient_is() { api GET "/messages/$1" | jq -e ".recipients[0] | $2" >/dev/null; }

outbound_policy() {
	start_sink strict
	set_api PUT /destination-controls/strict.example '{"tls_level":"required"}'
	local id
	id=$(swaks_to someone@strict.example | queue_id_of)
	if [[ -z $id ]]; then
		fail "swaks is told a queue id"
		return
	fi
	check "required, and smtp-sink has no STARTTLS: deferred with 4.7.4" until_true 10 \
		recipient_is "$id" '.state == "queued" and .attempts == 1 and .last_outcome.status == "deferred" and .last_outcome.enhanced == "4.7.4"'
	equals "messages at smtp-sink" 0 "$(sunk)"
	api POST "/messages/$id/retry" >/dev/null
	check "tried again under the same policy: deferred again" until_true 10 \
		recipient_is "$id" '.state == "queued" and .attempts == 2 and .last_outcome.enhanced == "4.7.4"'
	set_api PATCH /destination-controls/strict.example '{"tls_level":"preferred"}'
	api POST "/messages/$id/retry" >/dev/null
	check "preferred, and tried again: delivered" until_true 10 recipient_is "$id" '.state == "delivered"'
	equals "messages at smtp-sink" 1 "$(sunk)"
	check "its attempts tell levels and reasons" attempts_tell "$id"
}

attempts_tell() {
	api GET "/messages/$1/attempts" | tee "$work/attempts" |
		jq -e '[.items[].decision.tls_level] == ["required", "required", "preferred"] and all(.items[]; .decision.reasons | length > 0)' >/dev/null ||
		{
			cat "$work/attempts"
			return 1
		}
}

# --- the end of the process -------------------------------------------------

# a_while sleeps for a random part of a second and a half.
a_while() { sleep "$(printf '%d.%03d' $((RANDOM % 2)) $((RANDOM % 500 + 200)))"; }

spool_is_empty() { [[ -z $(find "$work/data/spool" -type f) ]]; }

crashes() {
	start_sink crash
	say "$kills rounds of kill -9 while mail comes and goes"
	start_load crash -addr "127.0.0.1:$private_port" -starttls -c 10 -rate 800 -size 4096,4096,4096,4096,200000 \
		-rcpt a@sink.example,b@other.example
	local round kept=0
	for ((round = 1; round <= kills; round++)); do
		if ((round % 2)); then
			kill -STOP "$sink" # a backlog grows
		fi
		a_while
		set_api PUT "/domains/round$round.example" '{}'
		kill_gateway
		start_gateway
		if api GET "/domains/round$round.example" >/dev/null; then
			kept=$((kept + 1))
		fi
		kill -CONT "$sink"
	done
	succeeds "the load client comes to its end" end_load
	equals "changes that were answered and are there after kill -9" "$kills" "$kept"
	check "the queue drains" drain 120
	check "everything acknowledged arrives" arrived crash -crash $((kills * in_flight))
	check "no body is left in the spool" until_true 10 spool_is_empty
}

stops() {
	start_sink stop
	say "$stops rounds of SIGTERM while mail comes and goes"
	start_load stop -addr "127.0.0.1:$private_port" -starttls -c 10 -rate 800 -rcpt a@sink.example,b@other.example
	local round
	for ((round = 1; round <= stops; round++)); do
		a_while
		succeeds "the gateway stops in good order" stop_gateway
		start_gateway
	done
	succeeds "the load client comes to its end" end_load
	check "the queue drains" drain 120
	check "nothing is lost or doubled" arrived stop
}

start_gateway
relay_to_sink
bulk_in_clear
bulk_in_tls
handshakes
habits
inbound_policy
outbound_policy
crashes
stops
succeeds "the gateway stops in good order" stop_gateway
