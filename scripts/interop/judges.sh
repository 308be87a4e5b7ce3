# shellcheck shell=bash
# Our listeners as others see them, for policy.sh: posttls-finger, openssl and
# testssl.sh look at versions, ciphers, names and renegotiation; and clear text that
# was slipped in behind STARTTLS ends the session.

# What testssl.sh has to find at each listener. Findings have the names that it gives
# them; its words begin with those on the right.
findings='
SSLv2                 not offered
SSLv3                 not offered
TLS1                  not offered
TLS1_1                not offered
TLS1_2                offered
TLS1_3                offered
cipherlist_NULL       not offered
cipherlist_aNULL      not offered
cipherlist_EXPORT     not offered
cipherlist_LOW        not offered
cipherlist_3DES_IDEA  not offered
RC4                   not vulnerable
P?FS                  offered
secure_renego         supported
secure_client_renego  not vulnerable
'

listeners() {
	local smtps_port judges=()
	smtps_port=$(free_port)
	make_gateway_certificate
	set_api PUT /listeners/smtps '{"kind":"public","protocol":"smtps","address":"127.0.0.1","port":'"$smtps_port"',
		"host_name":"gateway.example","cipher_profile":"modern"}'
	run_testssl starttls --starttls smtp "127.0.0.1:$public_port" &
	judges+=($!)
	run_testssl smtps "127.0.0.1:$smtps_port" &
	judges+=($!)
	fingers "[127.0.0.1]:$public_port" "[127.0.0.1]:$smtps_port"
	check "openssl: no key transport by RSA" refused_handshake -tls1_2 -cipher kRSA
	check "openssl: no TLS 1.1, whatever the cipher" refused_handshake -tls1_1 -cipher ALL:@SECLEVEL=0
	injection
	wait "${judges[@]}" || true
	judged starttls 'cipherlist_AVERAGE offered' # CBC, for old senders
	judged smtps 'cipherlist_AVERAGE not offered'
}

# make_gateway_certificate: one of the authority becomes the active certificate. Its
# key is RSA, so that every kind of cipher suite could be offered.
make_gateway_certificate() {
	local id
	issue "$peers_dir/gateway" 30 gateway.example -newkey rsa:2048 -nodes >"$work/openssl.log" 2>&1
	id=$(api POST /certificates/import "$(jq -n --rawfile certificate "$peers_dir/gateway.crt" --rawfile key "$peers_dir/gateway.key" \
		--rawfile chain "$peers_dir/ca.pem" '{certificate: $certificate, private_key: $key, chain: [$chain]}')" | jq -r .id)
	api POST "/certificates/$id/activate?wait=10s" >/dev/null
}

# fingers STARTTLS SMTPS: both listeners, as posttls-finger sees them.
fingers() {
	finger "encrypt" 'TLSv1.3 with cipher [A-Z0-9_]*' -l encrypt "$1"
	finger "TLS 1.2" 'TLSv1.2 with cipher ECDHE[A-Z0-9-]*' -l encrypt -p '!TLSv1.3' "$1"
	finger "secure" 'Verified TLS connection established' -l secure -F "$peers_dir/ca.pem" "$1" gateway.example
	finger "secure, for another name" 'hostname mismatch' -l secure -F "$peers_dir/ca.pem" "$1" other.example
	finger "secure, implicit TLS" 'Verified TLS connection established' -l secure -F "$peers_dir/ca.pem" -w "$2" gateway.example
}

# finger TEXT WANT FLAGS...
finger() {
	posttls-finger -c -L summary "${@:3}" >"$work/finger" 2>&1 || true
	check "posttls-finger: $1" pick "$2" "$work/finger"
}

# pick PATTERN FILE prints what matches, or else the file.
pick() {
	grep -o "$1" "$2" && return
	cat "$2"
	return 1
}

# refused_handshake FLAGS...: openssl, which offers this, is turned away.
refused_handshake() {
	openssl s_client -starttls smtp -connect "127.0.0.1:$public_port" "$@" </dev/null >"$work/s_client" 2>&1 || true
	pick 'alert handshake failure\|alert protocol version' "$work/s_client"
}

# run_testssl NAME FLAGS...: protocols, ciphers, forward secrecy and renegotiation.
run_testssl() {
	testssl --quiet --color 0 --warnings off --nodns none --ip 127.0.0.1 -p -s -f -4 -R \
		--jsonfile "$work/testssl.$1.json" "${@:2}" >"$work/testssl.$1.log" 2>&1
}

# judged NAME FINDING...: what testssl.sh has found.
judged() {
	local id want
	while read -r id want; do
		check "testssl.sh, $1" found "$1" "$id" "$want"
	done < <(awk NF <<<"$findings" && printf '%s\n' "${@:2}")
}

# found NAME ID WORDS
found() {
	jq -r '.[] | .id + " " + .finding' "$work/testssl.$1.json" >"$work/findings"
	grep -E "^$2 $3" "$work/findings" && return
	echo "wanted: $2 $3; it says:"
	cat "$work/findings"
	tail -n 5 "$work/testssl.$1.log"
	return 1
}

# injection: clear text in one segment with STARTTLS ends the connection (B16).
injection() {
	equals "STARTTLS with a command behind it" closed "$(talk "$public_port" 'EHLO client.example' 'STARTTLS\r\nNOOP' | tail -n 1)"
	check "the mail log calls it an injection" grep -o '"result":"injection"' "$work/serve.log"
}
