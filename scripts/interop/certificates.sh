#!/usr/bin/env bash
# Exchanges keys and certificates with OpenSSL, both ways: each file that openssl
# makes is imported, and openssl reads each export.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need openssl openssl
need python3 python3
need jq jq
need curl curl
build

password='correct horse battery'

# authority makes a root, and a key and certificate of it for the gateway.
authority() {
	(
		cd "$work"
		openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 30 -subj '/CN=Interop CA' \
			-addext keyUsage=critical,keyCertSign,cRLSign
		openssl req -newkey rsa:2048 -nodes -keyout leaf.key -out leaf.csr -subj /CN=gateway.example
		printf '%s\n' subjectAltName=DNS:gateway.example extendedKeyUsage=serverAuth >leaf.ext
		sign leaf.csr leaf.pem
	) >"$work/openssl.log" 2>&1
}

# sign REQUEST CERTIFICATE
sign() { openssl x509 -req -in "$1" -CA "$work/ca.pem" -CAkey "$work/ca.key" -days 20 -extfile "$work/leaf.ext" -out "$2"; }

# pkcs12 OPTIONS...: openssl makes a file, the gateway reads it.
pkcs12() {
	openssl pkcs12 -export -inkey "$work/leaf.key" -in "$work/leaf.pem" -certfile "$work/ca.pem" \
		-passout "pass:$password" -out "$work/in.p12" "$@" &&
		jq -n --arg p "$password" --arg f "$(base64 -w0 "$work/in.p12")" '{pkcs12: $f, password: $p}' >"$work/body.json" &&
		api POST /certificates/import-pkcs12 "$(<"$work/body.json")" | jq -er '.id'
}

# encrypted_key OPTIONS...: the same for an encrypted PEM key.
encrypted_key() {
	openssl pkcs8 -topk8 -in "$work/leaf.key" -passout "pass:$password" -out "$work/in.key" "$@" &&
		api POST /certificates/import "$(jq -n --arg p "$password" --rawfile k "$work/in.key" --rawfile c "$work/leaf.pem" \
			'{certificate: $c, private_key: $k, password: $p}')" | jq -er '.id'
}

# exported ID BODY FILE
exported() {
	api POST "/certificates/$1/export" "$2" >"$work/export.json"
	if [[ $(jq -r .format "$work/export.json") == pkcs12 ]]; then
		jq -r .pkcs12 "$work/export.json" | base64 -d >"$3"
	else
		jq -r .pem "$work/export.json" >"$3"
	fi
}

# same_key KEY: it is the one that openssl made.
same_key() { [[ $(openssl pkey -pubout <"$1") == "$(openssl pkey -pubout -in "$work/leaf.key")" ]]; }

export_pem() {
	exported "$1" '{"format":"pem","unencrypted":true}' "$work/out.pem" && same_key "$work/out.pem"
}
export_encrypted() {
	exported "$1" "$(jq -n --arg p "$password" '{format: "pem", password: $p}')" "$work/out.pem" &&
		openssl pkey -in "$work/out.pem" -passin "pass:$password" -out "$work/clear.pem" && same_key "$work/clear.pem"
}
# export_pkcs12 ID LEGACY OPTIONS...
export_pkcs12() {
	local id=$1 legacy=$2
	shift 2
	exported "$id" "$(jq -n --arg p "$password" --argjson l "$legacy" '{format: "pkcs12", password: $p, legacy: $l}')" "$work/out.p12" &&
		openssl pkcs12 -in "$work/out.p12" -passin "pass:$password" -nodes "$@" -out "$work/clear.pem" &&
		same_key "$work/clear.pem" && [[ $(grep -c 'BEGIN CERTIFICATE' "$work/clear.pem") == 2 ]]
}

# request: a key that is made here, signed by the authority of openssl.
request() {
	local id
	id=$(api POST /certificates/csr '{"host_name":"gateway.example","key_type":"ecdsa_p384"}' | jq -er .id)
	api GET "/certificates/$id/csr" | jq -r .pem >"$work/request.pem"
	openssl req -in "$work/request.pem" -verify -noout && sign "$work/request.pem" "$work/signed.pem" &&
		api PUT "/certificates/$id/signed-certificate" "$(jq -n --rawfile c "$work/signed.pem" --rawfile r "$work/ca.pem" \
			'{certificate: $c, chain: [$r]}')" | jq -er 'select(.state == "inactive") | .id'
}

authority
start_gateway

check 'PKCS#12 as openssl makes it' pkcs12
check 'PKCS#12 of openssl -legacy (RC2, 3DES)' pkcs12 -legacy
check 'PKCS#12 with a MAC of SHA-1' pkcs12 -macalg sha1
check 'PKCS#12 with AES-128 and a MAC of SHA-512' pkcs12 -keypbe AES-128-CBC -certpbe AES-128-CBC -macalg sha512
check 'encrypted key as openssl makes it' encrypted_key
check 'encrypted key, 3DES' encrypted_key -v2 des3
check 'encrypted key, AES-128 and HMAC-SHA-512' encrypted_key -v2 aes-128-cbc -v2prf hmacWithSHA512
check 'a request is signed and installed' request

pkcs12 >"$work/id"
id=$(<"$work/id")
check 'openssl reads PEM' export_pem "$id"
check 'openssl reads encrypted PEM' export_encrypted "$id"
check 'openssl reads PKCS#12' export_pkcs12 "$id" false
check 'openssl reads old PKCS#12' export_pkcs12 "$id" true -legacy

check 'no key and no password is left behind or shown' finds_no_secret --key "$work/leaf.key" --word "$password"
# The search itself finds what is there.
check 'a key that is left behind would be found' bash -c "! python3 '$root/scripts/interop/secrets.py' --key '$work/leaf.key' '$work/leaf.key'"
openssl pkey -in "$work/leaf.key" -outform DER -out "$work/left.der"
check 'as would one in binary form' bash -c "! python3 '$root/scripts/interop/secrets.py' --key '$work/leaf.key' '$work/left.der'"
base64 -w0 "$work/left.der" >"$work/left.txt"
check 'and one inside another text' bash -c "! python3 '$root/scripts/interop/secrets.py' --key '$work/leaf.key' '$work/left.txt'"
