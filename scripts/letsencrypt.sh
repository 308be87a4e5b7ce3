#!/bin/sh
# Gets a certificate from Let's Encrypt, or another authority that speaks ACME
# (RFC 8555), and makes it the active one of a gateway. Needs curl and openssl.
#
#   letsencrypt.sh -UserName NAME [-PasswordFile FILE] [options]
#
#   -UserName NAME            an account of the gateway with the role certificate_manager
#   -PasswordFile FILE        its password, or a token, alone in a file. Without it the
#                             environment variable POSTERN_PASSWORD counts
#   -Password TEXT            the same in the command line, where others on this machine
#                             can read it: for trying things out
#   -AlternateHostNames A,B   names beside the gateway's own, which is asked for always
#   -ErrorEmailTo A,B         mail addresses that hear of a failure
#   -Server URL               the gateway (http://127.0.0.1:8025/RPC2). Clear HTTP is for
#                             this machine only
#   -ServerCA FILE            who signed the certificate of an https:// gateway, where
#                             this machine does not trust it anyway
#   -Directory URL            the authority (https://acme-v02.api.letsencrypt.org/directory)
#   -DirectoryCA FILE         who signed the certificate of the authority's server
#   -KeyType TYPE             ecdsa_p256 (default), ecdsa_p384, rsa_2048, rsa_3072 or rsa_4096
#   -RenewBefore DAYS         do nothing while the active certificate has all names and
#                             more days left; for a daily run: -RenewBefore 30
#   -State FOLDER             where the key of the ACME account is kept, readable for its
#                             owner alone ($HOME/.postern-acme)
#
# Whoever runs it agrees to the authority's terms of service. The public web
# listener of the gateway must answer on port 80 of every name: what the authority
# asks there is put there by XML-RPC. Nothing changes until the authority has
# signed for all names. A failure is reported by alert.send.
#
# Exit status: 0 the certificate is in force, or none was due; 1 wrong usage, or a
# program is missing; 2 the gateway refused or did not answer; 3 the authority
# refused or did not answer; 4 the certificate is active, but handshakes do not use
# it yet; 5 a key or request could not be made; 130 interrupted.
set -eu
umask 077

user='' password=${POSTERN_PASSWORD-} alternates='' recipients=''
server=http://127.0.0.1:8025/RPC2 server_ca=''
directory=https://acme-v02.api.letsencrypt.org/directory directory_ca=''
key_type=ecdsa_p256 renew_before='' state=${HOME-.}/.postern-acme
unset POSTERN_PASSWORD # no child needs it

tmp='' reporting='' name=''

say() { echo "letsencrypt.sh: $*" >&2; }

# fail STATUS TEXT ends the script, once people are told.
fail() {
	say "$2"
	if [ -n "$reporting" ]; then
		reporting=
		report "$2" || say "the failure could not be reported: $fault"
	fi
	exit "$1"
}

clean_up() {
	trap - EXIT
	if [ -n "$tmp" ]; then
		take_challenges_away
		rm -rf "$tmp"
	fi
}
trap clean_up EXIT
trap 'reporting=; fail 130 interrupted' HUP INT TERM

# --- the command line ---------------------------------------------------------

usage() { fail 1 "$1; the head of the script tells how to call it"; }

read_arguments() {
	while [ $# -gt 0 ]; do
		[ $# -gt 1 ] || usage "$1 needs a value"
		case $1 in
		-UserName) user=$2 ;;
		-Password) password=$2 ;;
		-PasswordFile) read_password "$2" ;;
		-AlternateHostNames) alternates=$2 ;;
		-ErrorEmailTo) recipients=$2 ;;
		-Server) server=$2 ;;
		-ServerCA) server_ca=$2 ;;
		-Directory) directory=$2 ;;
		-DirectoryCA) directory_ca=$2 ;;
		-KeyType) key_type=$2 ;;
		-RenewBefore) renew_before=$2 ;;
		-State) state=$2 ;;
		*) usage "unknown option $1" ;;
		esac
		shift 2
	done
	check_arguments
}

read_password() {
	[ -r "$1" ] || usage "the password file $1 cannot be read"
	IFS= read -r password <"$1" || [ -n "$password" ] || usage "the password file $1 is empty"
}

check_arguments() {
	[ -n "$password" ] || usage 'a password is missing: give -PasswordFile, or set POSTERN_PASSWORD'
	case $user in *:*) usage 'a user name has no colon' ;; esac
	case $renew_before in *[!0-9]*) usage '-RenewBefore takes a number of days' ;; esac
	case $key_type in
	ecdsa_p256 | ecdsa_p384 | rsa_2048 | rsa_3072 | rsa_4096) ;;
	*) usage "unknown key type $key_type" ;;
	esac
	case $alternates in *[!A-Za-z0-9.,-]*)
		usage '-AlternateHostNames takes names without wildcard, in ASCII (xn--), with commas between them' ;;
	esac
	check_server
	is_secure_url "$directory" || usage '-Directory must be an https:// URL'
}

# check_server keeps the password off the wire in clear.
check_server() {
	is_secure_url "$server" && return
	host=${server#http://} host=${host%%/*} host=${host%:*}
	case $server in http://*) ;; *) usage '-Server must be an http:// or https:// URL' ;; esac
	case $host in
	localhost | '[::1]') return ;;
	127.*) case $host in *[!0-9.]*) ;; *) return ;; esac ;;
	esac
	usage '-Server must be an https:// URL, unless it is on this machine'
}

# is_secure_url URL: https://, and no character that a header or JSON would need
# quoted.
is_secure_url() {
	case $1 in
	*[!A-Za-z0-9._~:/?#@!\$\&\'\(\)*+,\;=%\[\]-]*) return 1 ;;
	https://?*) ;;
	*) return 1 ;;
	esac
}

# --- the gateway: XML-RPC -----------------------------------------------------

# Secrets go to curl in files, as anyone can read the arguments of a process.
write_credentials() {
	sed 's/[\\"]/\\&/g; s/^/user = "/; s/$/"/' >"$tmp/credentials" <<-EOF
		$user:$password
	EOF
}

# xml_text escapes text for an XML element, without the end of its last line.
xml_text() { awk '{ gsub(/&/, "\\&amp;"); gsub(/</, "\\&lt;"); printf "%s%s", end, $0; end = "\n" }'; }

# member NAME: an argument of the next call, its text from the standard input.
member() {
	printf '<member><name>%s</name><value><string>' "$1"
	xml_text
	printf '</string></value></member>'
} >>"$tmp/members"

# members_list NAME A,B: an argument that is an array.
members_list() {
	printf '<member><name>%s</name><value><array><data>' "$1"
	echo "$2" | xml_text | tr ',' '\n' | awk '/./ { print "<value><string>" $0 "</string></value>" }'
	printf '</data></array></value></member>'
} >>"$tmp/members"

# rpc METHOD calls it with the members so far. Where it returns false, fault says
# why.
rpc() {
	{
		printf '<?xml version="1.0"?><methodCall><methodName>%s</methodName><params><param><value><struct>' "$1"
		[ ! -e "$tmp/members" ] || cat "$tmp/members"
		printf '</struct></value></param></params></methodCall>'
	} >"$tmp/call"
	rm -f "$tmp/members"
	if ! curl -q -sS -g --max-time 60 --max-filesize 1048576 ${server_ca:+--cacert "$server_ca"} -K "$tmp/credentials" \
		-H 'Content-Type: text/xml' --data-binary "@$tmp/call" -o "$tmp/reply" "$server" 2>"$tmp/curl"; then
		fault="the gateway does not answer: $(cat "$tmp/curl")"
		return 1
	fi
	fault=$(value_of faultString)
	if [ -n "$fault" ]; then
		fault="$1: fault $(value_of faultCode): $fault"
		return 1
	fi
	if ! grep -q '<methodResponse><params>' "$tmp/reply"; then
		fault="$1: the answer is not XML-RPC: is $server the gateway?"
		return 1
	fi
}

# plain_text undoes the escapes of XML in one line.
plain_text() {
	sed -e 's/&#xA;/\
/g' -e 's/&lt;/</g; s/&gt;/>/g; s/&#34;/"/g; s/&quot;/"/g; s/&#39;/'\''/g; s/&#x9;/	/g; s/&#xD;//g; s/&amp;/\&/g'
}

# value_of MEMBER prints a scalar member of the reply; result prints the scalar
# that is the whole reply.
value_of() { sed -n "s:.*<name>$1</name><value><[a-z0-9.]*>\([^<]*\)<.*:\1:p" "$tmp/reply" | plain_text; }
result() { sed -n 's:.*<param><value><[a-z0-9.]*>\([^<]*\)<.*:\1:p' "$tmp/reply" | plain_text; }

# report TEXT opens an alert. The gateway takes 1800 octets, and UTF-8 cut in the
# middle would be refused.
report() {
	rm -f "$tmp/members"
	echo "No new certificate for ${name:-the gateway}" | member subject
	printf '%.1500s\n' "$(printf '%s' "$1" | LC_ALL=C tr -cd '\12\40-\176')" | member text
	members_list to "$recipients"
	rpc alert.send
}

take_challenges_away() {
	rm -f "$tmp/members"
	[ -e "$tmp/tokens" ] || return 0
	while read -r token <&4; do
		echo "$token" | member token
		rpc acme.delete_challenge || say "$fault"
	done 4<"$tmp/tokens"
	rm -f "$tmp/tokens"
}

# --- the authority: ACME ------------------------------------------------------

# flatten reads JSON and prints a line for each scalar: its path, a tab, its value.
flatten() {
	awk '
	function blank() { while (substr(text, at, 1) ~ /[ \t\r]/) at++ }
	function next_char() { blank(); return substr(text, at, 1) }
	function string(    out, c) {
		for (at++; (c = substr(text, at, 1)) != "\""; at++) {
			if (c == "") exit 1
			if (c == "\\") {
				c = substr(text, ++at, 1)
				if (c ~ /[bfnrt]/) c = " "
				if (c == "u") { c = "?"; at += 4 }
			}
			out = out c
		}
		at++
		return out
	}
	function object(path,    key) {
		for (at++; next_char() != "}"; ) {
			if (next_char() != "\"") exit 1
			key = string()
			if (next_char() != ":") exit 1
			at++
			value(path "." key)
			if (next_char() == ",") at++
		}
		at++
	}
	function array(path,    n) {
		for (at++; next_char() != "]"; n++) {
			value(path "." n + 0)
			if (next_char() == ",") at++
		}
		at++
	}
	function value(path,    c) {
		c = next_char()
		if (c == "{") object(path)
		else if (c == "[") array(path)
		else if (c == "\"") print path "\t" string()
		else if (match(substr(text, at), /^[a-z0-9.+E-]+/)) {
			print path "\t" substr(text, at, RLENGTH)
			at += RLENGTH
		} else exit 1
	}
	{ text = text $0 " " }
	END { at = 1; value("") }'
}

# field PATH prints a value of the last answer, as "field .status".
field() { awk -v path="$1	" 'index($0, path) == 1 { print substr($0, length(path) + 1); exit }' "$tmp/fields"; }

# fields PATTERN prints the values of all paths that match.
fields() { awk -F '\t' -v pattern="$1" '$1 ~ pattern { print $2 }' "$tmp/fields"; }

# header NAME prints a header field of the last answer; the name in lower case.
header() {
	tr -d '\r' <"$tmp/header" |
		awk -v name="$1" '{ colon = index($0, ":") } tolower(substr($0, 1, colon - 1)) == name { sub(/^[^:]*:[ \t]*/, ""); value = $0 } END { print value }'
}

# problem says what the authority has against us (RFC 7807), with the reasons of
# single names.
problem() {
	echo "HTTP status $status, $(fields '^([.]challenges[.][0-9]+[.]error|[.]error|[.]subproblems[.][0-9]+)?[.](type|detail)$' | tr '\n' ' ')"
}

# fetch CURL-ARGUMENTS URL: status, $tmp/header, $tmp/body and $tmp/fields are the
# answer.
fetch() {
	rm -f "$tmp/header" "$tmp/body"
	status=$(curl -q -sS -g --proto =https --max-time 60 --max-filesize 1048576 ${directory_ca:+--cacert "$directory_ca"} \
		-D "$tmp/header" -o "$tmp/body" -w '%{http_code}' "$@" 2>"$tmp/curl") || fail 3 "the authority does not answer: $(cat "$tmp/curl")"
	[ -e "$tmp/body" ] || : >"$tmp/body"
	: >"$tmp/fields"
	case $(header content-type) in
	application/*json*) flatten <"$tmp/body" >"$tmp/fields" || fail 3 'the authority answered with broken JSON' ;;
	esac
	fresh=$(header replay-nonce)
	nonce=${fresh:-$nonce}
}

base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

# sha256 prints the digest of the standard input.
sha256() { openssl dgst -sha256 -binary | base64url; }

# signature signs the standard input (RFC 7518 §3.4): openssl writes a SEQUENCE
# of two INTEGERs, JWS wants both as 32 octets.
signature() {
	openssl dgst -sha256 -sign "$state/account.key" >"$tmp/der"
	printf '%b' "$(openssl asn1parse -inform DER -in "$tmp/der" | awk '
		/INTEGER/ { sub(/.*:/, ""); while (length($0) < 64) $0 = "0" $0; hex = hex $0 }
		function digit(n) { return index("0123456789ABCDEF", substr(hex, n, 1)) - 1 }
		END { for (n = 1; n < length(hex); n += 2) printf "\\0%03o", digit(n) * 16 + digit(n + 1) }')" | base64url
}

# account_key makes the key of the account where there is none, and jwk of it: the
# members in the order that its thumbprint needs (RFC 7638 §3).
account_key() {
	mkdir -p "$state"
	if [ ! -s "$state/account.key" ]; then
		openssl ecparam -name prime256v1 -genkey -noout -out "$tmp/account.key" || fail 5 'the key of the account cannot be made'
		mv "$tmp/account.key" "$state/account.key"
	fi
	openssl ec -in "$state/account.key" -pubout -outform DER -out "$tmp/public" 2>"$tmp/openssl" ||
		fail 5 "the key of the account cannot be read: $(cat "$tmp/openssl")"
	tail -c 64 "$tmp/public" >"$tmp/point"
	jwk=$(printf '{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}' \
		"$(dd if="$tmp/point" bs=32 count=1 2>/dev/null | base64url)" "$(tail -c 32 "$tmp/point" | base64url)")
	thumbprint=$(printf '%s' "$jwk" | sha256)
}

# acme URL PAYLOAD posts it signed; an empty payload reads (RFC 8555 §6.3). Until
# the account is known by its URL, kid, its key goes along.
acme() {
	is_secure_url "$1" || fail 3 "the authority sends us to $1"
	tries=0
	while :; do
		[ -n "$nonce" ] || fetch "$new_nonce"
		write_request "$1" "$2"
		nonce= # it serves once
		fetch -H 'Content-Type: application/jose+json' --data-binary "@$tmp/request" "$1"
		case $status in 2??) return ;; esac
		tries=$((tries + 1))
		case $(field .type) in # RFC 8555 §6.5: try again with the new nonce
		*:badNonce) [ "$tries" -lt 30 ] || fail 3 'the authority refused 30 nonces in a row' ;;
		*) fail 3 "the authority refused $1: $(problem)" ;;
		esac
	done
}

write_request() {
	signer="\"jwk\":$jwk"
	[ -z "$kid" ] || signer="\"kid\":\"$kid\""
	protected=$(printf '{"alg":"ES256",%s,"nonce":"%s","url":"%s"}' "$signer" "$nonce" "$1" | base64url)
	payload=$(printf '%s' "$2" | base64url)
	printf '{"protected":"%s","payload":"%s","signature":"%s"}' \
		"$protected" "$payload" "$(printf '%s' "$protected.$payload" | signature)" >"$tmp/request"
}

# poll URL STATES reads until the status is none of the states.
poll() {
	waited=0
	while :; do
		acme "$1" ''
		case " $2 " in *" $(field .status) "*) ;; *) return ;; esac
		pause=$(header retry-after)
		case $pause in '' | *[!0-9]* | ????* | 0) pause=2 ;; esac
		[ "$pause" -le 60 ] || pause=60
		waited=$((waited + pause))
		[ "$waited" -le 600 ] || fail 3 "the authority leaves $1 $(field .status) for ten minutes"
		sleep "$pause"
	done
}

open_account() {
	nonce='' kid=''
	fetch "$directory"
	[ "$status" = 200 ] || fail 3 "the directory cannot be read: $(problem)"
	new_nonce=$(field .newNonce) new_account=$(field .newAccount) new_order=$(field .newOrder)
	is_secure_url "$new_nonce" || fail 3 "$directory is no directory of ACME"
	acme "$new_account" '{"termsOfServiceAgreed":true}'
	kid=$(header location)
	is_secure_url "$kid" || fail 3 'the authority gives the account no URL'
}

# --- the whole way ------------------------------------------------------------

# find_names makes names of the gateway's own and the alternative ones.
find_names() {
	rpc gateway.default_fqdn || fail 2 "$fault"
	name=$(result)
	case $name in '' | *[!A-Za-z0-9.-]*) fail 2 "the gateway calls itself '$name': set its host name first" ;; esac
	names=$(echo "$name,$alternates" | tr 'A-Z,' 'a-z\n' | awk '/./ && !seen[$0]++')
}

# is_due reports whether the active certificate is to be replaced.
is_due() {
	[ -n "$renew_before" ] || return 0
	rpc certificate.active || return 0
	[ "$(value_of insecure)" = 0 ] || return 0
	value_of pem >"$tmp/active.pem"
	for each in $names; do
		openssl x509 -in "$tmp/active.pem" -noout -checkhost "$each" 2>&1 | grep -q ' does match' || return 0
	done
	! openssl x509 -in "$tmp/active.pem" -noout -checkend $((renew_before * 86400)) >/dev/null
}

order() {
	identifiers=$(for each in $names; do printf '{"type":"dns","value":"%s"},' "$each"; done)
	acme "$new_order" "{\"identifiers\":[${identifiers%,}]}"
	order_url=$(header location) finalize=$(field .finalize)
	fields '^[.]authorizations[.][0-9]+$' >"$tmp/authorizations"
	while read -r authorization <&3; do
		authorize "$authorization"
	done 3<"$tmp/authorizations"
}

# authorize proves one name.
authorize() {
	acme "$1" ''
	proven=$(field .identifier.value)
	[ "$(field .status)" != valid ] || return 0
	at=$(awk -F '\t' '$1 ~ /^\.challenges\.[0-9]+\.type$/ && $2 == "http-01" { split($1, part, "."); print part[3]; exit }' "$tmp/fields")
	[ -n "$at" ] || fail 3 "the authority offers no http-01 for $proven"
	token=$(field ".challenges.$at.token") challenge=$(field ".challenges.$at.url")
	case $token in '' | *[!A-Za-z0-9_-]*) fail 3 "the authority sent a broken token for $proven" ;; esac
	echo "$token" | member token
	echo "$token.$thumbprint" | member key_authorization
	rpc acme.put_challenge || fail 2 "$fault"
	echo "$token" >>"$tmp/tokens"
	acme "$challenge" '{}'
	poll "$1" 'pending processing'
	[ "$(field .status)" = valid ] || fail 3 "$proven is not proven: $(problem)"
}

make_key() {
	case $key_type in
	ecdsa_p256) openssl ecparam -name prime256v1 -genkey -noout -out "$tmp/key.pem" ;;
	ecdsa_p384) openssl ecparam -name secp384r1 -genkey -noout -out "$tmp/key.pem" ;;
	rsa_*) openssl genrsa -out "$tmp/key.pem" "${key_type#rsa_}" ;;
	esac >"$tmp/openssl" 2>&1 || fail 5 "the key cannot be made: $(cat "$tmp/openssl")"
}

# finalize_order makes $tmp/chain.pem of a proven order.
finalize_order() {
	make_key
	{
		printf '[req]\ndistinguished_name=subject\nreq_extensions=extensions\n[subject]\n[extensions]\nsubjectAltName='
		for each in $names; do printf 'DNS:%s,' "$each"; done | sed 's/,$//'
		echo
	} >"$tmp/request.conf"
	openssl req -new -key "$tmp/key.pem" -subj / -config "$tmp/request.conf" -outform DER -out "$tmp/csr" 2>"$tmp/openssl" ||
		fail 5 "the request cannot be made: $(cat "$tmp/openssl")"
	poll "$order_url" pending
	acme "$finalize" "{\"csr\":\"$(base64url <"$tmp/csr")\"}"
	poll "$order_url" 'ready processing'
	[ "$(field .status)" = valid ] || fail 3 "no certificate is issued: $(problem)"
	acme "$(field .certificate)" ''
	mv "$tmp/body" "$tmp/chain.pem"
}

# install_certificate makes it the one of the next handshake.
install_certificate() {
	member certificate <"$tmp/chain.pem"
	member private_key <"$tmp/key.pem"
	date -u '+ACME %Y-%m-%d' | member label
	rpc certificate.import_pem || fail 2 "$fault"
	id=$(value_of id)
	echo "$id" | member id
	rpc certificate.activate || fail 2 "$fault"
	[ "$(value_of applied)" = 1 ] || fail 4 "certificate $id is active, but handshakes do not use it yet"
}

main() {
	for program in curl openssl awk; do
		command -v "$program" >/dev/null || fail 1 "$program is missing"
	done
	tmp=$(mktemp -d "${TMPDIR:-/tmp}/postern-acme.XXXXXX") || fail 1 'no temporary folder can be made'
	write_credentials
	reporting=yes
	find_names
	if ! is_due; then
		say "nothing to do: the active certificate has more than $renew_before days left"
		return
	fi
	account_key
	open_account
	order
	finalize_order
	take_challenges_away # while the gateway shows the certificate that -ServerCA is for
	install_certificate
	say "certificate $id is in force for $(echo "$names" | tr '\n' ' ')"
}

read_arguments "$@"
main
