#!/usr/bin/env bash
# Holds the TLS policies against strangers: Postfix and Exim as next hops of every
# habit, swaks from every sender group, posttls-finger and testssl.sh as judges of
# our listeners; and runs the guide of the README for one domain that only gets TLS.
# The tables say what must come out.
#
# It needs root: the next hops have users and addresses of their own.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=peers.sh
. "$root/scripts/interop/peers.sh"
# shellcheck source=judges.sh
. "$root/scripts/interop/judges.sh"

need postfix postfix
need unbound unbound
need swaks swaks
need openssl openssl
need_perl Net::SSLeay libnet-ssleay-perl
need python3 python3
need testssl testssl.sh
need jq jq
need curl curl
programs=(postfix)
if need_exim; then
	programs+=(exim)
else
	say "skipped: Exim is not to be had"
fi
build

# --- sending ----------------------------------------------------------------

# What becomes of mail, by the level of its destination and by the peer (B22, B23,
# B28):
#
#   plain     delivered in clear
#   tls       delivered encrypted; the certificate does not prove the peer
#   verified  delivered encrypted, and the certificate proves it: to be the host,
#             and from preferred_verify on what the level asks for
#   4.7.4     waits: TLS is not offered          5.7.4  bounced for that
#   4.7.5     waits: TLS failed, or its proof    5.7.5  bounced for that
#   5.7.0     bounced: the peer takes no mail in clear
outcomes='
level                    clear  right     hosted    wrong  selfsigned  expired  encrypt   broken
none                     plain  plain     plain     plain  plain       plain    5.7.0     plain
preferred                plain  verified  verified  tls    tls         tls      verified  4.7.5
preferred_verify         plain  verified  tls       tls    tls         tls      verified  4.7.5
required                 4.7.4  verified  verified  tls    tls         tls      verified  4.7.5
required_verify          4.7.4  verified  4.7.5     4.7.5  4.7.5       4.7.5    verified  4.7.5
required_verify_hosted   4.7.4  verified  verified  4.7.5  4.7.5       4.7.5    verified  4.7.5
required_at_once         5.7.4  verified  verified  tls    tls         tls      verified  5.7.5
required_verify_at_once  5.7.4  verified  5.7.5     5.7.5  5.7.5       5.7.5    verified  5.7.5
'

# expected [LEVEL [PROGRAM]] prints the table as lines "DOMAIN OUTCOME".
expected() {
	local program
	for program in "${programs[@]}"; do
		awk -v only="${1-}" -v program="$program" '
			$1 == "level" { split($0, peer) }
			NF && $1 != "level" && (!only || $1 == only) {
				level = $1
				gsub("_", "-", level)
				for (i = 2; i <= NF; i++) print level "." peer[i] "." program ".example", $i
			}' <<<"$outcomes"
	done | grep "\.${2-.*}\.example " | sort
}

levels() { awk 'NF && $1 != "level" { print $1 }' <<<"$outcomes"; }

# control LEVEL: the destination control of a row.
control() {
	case $1 in
	*_at_once) echo '{"tls_level":"'"${1%_at_once}"'","bounce_at_once":true}' ;;
	*) echo '{"tls_level":"'"$1"'"}' ;;
	esac
}

# route_peers: the mail of each peer's domains goes to the peer.
route_peers() {
	local program peer port
	for program in "${programs[@]}"; do
		port=${program}_port
		for peer in "${peers[@]}"; do
			set_api PUT "/routes/.$peer.$program.example" \
				'{"next_hops":[{"host":"mx.'"$peer.$program"'.example","port":'"${!port}"'}]}'
		done
	done
}

set_controls() {
	local level domain
	while read -r level; do
		while read -r domain _; do
			api PUT "/destination-controls/$domain" "$(control "$level")" >/dev/null
		done < <(expected "$level")
	done < <(levels)
}

# submit DOMAIN...: one message with a recipient in each; prints its queue id.
submit() {
	local to
	printf -v to 'someone@%s,' "$@"
	swaks --server "127.0.0.1:$private_port" --helo client.example --from sender@client.example --to "${to%,}" 2>&1 | queue_id_of
}

# attempted ID N: each recipient has had so many attempts.
attempted() { api GET "/messages/$1" | jq -e "all(.recipients[]; .attempts >= $2)" >/dev/null; }

# verdicts ID prints what became of each recipient, as the table says it.
verdicts() {
	api GET "/messages/$1/attempts?limit=1000" | jq -r '.items[] | .results[0].outcome as $outcome | .decision.domain + " " + (
		if $outcome.status != "delivered" then $outcome.enhanced
		elif (.tls.version // "") == "" then "plain"
		elif .tls.verified then "verified"
		else "tls" end)' | sort
}

# soon SECONDS COMMAND...: what keeps failing is run once more, to say why.
soon() { until_true "$@" || "${@:2}"; }

# agree WANT GOT: two files of verdicts.
agree() {
	diff "$1" "$2" || return 1
	awk '{ sub(/^[^.]*\./, "", $1); sub(/\..*/, "", $1); printf "%s%s %s", (NR > 1 ? ", " : ""), $1, $2 }' "$2"
}

sending() {
	local id program level
	say "$(expected | wc -l) destinations: $(levels | wc -l) levels, ${#peers[@]} peers of each of ${programs[*]}"
	route_peers
	set_controls
	# shellcheck disable=SC2046 # many words
	id=$(submit $(expected | cut -d ' ' -f 1))
	check "every destination is tried" until_true 60 attempted "$id" 1
	verdicts "$id" >"$work/verdicts"
	for program in "${programs[@]}"; do
		while read -r level; do
			expected "$level" "$program" >"$work/want"
			grep "^${level//_/-}\..*\.$program\.example " "$work/verdicts" >"$work/got" || true
			check "$program, $level" agree "$work/want" "$work/got"
		done < <(levels)
		check "$program has what was delivered, as it was told" soon 10 has_what_was_delivered "$program"
	done
	expire "$id"
}

# has_what_was_delivered PROGRAM: the peers' own mailboxes and logs agree.
has_what_was_delivered() {
	diff <(expected '' "$1" | sed -n 's/ plain$/ clear/p; s/ tls$/&/p; s/ verified$/ tls/p') <(kept "$1" | grep "\.$1\.example ")
}

# expire ID: what still waits is tried once more, and bounces for the reason for
# which it waited; the sender is told.
expire() {
	expected | grep ' 4\.' | sed 's/ 4\./ 5./' >"$work/want"
	expected | sed -n 's/^.* \([45]\.7\..\)$/Status: \1/p' | sed 's/ 4\./ 5./' | sort >"$work/want.notices"
	set_api PATCH /settings/queue '{"lifetime_seconds":1}'
	api POST "/messages/$1/retry" >/dev/null
	check "what waits for TLS bounces at the end of its time" soon 60 expired_as_wanted "$1"
	say "$(cut -d ' ' -f 2 "$work/want" | sort | uniq -c | xargs)"
	check "the sender is told of each" soon 20 told_of_each
	set_api PATCH /settings/queue '{"lifetime_seconds":432000}'
}

expired_as_wanted() {
	api GET "/messages/$1" | jq -r '.recipients[] | select(.attempts == 2) | (.address | sub(".*@"; "")) + " " + .last_outcome.enhanced' |
		sort | diff "$work/want" -
}

told_of_each() { sunk_lines '^Status: ' | tr -d '\r' | sort | diff "$work/want.notices" -; }

# goes DOMAIN OUTCOME TEXT: what becomes of one more message.
goes() {
	local id
	id=$(submit "$1")
	until_true 20 attempted "$id" 1 || true
	equals "$3" "$1 $2" "$(verdicts "$id" | tail -n 1)"
}

# The lists beside the levels (B24, B25).
lists() {
	set_api PUT /starttls-requirements/mx.clear.postfix.example '{"reason":"interop"}'
	goes none.clear.postfix.example 4.7.4 "STARTTLS required list, peer without STARTTLS"
	set_api PUT /starttls-requirements/mx.wrong.postfix.example '{"reason":"interop"}'
	goes none.wrong.postfix.example tls "STARTTLS required list, any certificate"
	set_api PUT /starttls-exemptions/.right.postfix.example '{"reason":"interop"}'
	goes preferred.right.postfix.example plain "STARTTLS exemption list"
	goes required.right.postfix.example verified "STARTTLS exemption list against a required level"
	set_api PATCH /settings/tls '{"retry_without_tls":true}'
	goes required.broken.postfix.example 4.7.5 "one-hour list, required"
	equals "hosts on the one-hour list" "" "$(api GET /no-tls-hosts | jq -r '.items[].host')"
	goes preferred.broken.postfix.example plain "one-hour list, preferred"
	equals "hosts on the one-hour list" mx.broken.postfix.example "$(api GET /no-tls-hosts | jq -r '.items[].host')"
	goes preferred-verify.broken.postfix.example plain "one-hour list, preferred_verify"
	set_api PATCH /settings/tls '{"retry_without_tls":false}'
}

# --- receiving --------------------------------------------------------------

# What a client hears, by its sender group, by what it does, and by the TLS mode of
# the listener (B12, B14, B15):
#
#   taken   the message is taken
#   no-tls  STARTTLS is not offered
#   530     Must issue a STARTTLS command first
#   554     no mail from here
receptions='
listener  group        address    session  off     preferred  required
inbound   ALLOWLIST    127.0.0.31  clear    taken   taken      530
inbound   ALLOWLIST    127.0.0.31  tls      no-tls  taken      taken
inbound   BLOCKLIST    127.0.0.32  clear    554     554        554
inbound   BLOCKLIST    127.0.0.32  tls      554     554        554
inbound   SUSPECTLIST  127.0.0.33  clear    taken   taken      530
inbound   SUSPECTLIST  127.0.0.33  tls      no-tls  taken      taken
inbound   UNKNOWNLIST  127.0.0.34  clear    taken   taken      530
inbound   UNKNOWNLIST  127.0.0.34  tls      no-tls  taken      taken
inbound   ALL          127.0.0.35  clear    taken   taken      530
inbound   ALL          127.0.0.35  tls      no-tls  taken      taken
outbound  RELAYLIST    127.0.0.36  clear    taken   taken      530
outbound  RELAYLIST    127.0.0.36  tls      no-tls  taken      taken
outbound  ALL          127.0.0.37  clear    554     554        554
outbound  ALL          127.0.0.37  tls      554     554        554
'

# listener_port NAME
listener_port() {
	case $1 in
	inbound) echo "$public_port" ;;
	outbound) echo "$private_port" ;;
	esac
}

# heard LISTENER ADDRESS clear|tls [FLAGS...]: what a client at the address hears.
heard() {
	local session status=0 flags=()
	if [[ $3 == tls ]]; then
		flags=(-tls)
	fi
	session=$(swaks --server "127.0.0.1:$(listener_port "$1")" --local-interface "$2" --helo client.example \
		--from sender@client.example --to someone@hosted.example "${flags[@]}" "${@:4}" 2>&1) || status=$?
	case $status:$session in
	0:*) echo taken ;;
	*'did not advertise STARTTLS'*) echo no-tls ;;
	*) sed -n 's/^<[~ ]*\*\* \([45][0-9][0-9]\).*/\1/p' <<<"$session" | tail -n 1 ;;
	esac
}

set_groups() {
	local listener group address
	while read -r listener group address _; do
		if [[ $group != ALL ]]; then
			set_api PATCH "/listeners/$listener/sender-groups/$group" '{"senders":[{"pattern":"'"$address"'"}]}'
		fi
	done < <(awk '$4 == "clear"' <<<"$receptions")
}

receiving() {
	local mode column=5 taken before
	set_api PUT /domains/hosted.example '{}'
	set_api PUT /routes/hosted.example "$to_sink"
	set_groups
	before=$(sunk)
	for mode in off preferred required; do
		set_api PATCH /listeners/inbound '{"default_policy_parameters":{"tls":"'"$mode"'"}}'
		set_api PATCH /listeners/outbound '{"default_policy_parameters":{"tls":"'"$mode"'"}}'
		all_hear "$column" "$mode"
		column=$((column + 1))
	done
	taken=$(grep -o '\<taken\>' <<<"$receptions" | wc -l)
	check "what was taken is at smtp-sink" until_true 10 sunk_since "$before" "$taken"
}

sunk_since() { (($(sunk) - $1 == $2)); }

# all_hear COLUMN MODE: every row of the table, under one mode of the listeners.
all_hear() {
	local listener group address session want
	while read -r listener group address session want; do
		equals "$2: $listener $group, $session" "$want" "$(heard "$listener" "$address" "$session")"
	done < <(awk -v column="$1" 'NF && $1 != "listener" { print $1, $2, $3, $4, $column }' <<<"$receptions")
}

# A policy that says what it wants does not inherit it (B14), and who must send
# under TLS must do so everywhere (B17).
own_policies() {
	set_api PATCH /listeners/inbound '{"default_policy_parameters":{"tls":"required","tls_mandatory_senders":["boss@bank.example"]}}'
	set_api PATCH /mail-flow-policies/TRUSTED '{"tls":"preferred"}'
	equals "TRUSTED is preferred, the listener required: ALLOWLIST, clear" taken "$(heard inbound 127.0.0.31 clear)"
	equals "TRUSTED is preferred, the listener required: SUSPECTLIST, clear" 530 "$(heard inbound 127.0.0.33 clear)"
	equals "a sender that must use TLS, clear" 530 "$(heard inbound 127.0.0.31 clear --from boss@bank.example)"
	equals "a sender that must use TLS, tls" taken "$(heard inbound 127.0.0.31 tls --from boss@bank.example)"
	set_api PATCH /mail-flow-policies/TRUSTED '{"tls":null}'
	set_api PATCH /mail-flow-policies/BLOCKED '{"action":"tcp_refuse"}'
	equals "tcp_refuse says no word: BLOCKLIST" closed "$(talk --source 127.0.0.32 "$public_port")"
	set_api PATCH /mail-flow-policies/BLOCKED '{"action":"reject"}'
	set_api PATCH /listeners/inbound '{"default_policy_parameters":{"tls":"preferred"}}'
	# The policy THROTTLED of SUSPECTLIST takes 100 recipients, TRUSTED more.
	local many
	printf -v many 'r%d@hosted.example,' {1..101}
	equals "101 recipients from SUSPECTLIST, refused" 1 "$(swaks_hears 127.0.0.33 '452' --to "${many%,}")"
	equals "101 recipients from ALLOWLIST, refused" 0 "$(swaks_hears 127.0.0.31 '452' --to "${many%,}")"
}

# swaks_hears ADDRESS CODE FLAGS...: how often a client hears a code before DATA.
swaks_hears() {
	swaks --server "127.0.0.1:$public_port" --local-interface "$1" --helo client.example --from sender@client.example \
		--quit-after RCPT "${@:3}" 2>&1 | grep -c "^<[~ ]*\*\* $2" || true
}

# --- behind a proxy ---------------------------------------------------------

talk() { python3 "$root/scripts/interop/talk.py" "$@"; }

# first FLAGS...: the first word of the first answer.
first() { talk "$@" "$public_port" QUIT | head -n 1 | cut -d ' ' -f 1; }

proxied() { # B11
	set_api PATCH /listeners/inbound '{"proxy_protocol_from":["127.0.0.40"]}'
	equals "behind the proxy, in the name of BLOCKLIST" 554 "$(first --source 127.0.0.40 --proxy 127.0.0.32)"
	equals "behind the proxy, in the name of ALLOWLIST" 220 "$(first --source 127.0.0.40 --proxy 127.0.0.31)"
	equals "the proxy without a header" closed "$(talk --source 127.0.0.40 "$public_port" 'EHLO client.example' | tail -n 1)"
	equals "BLOCKLIST with a header in the name of ALLOWLIST" 554 "$(first --source 127.0.0.32 --proxy 127.0.0.31)"
	set_api PATCH /listeners/inbound '{"proxy_protocol_from":null}'
}

# --- the guide --------------------------------------------------------------

# guide MARK prints the commands of the README below the mark, and the function
# that they use.
guide() {
	grep '^api() ' "$root/README.md"
	awk -v mark="<!-- $1:" 'index($0, mark) { here = 1 } here && /^```$/ { exit } here && code { print } here && /^```sh$/ { code = 1 }' "$root/README.md"
}

run_guide() {
	guide "$1" >"$work/guide.sh"
	TOKEN=$(sed 's/^Authorization: Bearer //' "$work/authorization") API=http://127.0.0.1:$api_port/api/v1 \
		bash -euo pipefail "$work/guide.sh" | tee "$work/guide.out"
	! grep -q '"status":[45]' "$work/guide.out"
}

# one_domain: a gateway as it comes, and then with what the guide says.
one_domain() {
	local id
	set_api PUT /domains/hosted.example '{}'
	set_api PUT /routes/hosted.example "$to_sink"
	set_api PUT /routes/partner.example "$(to_peer right)"
	set_api PUT /routes/other.example "$(to_peer right)"
	goes partner.example plain "before: to the partner"
	goes other.example plain "before: to others"
	equals "before: from the partner, clear" taken "$(heard inbound 127.0.0.41 clear)"
	check "the commands of the README's guide" run_guide one-domain
	goes partner.example verified "only one domain gets TLS: to the partner"
	goes other.example plain "only one domain gets TLS: to others, whose host offers it too"
	set_api PUT /routes/partner.example "$(to_peer clear)"
	goes partner.example 4.7.4 "only one domain gets TLS: to a host of the partner that has none"
	equals "from the partner, clear" 530 "$(heard inbound 127.0.0.41 clear)"
	equals "from the partner, tls" taken "$(heard inbound 127.0.0.41 tls)"
	equals "from others, clear" taken "$(heard inbound 127.0.0.42 clear)"
	equals "from others, tls" no-tls "$(heard inbound 127.0.0.42 tls)"
	check "explain names the entry" jq -es 'map(select(.destination.domain? == "partner.example")) | length == 1 and
		(tostring | contains("\"entry\":\"partner.example\""))' "$work/guide.out"
}

# to_peer PEER: a route to that peer of Postfix.
to_peer() { echo '{"next_hops":[{"host":"mx.'"$1"'.postfix.example","port":'"$postfix_port"'}]}'; }

# Other users than root have to reach what is theirs.
chmod 711 "$work"
mkdir -p "$peers_dir"
if ! make_certificates >"$work/openssl.log" 2>&1; then
	cat "$work/openssl.log"
	exit 1
fi
start_dns
start_postfix
if [[ ${programs[*]} == *exim* ]]; then
	start_exim
fi
start_sink policy
to_sink='{"next_hops":[{"host":"127.0.0.1","port":'"$sink_port"'}]}'
export SSL_CERT_FILE=$peers_dir/ca.pem # whom the gateway trusts
start_gateway
set_api PATCH /settings/dns '{"servers":["127.0.0.1:'"$dns_port"'"]}'
set_api PUT /routes/client.example "$to_sink"

one_domain
sending
lists
receiving
own_policies
proxied
listeners
succeeds "the gateway stops in good order" stop_gateway
stop_peers
