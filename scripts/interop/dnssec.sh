#!/usr/bin/env bash
# DANE against programs that other people wrote: Knot DNS signs, Unbound validates,
# Postfix takes the mail, and posttls-finger is the second opinion: it must come to
# the same end as our live test at each host.
#
# It needs root: name server and mail servers are at their own ports on addresses of
# loopback, and posttls-finger sees a resolv.conf of its own in a mount namespace.
#
#   KEEP=1, RACE=1, TALLY=file: see lib.sh
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if ((EUID != 0)) || ! unshare -m true; then
	say "needs root and a mount namespace: left out"
	exit 0
fi
need knotd knot
need unbound unbound
need posttls-finger postfix
need jq jq

signer=127.0.3.53 validator=127.0.3.54
dir=$work/dnssec
mkdir -p "$dir"/{zones,keys,etc,queue,data,certs}
chmod 755 "$work" "$dir"

# The hosts of signed.example, each with what both must make of it: authenticated,
# encrypted (TLS without authentication), plain, or waits. A host has a certificate
# and TLSA records: usage, selector and matching type of "own" (its certificate),
# "ca" (the authority above it) or "other" (a key of somebody else).
#
#   NAME        CERTIFICATE  RECORDS                     END
hosts() {
	cat <<-'END'
		ee311       self         3,1,1,own                   authenticated
		ee301       self         3,0,1,own                   authenticated
		ee312       self         3,1,2,own                   authenticated
		ee300       self         3,0,0,own                   authenticated
		eewrong     self         3,1,1,other                 waits
		eeany       self         3,1,1,other+3,1,1,own       authenticated
		eeexpired   expired      3,1,1,own                   authenticated
		agility     self         3,1,2,other+3,1,1,own       waits
		ta201       named        2,0,1,ca                    authenticated
		ta211       named        2,1,1,ca                    authenticated
		ta202       named        2,0,2,ca                    authenticated
		ta200       leafonly     2,0,0,ca                    authenticated
		ta201cut    leafonly     2,0,1,ca                    waits
		tawrong     named        2,0,1,other                 waits
		taname      misnamed     2,0,1,ca                    waits
		mixed       self         2,0,1,ca+3,1,1,own          authenticated
		pkixonly    self         1,1,1,own                   encrypted
		short       self         3,1,1,cut                   encrypted
		none        self         -                           encrypted
		clear       clear        3,1,1,own                   waits
		clearnone   clear        -                           plain
		badtlsa     self         3,1,1,own                   waits
	END
}

# --- certificates -------------------------------------------------------------

curve=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)

# issue NAME SUBJECT DAYS: a certificate under the authority, with its key.
issue() {
	openssl req "${curve[@]}" -keyout "$dir/certs/$1.key" -out "$dir/certs/$1.csr" -subj "/CN=$2"
	printf '%s\n' "subjectAltName=DNS:$2" basicConstraints=CA:FALSE extendedKeyUsage=serverAuth >"$dir/certs/$1.ext"
	openssl x509 -req -in "$dir/certs/$1.csr" -CA "$dir/certs/ca.crt" -CAkey "$dir/certs/ca.key" -CAcreateserial \
		-days "$3" -extfile "$dir/certs/$1.ext" -out "$dir/certs/$1.crt"
}

# self_signed NAME DAYS: zero days are the very second of its making.
self_signed() {
	openssl req "${curve[@]}" -keyout "$dir/certs/$1.key" -out "$dir/certs/$1.csr" -subj '/CN=nobody.example'
	openssl x509 -req -in "$dir/certs/$1.csr" -signkey "$dir/certs/$1.key" -days "$2" -out "$dir/certs/$1.crt"
}

make_certificates() {
	openssl req -x509 "${curve[@]}" -keyout "$dir/certs/ca.key" -out "$dir/certs/ca.crt" -days 30 \
		-subj '/CN=DANE CA' -addext keyUsage=critical,keyCertSign,cRLSign
	self_signed other 30
	local name kind rest
	while read -r name kind rest; do
		case $kind in
		named | leafonly) issue "$name" "$name.signed.example" 30 ;;
		misnamed) issue "$name" nobody.example 30 ;;
		expired) self_signed "$name" 0 ;;
		*) self_signed "$name" 30 ;;
		esac
		cat "$dir/certs/$name".{key,crt} >"$dir/certs/$name.pem"
		if [[ $kind == named || $kind == misnamed ]]; then
			cat "$dir/certs/ca.crt" >>"$dir/certs/$name.pem"
		fi
	done < <(hosts)
}

# tlsa NAME RECORD prints the data of a record.
tlsa() {
	local usage selector matching whose file
	IFS=, read -r usage selector matching whose <<<"$2"
	case $whose in
	own) file=$1 ;;
	*) file=$whose ;;
	esac
	if [[ $whose == cut ]]; then
		echo "$usage $selector $matching 010203"
		return
	fi
	data() {
		if ((selector == 0)); then
			openssl x509 -in "$dir/certs/$file.crt" -outform DER
		else
			openssl x509 -in "$dir/certs/$file.crt" -noout -pubkey | openssl pkey -pubin -outform DER
		fi
	}
	printf '%s %s %s ' "$usage" "$selector" "$matching"
	case $matching in
	0) data | od -An -v -tx1 | tr -d ' \n' ;;
	1) data | sha256sum | cut -d' ' -f1 ;;
	2) data | sha512sum | cut -d' ' -f1 ;;
	esac
	echo
}

# --- zones --------------------------------------------------------------------

# zone_head NAME begins a zone file.
zone_head() {
	cat <<-END
		\$ORIGIN $1.
		\$TTL 60
		@ SOA ns hostmaster 1 3600 600 86400 60
		@ NS ns
		ns A $signer
	END
}

make_zones() {
	local name kind records n=0 record
	{
		zone_head signed.example
		while read -r name kind records _; do
			n=$((n + 1))
			echo "$name A 127.0.4.$n"
			if [[ $records != - && $name != badtlsa ]]; then
				for record in ${records//+/ }; do
					echo "_25._tcp.$name TLSA $(tlsa "$name" "$record")"
				done
			fi
		done < <(hosts)
		echo "_tcp.badtlsa NS ns"
		# Aliases: to a host with records; to one without, with records of its own;
		# and out of the signed zones.
		echo "alias CNAME ee311"
		echo "aliasown CNAME none"
		echo "_25._tcp.aliasown TLSA $(tlsa none 3,1,1,own)"
		echo "aliasout CNAME host.plain.example."
		echo "_25._tcp.aliasout TLSA $(tlsa none 3,1,1,own)"
		echo "aliasoutbad CNAME host.plain.example."
		echo "_25._tcp.aliasoutbad TLSA $(tlsa other 3,1,1,own)"
		echo "@ MX 10 ee311"
	} >"$dir/zones/signed.example.zone"
	{
		zone_head _tcp.badtlsa.signed.example
		echo "_25 TLSA $(tlsa badtlsa 3,1,1,own)"
	} >"$dir/zones/_tcp.badtlsa.signed.example.zone"
	{
		zone_head plain.example
		echo "host A $(address_of none)"
		echo "_25._tcp.host TLSA $(tlsa other 3,1,1,own)" # which nobody signed
		echo "@ MX 10 ee311.signed.example."
	} >"$dir/zones/plain.example.zone"
	{
		zone_head bogus.example
		echo "@ A $(address_of none)"
		echo "@ MX 10 ee311.signed.example."
	} >"$dir/zones/bogus.example.zone"
}

# address_of NAME: that of a host of the table.
address_of() { echo "127.0.4.$(hosts | grep -n "^$1 " | cut -d: -f1)"; }

# --- name servers ---------------------------------------------------------------

signed_zones=(signed.example bogus.example _tcp.badtlsa.signed.example)

start_signer() {
	{
		cat <<-END
			server:
			    listen: $signer@53
			    rundir: $dir/keys
			database:
			    storage: $dir/keys
			log:
			  - target: stderr
			    any: info
			policy:
			  - id: quick
			    algorithm: ecdsap256sha256
			    single-type-signing: on
			zone:
			  - domain: plain.example
			    file: $dir/zones/plain.example.zone
		END
		for zone in "${signed_zones[@]}"; do
			printf '  - domain: %s\n    file: %s\n    dnssec-signing: on\n    dnssec-policy: quick\n    zonefile-sync: -1\n    journal-content: none\n' \
				"$zone" "$dir/zones/$zone.zone"
		done
	} >"$dir/knot.conf"
	knotd -c "$dir/knot.conf" >"$dir/knot.log" 2>&1 &
	until_true 20 is_signed
}

is_signed() {
	local zone
	for zone in "${signed_zones[@]}"; do
		keymgr -c "$dir/knot.conf" "$zone" ds | grep -q DS || return 1
		dig_at "$signer" "$zone" SOA +dnssec | grep -q RRSIG || return 1
	done
}

dig_at() { dig +norecurse +time=1 +tries=1 "@$1" "${@:2}"; }

# anchor ZONE: the DS record of its key; of a key of somebody else where the zone is
# to be bogus.
anchor() {
	local key=$1
	if [[ $1 != signed.example ]]; then
		key=signed.example
	fi
	keymgr -c "$dir/knot.conf" "$key" ds | awk -v zone="$1." '$0 ~ / 2 / || NR == 1 { line = $0 } END { sub(/^[^ ]+/, zone, line); print line }'
}

start_validator() {
	{
		cat <<-END
			server:
			    interface: $validator
			    port: 53
			    access-control: 127.0.0.0/8 allow
			    do-not-query-localhost: no
			    do-daemonize: no
			    username: ""
			    chroot: ""
			    directory: "$dir"
			    pidfile: "$dir/unbound.pid"
			    use-syslog: no
			    logfile: ""
			    module-config: "validator iterator"
			    local-zone: "example." nodefault
			    cache-min-ttl: 0
			    cache-max-negative-ttl: 1
		END
		for zone in "${signed_zones[@]}"; do
			echo "    trust-anchor: \"$(anchor "$zone")\""
		done
		for zone in "${signed_zones[@]}" plain.example; do
			printf 'stub-zone:\n    name: "%s"\n    stub-addr: %s@53\n' "$zone" "$signer"
		done
		printf 'remote-control:\n    control-enable: no\n'
	} >"$dir/unbound.conf"
	unbound -d -c "$dir/unbound.conf" >"$dir/unbound.log" 2>&1 &
	until_true 20 validates
}

validates() {
	dig +time=1 +tries=1 "@$validator" signed.example SOA +adflag | grep -q 'flags:.* ad'
}

# --- mail servers ---------------------------------------------------------------

start_postfix() {
	local name kind
	{
		postfix_main "$dir" postfix-dnssec mx.signed.example
		echo "smtpd_relay_restrictions = reject"
	} >"$dir/etc/main.cf"
	{
		while read -r name kind _; do
			echo "$(address_of "$name"):25 inet n - n - - smtpd"
			if [[ $kind == clear ]]; then
				echo ' -o smtpd_tls_security_level=none'
			else
				printf ' -o smtpd_tls_security_level=may\n -o smtpd_tls_chain_files=%s\n' "$dir/certs/$name.pem"
			fi
		done < <(hosts)
		postfix_services
	} >"$dir/etc/master.cf"
	launch_postfix "$dir"
	until_true 20 listens 25 "$(address_of badtlsa)"
}

# --- the two opinions -------------------------------------------------------------

# ours HOST: what our live test comes to.
ours() {
	api POST /tls/verify "$(jq -nc --arg host "$1" '{domain: "recipient.test", host: $host, timeout_seconds: 20}')" |
		tee "$dir/ours.$1.json" | jq -r '
			.candidates[0] as $c | if .verdict != "deliverable" then "waits"
			elif any($c.checks[]; .check == "dane" and .verified) then "authenticated"
			elif ($c.connections[-1].tls.version // "") != "" then "encrypted" else "plain" end'
}

# theirs HOST: what Postfix comes to.
theirs() {
	local log=$dir/theirs.$1.log
	printf 'nameserver %s\noptions trust-ad edns0\n' "$validator" >"$dir/resolv.conf"
	# shellcheck disable=SC2016 # expanded in there
	unshare -m sh -c 'mount --bind "$1" /etc/resolv.conf && exec posttls-finger -t30 -T180 -c -L verbose,summary -l dane "[$2]"' \
		sh "$dir/resolv.conf" "$1" >"$log" 2>&1 || true
	# It only looks, and goes on after what a delivery would wait for: a certificate
	# that does not match, and clear text in spite of TLSA records.
	if grep -q 'Verified TLS connection established' "$log"; then
		echo authenticated
	elif grep -q 'TLSA lookup error\|address lookup failed' "$log"; then
		echo waits
	elif grep -q 'DNSSEC-signed TLSA record' "$log" && ! grep -q 'all TLSA records unusable' "$log"; then
		echo waits
	elif grep -q 'TLS connection established' "$log"; then
		echo encrypted
	else
		echo plain
	fi
}

# agree_at HOST END
agree_at() {
	local host=$1 want=$2
	equals "we at $host" "$want" "$(ours "$host")"
	equals "Postfix at $host" "$want" "$(theirs "$host")"
}

# --- the run ------------------------------------------------------------------------

{
	make_certificates
	make_zones
} >"$dir/openssl.log" 2>&1
start_signer
start_validator
start_postfix
build
start_gateway
api PATCH /settings/tls '{"enabled":true}' >/dev/null
api PUT '/settings/dns?wait=10s' "$(jq -nc --arg server "$validator:53" '{servers: [$server], trusted: [], signed_name: "signed.example", bogus_name: "bogus.example"}')" >/dev/null
api PATCH '/destination-controls/default?wait=10s' '{"tls_level":"preferred"}' >/dev/null
validating() { [[ $(api GET /status | jq -r .resolver.validation) == validating ]]; }
check "the resolver is found to validate" until_true 20 validating

while read -r name _ _ end; do
	agree_at "$name.signed.example" "$end"
done < <(hosts)
agree_at alias.signed.example authenticated
agree_at aliasown.signed.example authenticated
agree_at aliasout.signed.example authenticated
agree_at aliasoutbad.signed.example waits
agree_at host.plain.example encrypted
agree_at bogus.example waits

# MX records: signed, not signed, and bogus.
explained() { api GET "/tls/explain?domain=$1" | jq -r "$2"; }
equals "signed MX records" true "$(explained signed.example '.destination.mx.authenticated')"
equals "unsigned MX records" false "$(explained plain.example '.destination.mx.authenticated')"
equals "bogus MX records" "deferred 4.4.3" "$(explained bogus.example '.destination.outcome | "\(.status) \(.enhanced)"')"
stop_gateway
