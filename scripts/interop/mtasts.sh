#!/usr/bin/env bash
# MTA-STS from the sender's side: Unbound has the records, a policy host in Python
# answers right and in every wrong way, and a mail exchanger shows what goes out. Then
# the life of one policy: a new id, a restart, mail that waits until the policy is
# corrected, withdrawal, and expiry.
#
# It needs root: the policy host is at port 443 on an address of loopback.
#
#   KEEP=1, RACE=1, TALLY=file: see lib.sh
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if ((EUID != 0)); then
	say "needs root: left out"
	exit 0
fi
need unbound unbound
need python3 python3
need jq jq
need swaks swaks

names=127.0.5.53 web=127.0.5.1
dir=$work/mtasts
mkdir -p "$dir/policies"
chmod 755 "$work" "$dir"

# What becomes of each domain below sts.example: how its policy host answers, what is
# the matter with its record, and what deliveries are told.
#
#   NAME       ANSWER                  RECORD  PROBLEM                  POLICY
cases() {
	cat <<-'END'
		good       200,text/plain,-        id      -                        enforce
		redirect   302,text/plain,redirect id      sts-policy-fetch-error   none
		wrongtype  200,text/html,-         id      sts-policy-fetch-error   none
		notfound   404,text/plain,-        id      sts-policy-fetch-error   none
		big        200,text/plain,-        id      sts-policy-fetch-error   none
		endless    200,text/plain,endless  id      sts-policy-fetch-error   none
		badmode    200,text/plain,-        id      sts-policy-invalid       none
		nomx       200,text/plain,-        id      sts-policy-invalid       none
		wrongname  200,text/plain,-        id      sts-webpki-invalid       none
		expired    200,text/plain,-        id      sts-webpki-invalid       none
		selfsigned 200,text/plain,-        id      sts-webpki-invalid       none
		tworecords 200,text/plain,-        two     sts-record-error         none
		badid      200,text/plain,-        badid   sts-record-error         none
		refused    200,text/plain,-        refuse  dns-error                unknown
		dropped    200,text/plain,-        drop    dns-error                unknown
	END
}

# --- certificates -------------------------------------------------------------

curve=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)

# issue NAME DAYS DNS-NAME...: a certificate under the authority, with its key.
issue() {
	local name=$1 days=$2
	shift 2
	openssl req "${curve[@]}" -keyout "$dir/$name.key" -out "$dir/$name.csr" -subj "/CN=$name"
	{
		printf 'basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName='
		printf 'DNS:%s\n' "$@" | paste -sd,
	} >"$dir/$name.ext"
	openssl x509 -req -in "$dir/$name.csr" -CA "$dir/ca.crt" -CAkey "$dir/ca.key" -CAcreateserial \
		-days "$days" -extfile "$dir/$name.ext" -out "$dir/$name.crt"
	cat "$dir/$name".{key,crt} >"$dir/$name.pem"
}

make_certificates() {
	openssl req -x509 "${curve[@]}" -keyout "$dir/ca.key" -out "$dir/ca.crt" -days 30 \
		-subj '/CN=Policy CA' -addext keyUsage=critical,keyCertSign,cRLSign
	local name covered=(mta-sts.life.sts.example mta-sts.slow.sts.example)
	while read -r name _; do
		[[ $name == wrongname ]] || covered+=("mta-sts.$name.sts.example")
	done < <(cases)
	issue good 30 "${covered[@]}"
	issue mx 30 mx.sts.example
	issue mta-sts.expired.sts.example 0 mta-sts.expired.sts.example # until this very second
	openssl req -x509 "${curve[@]}" -keyout "$dir/s.key" -out "$dir/s.crt" -days 30 -subj /CN=s \
		-addext subjectAltName=DNS:mta-sts.selfsigned.sts.example
	cat "$dir"/s.{key,crt} >"$dir/mta-sts.selfsigned.sts.example.pem"
}

# --- records ------------------------------------------------------------------

life_record='"v=STSv1; id=1;"'

# local_data prints the records of a domain.
local_data() {
	local name=$1 record=$2 at="_mta-sts.$1.sts.example."
	echo "local-data: \"mta-sts.$name.sts.example. 0 A $web\""
	case $record in
	id) echo "local-data: '$at 0 TXT \"v=STSv1; id=1;\"'" ;;
	two) printf "local-data: '%s 0 TXT \"v=STSv1; id=%s;\"'\n" "$at" 1 "$at" 2 ;;
	badid) echo "local-data: '$at 0 TXT \"v=STSv1; id=2026-11-25;\"'" ;;
	refuse) echo "local-zone: \"$at\" always_refuse" ;;
	drop) echo "local-zone: \"$at\" always_deny" ;;
	*) echo "local-data: '$at 0 TXT $record'" ;;
	esac
}

write_records() {
	{
		cat <<-END
			server:
			  interface: $names
			  access-control: 127.0.0.0/8 allow
			  username: ""
			  chroot: ""
			  directory: "$dir"
			  pidfile: "$dir/unbound.pid"
			  do-daemonize: no
			  use-syslog: no
			  module-config: iterator
			  local-zone: sts.example. static
			  local-data: "mx.sts.example. 0 A 127.0.0.1"
		END
		local name record
		while read -r name _ record _; do
			local_data "$name" "$record"
		done < <(cases)
		local_data life "$life_record"
		local_data slow id
	} >"$dir/unbound.conf"
}

start_names() {
	write_records
	unbound -c "$dir/unbound.conf" >"$dir/unbound.out" 2>&1 &
	unbound=$!
	until_true 10 listens 53 "$names"
}

stop_names() {
	kill -TERM "$unbound"
	wait "$unbound" 2>/dev/null || true
}

# new_id RECORD: the record of life.sts.example changes.
new_id() {
	life_record="\"v=STSv1; id=$1;\""
	stop_names
	start_names
}

# --- policies -----------------------------------------------------------------

# policy MODE MX...
policy() {
	printf 'version: STSv1\r\nmode: %s\r\n' "$1"
	shift
	(($# == 0)) || printf 'mx: %s\r\n' "$@"
	printf 'max_age: 86400\r\n'
}

# serve NAME ANSWER: the policy comes by standard input.
serve() {
	{
		tr , ' ' <<<"$2"
		cat
	} >"$dir/policies/mta-sts.$1.sts.example"
}

make_policies() {
	local name answer
	while read -r name answer _; do
		case $name in
		badmode) policy reject mx.sts.example ;;
		nomx) policy enforce ;;
		big)
			policy enforce mx.sts.example
			printf 'x: '
			head -c 65536 /dev/zero | tr '\0' a
			;;
		*) policy enforce mx.sts.example ;;
		esac | serve "$name" "$answer"
	done < <(cases)
	policy enforce mx.sts.example | serve life 200,text/plain,-
	policy enforce mx.sts.example | serve slow 200,text/plain,slow
}

# --- questions ----------------------------------------------------------------

explained() { api GET "/tls/explain?domain=$1.sts.example" | jq -r "$2"; }

# problem_of NAME and state_of NAME: what a delivery is told.
problem_of() { explained "$1" '.destination.mta_sts.problem // "-"'; }
state_of() {
	explained "$1" '.destination | if .mta_sts.unknown then "unknown" elif .mta_sts.applies then .mta_sts.policy.mode else "none" end'
}
decision_of() { explained "$1" '.destination.candidates[0].decision | "\(.tls_level) \(.refused.code // "-")"'; }
id_of() { explained life '.destination.mta_sts.policy.id'; }

send() { swaks --server "127.0.0.1:$private_port" --from a@sender.example --to "b@$1.sts.example" >>"$dir/swaks.log" 2>&1; }
taken() { grep -c "^b@$1.sts.example $2" "$dir/taken"; }
took() { [[ $(taken "$1" "${3-}") == "$2" ]]; }
waits() { api GET '/messages?limit=10' | grep -q "$1"; }
retry() { api POST /messages/actions '{"action":"retry","filter":{}}' >/dev/null; }

# --- the run ------------------------------------------------------------------

make_certificates >"$dir/openssl.log" 2>&1
touch "$dir"/{taken,asked}
make_policies
start_names
python3 "$(dirname "${BASH_SOURCE[0]}")/mtasts.py" "$dir" "$web" "$sink_port" >"$dir/python.log" 2>&1 &
until_true 10 listens "$sink_port"
build
start_gateway
set_api PATCH /settings/tls '{"enabled":true}'
set_api PUT /settings/dns '{"servers":["'"$names"':53"],"trusted":[]}'
set_api PATCH /destination-controls/default '{"tls_level":"preferred"}'
set_api PUT /trust-anchors/policies "$(jq -nc --rawfile pem "$dir/ca.crt" '{usage: "authority", certificate: $pem}')"
set_api PUT /routes/.sts.example '{"policy_domain":true,"next_hops":[{"host":"mx.sts.example","port":'"$sink_port"'}]}'

while read -r name _ _ problem state; do
	equals "$name: problem" "$problem" "$(problem_of "$name")"
	equals "$name: policy" "$state" "$(state_of "$name")"
done < <(cases)
equals "no redirect was followed" 0 "$(grep -c elsewhere "$dir/asked" || true)"
equals "no policy was fetched for two records" 0 "$(grep -c tworecords "$dir/asked" || true)"
equals "a policy in force asks for" "required -" "$(decision_of good)"
equals "without an answer about the record mail waits" "preferred 4.4.3" "$(decision_of refused)"

# A server that never comes to an end holds up its own domain, for a minute.
send slow
send good
check "other domains are not held up" until_true 20 took good 1 TLSv1
equals "while the slow one waits" 0 "$(taken slow '' || true)"
check "which goes without a policy after a minute" until_true 90 took slow 1

# The life of a policy.
send life
check "under the first policy mail is delivered" until_true 20 took life 1 TLSv1
policy enforce other.sts.example | serve life 200,text/plain,-
new_id 2
send life
check "a new policy that does not list the host keeps mail" until_true 20 waits 4.7.5
equals "the policy that decides" 2 "$(id_of)"
rm "$dir/policies/mta-sts.life.sts.example"
new_id 3
stop_gateway
start_gateway
equals "after a restart, with another id and no server, it stands" "enforce 2" "$(state_of life) $(id_of)"
equals "and says why no newer one does" sts-policy-fetch-error "$(problem_of life)"
policy enforce mx.sts.example | serve life 200,text/plain,-
new_id 4
retry
check "the message that waited goes when the policy is corrected" until_true 20 took life 2 TLSv1
policy none | serve life 200,text/plain,-
new_id 5
equals "withdrawn" "none 5" "$(state_of life) $(id_of)"
equals "which asks for nothing" "preferred -" "$(decision_of life)"

# Expiry, while mail waits: the clock of the policy is put forward in the database.
policy enforce other.sts.example | serve life 200,text/plain,-
new_id 6
send life
check "mail waits under the last policy" until_true 20 waits 4.7.5
rm "$dir/policies/mta-sts.life.sts.example"
stop_gateway
python3 -c 'import sqlite3, sys
d = sqlite3.connect(sys.argv[1])
d.execute("UPDATE mta_sts_policies SET expires_at = 1, record_id = ? WHERE domain = ?", ("gone", "life.sts.example"))
d.commit()' "$work/data/queue.db"
start_gateway
retry
check "when it has expired and there is none to fetch, mail goes" until_true 20 took life 3
stop_gateway
