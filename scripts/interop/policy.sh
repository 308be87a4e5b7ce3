#!/usr/bin/env bash
# Holds the TLS policies against strangers: Postfix and Exim as next hops of every
# habit, swaks from every sender group, posttls-finger and testssl.sh as judges of
# our listeners; and runs the guide of the README for one domain that only gets TLS.
# The tables say what must come out.
#
# It needs root: the next hops change to users of their own.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=peers.sh
. "$root/scripts/interop/peers.sh"
# shellcheck source=clients.sh
. "$root/scripts/interop/clients.sh"
# shellcheck source=judges.sh
. "$root/scripts/interop/judges.sh"

if ((EUID != 0)); then
	say "skipped: private mail servers are started by root only"
	exit 0
fi
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

# cells TABLE PROGRAM prints each cell as "ROW PEER DOMAIN OUTCOME".
cells() {
	awk -v program="$2" 'NF && !named { named = split($0, peer); next }
		NF {
			row = $1
			gsub("_", "-", row)
			for (i = 2; i <= NF; i++) print $1, peer[i], row "." peer[i] "." program ".example", $i
		}' <<<"$1"
}

# expected [LEVEL [PROGRAM]] prints what must become of mail, as lines "DOMAIN OUTCOME".
expected() {
	local program
	for program in "${programs[@]}"; do
		cells "$outcomes" "$program"
	done | awk -v level="${1-}" -v program="${2-}" '(!level || $1 == level) && (!program || $3 ~ "\\." program "\\.") { print $3, $4 }' | sort
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

# trust NAME USAGE FILE: a trust anchor (B23).
trust() { set_api PUT "/trust-anchors/$1" "$(jq -n --arg usage "$2" --rawfile certificate "$3" '{usage: $usage, certificate: $certificate}')"; }

# A pinned certificate is trusted by itself; its names and dates still count (B23).
pins() {
	trust selfsigned pinned_server "$peers_dir/selfsigned.postfix.crt"
	goes required-verify.selfsigned.postfix.example verified "a pinned certificate"
	trust expired pinned_server "$peers_dir/expired.postfix.crt"
	goes required-verify.expired.postfix.example 4.7.5 "a pinned certificate that has expired"
	api DELETE "/trust-anchors/selfsigned?wait=10s" >/dev/null
	goes required-verify.selfsigned.postfix.example 4.7.5 "a certificate that is pinned no more"
}

# Through a server profile: its peer must be trusted always. One that is not counts as
# failed TLS, so that optional TLS goes on in clear (B32).
profiles='
encryption         clear  right     hosted    wrong  selfsigned  expired  encrypt   broken
none               plain  plain     plain     plain  plain       plain    5.7.0     plain
starttls_optional  plain  verified  verified  plain  plain       plain    verified  plain
starttls_required  4.7.4  verified  verified  4.7.5  4.7.5       4.7.5    verified  4.7.5
'

through_profiles() {
	local encryption peer domain id
	cells "$profiles" profile >"$work/cells"
	while read -r encryption peer domain _; do
		set_api PUT "/server-profiles/$domain" '{"type":"smtp","transport_encryption":"'"$encryption"'",
			"uris":["smtp://mx.'"$peer"'.postfix.example:'"$postfix_port"'"]}'
		set_api PUT "/routes/$domain" '{"next_hops":[{"server_profile":"'"$domain"'"}]}'
	done <"$work/cells"
	# shellcheck disable=SC2046 # many words
	id=$(submit $(cut -d ' ' -f 3 "$work/cells"))
	check "through server profiles: every destination is tried" until_true 60 attempted "$id" 1
	verdicts "$id" >"$work/verdicts"
	while read -r encryption; do
		awk -v row="$encryption" '$1 == row { print $3, $4 }' "$work/cells" | sort >"$work/want"
		grep "^${encryption//_/-}\." "$work/verdicts" >"$work/got" || true
		check "server profile, $encryption" agree "$work/want" "$work/got"
	done < <(cut -d ' ' -f 1 "$work/cells" | sort -u)
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
start_gateway
trust interop-ca authority "$peers_dir/ca.pem"
set_api PATCH /settings/dns '{"servers":["127.0.0.1:'"$dns_port"'"]}'
set_api PUT /routes/client.example "$to_sink"

one_domain
sending
pins
through_profiles
lists
receiving
own_policies
client_certificates
proxied
listeners
succeeds "the gateway stops in good order" stop_gateway
stop_peers
