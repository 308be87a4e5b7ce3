#!/usr/bin/env bash
# Activates a certificate by XML-RPC calls of strangers (Python's xmlrpc.client,
# Perl's RPC::XML) under open SMTP connections, and looks with openssl.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need smtp-sink postfix
need python3 python3
need openssl openssl
need jq jq
need curl curl
build

# certificates makes a small authority and a certificate of it for the gateway.
certificates() {
	local curve=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
	(
		cd "$work"
		openssl req -x509 "${curve[@]}" -keyout ca.key -out ca.pem -days 30 -subj '/CN=Interop CA' \
			-addext keyUsage=critical,keyCertSign,cRLSign
		openssl req "${curve[@]}" -keyout leaf.key -out leaf.csr -subj /CN=gateway.example
		printf '%s\n' subjectAltName=DNS:gateway.example,DNS:mail.gateway.example \
			basicConstraints=CA:FALSE keyUsage=digitalSignature extendedKeyUsage=serverAuth >leaf.ext
		openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -set_serial 7 -days 20 -extfile leaf.ext -out leaf.pem
		openssl ecparam -name prime256v1 -genkey -noout -out other.key
	) >"$work/openssl.log" 2>&1
}

python_client() {
	python3 "$root/scripts/interop/xmlrpc_client.py" --url "http://127.0.0.1:$api_port/RPC2" \
		--smtp "127.0.0.1:$private_port" --token-file "$work/token" --certificate "$work/leaf.pem" \
		--private-key "$work/leaf.key" --chain "$work/ca.pem" --other-key "$work/other.key"
}

perl_client() { perl "$root/scripts/interop/xmlrpc_client.pl" "http://127.0.0.1:$api_port/RPC2" "$work/token"; }

certificates
start_gateway
(umask 077 && sed 's/^Authorization: Bearer //' "$work/authorization" >"$work/token")
start_sink xmlrpc
relay_to_sink
set_api PATCH /settings/tls '{"enabled":false}' # the client switches it on
run_client "the Python client" python_client
check "the queue drains" drain 60
equals "messages at smtp-sink" 50 "$(sunk)"
equals "of them whole" 50 "$(sunk_lines '^second half$' | wc -l)"
if need_perl RPC::XML::Client librpc-xml-perl; then
	run_client "the Perl client" perl_client
else
	say "skipped: RPC::XML of Perl is not to be had"
fi
succeeds "the gateway stops in good order" stop_gateway
