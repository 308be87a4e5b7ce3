#!/usr/bin/env bash
# Activates a certificate by XML-RPC calls of a stranger (Python's xmlrpc.client) under open SMTP connections, and looks with openssl. Then clients in
# five languages make the same round: log in, import PKCS #12, activate, list, make a
# multicall, and hear every fault.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need smtp-sink postfix
need python3 python3
need openssl openssl
need jq jq
need curl curl
need xmlrpc-c-config libxmlrpc-core-c3-dev
need cc gcc
build
# Without its libcurl, which is linked by the libraries themselves.
cc -std=gnu11 -Wall -Wextra -Werror -o "$work/xmlrpc_tour_c" "$root/scripts/interop/xmlrpc_tour_c.c" -lxmlrpc_client -lxmlrpc -lxmlrpc_util
(cd "$root" && go build -o "$work/xmlrpctour" ./scripts/interop/xmlrpctour)

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

# token ROLE NAME makes a token of the role for the round, in a file of the name.
token() {
	(umask 077 && api POST /tokens "$(jq -n --arg role "$1" '{name: ("round " + $role), role: $role}')" | jq -r .secret >"$round/$2")
}

# prepare_round makes what the clients share: tokens, a PKCS #12 file for each, the
# faults that they must hear, and as many answers to challenges as there may be.
prepare_round() {
	local client
	token certificate_manager manager
	token viewer viewer
	for client in python perl kolo curl c; do
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$round/key" -out "$round/pem" \
			-days 20 -subj "/CN=$client.example" -addext subjectAltName=DNS:gateway.example
		openssl pkcs12 -export -inkey "$round/key" -in "$round/pem" -passout pass:interop -out "$round/$client.p12"
	done 2>"$work/openssl.log"
	fill_challenges
	damage
}

# damage makes the disk a bad one, for what the gateway itself cannot help: the sealed
# key of a certificate is altered, and nothing about alert.send can be written to the
# audit log.
damage() {
	local damaged
	damaged=$(api POST /certificates/self-signed '{"host_name":"damaged.example"}' | jq -r .id)
	stop_gateway
	python3 - "$work/data/postern.db" "$damaged" <<-'PYTHON'
		import sqlite3, sys
		database = sqlite3.connect(sys.argv[1])
		altered = database.execute(
		    "UPDATE private_keys SET sealed = zeroblob(length(sealed)) WHERE certificate_id = ?", sys.argv[2:])
		assert altered.rowcount == 1
		database.execute("""CREATE TRIGGER no_room BEFORE INSERT ON audit_log WHEN NEW.operation = 'alert.send'
		    BEGIN SELECT RAISE(FAIL, 'no room'); END""")
		database.commit()
	PYTHON
	start_gateway
	sed -e '/^#/d' -e "s/{damaged}/$damaged/" "$here/xmlrpc_faults.tsv" >"$round/faults.tsv"
}

# fill_challenges leaves no room: one more answer is a fault.
fill_challenges() {
	python3 - "$url" "$round/manager" <<-'PYTHON'
		import sys, xmlrpc.client
		server = xmlrpc.client.ServerProxy(sys.argv[1])
		session = server.session.login({"user": "", "password": open(sys.argv[2]).read().strip()})
		for hundred in range(10):
		    calls = xmlrpc.client.MultiCall(server)
		    for one in range(100):
		        token = f"challenge-number-{hundred}-{one}"
		        calls.acme.put_challenge({"session": session, "token": token, "key_authorization": f"{token}.{'A' * 43}"})
		    list(calls())
	PYTHON
}

# make_round CLIENT COMMAND...: after a start, so that nobody waits for the failed
# log-ins of another.
make_round() {
	tour=("${@:2}" "$url" "$round")
	stop_gateway
	start_gateway
	run_client "the round of $1" round_of
}
round_of() { "${tour[@]}"; }

here=$root/scripts/interop round=$work/round url=http://127.0.0.1:$api_port/RPC2
mkdir "$round"
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
prepare_round
make_round Python python3 "$here/xmlrpc_tour.py"
make_round kolo/xmlrpc "$work/xmlrpctour"
make_round curl "$here/xmlrpc_tour_curl.sh"
make_round xmlrpc-c "$work/xmlrpc_tour_c"
if need_perl RPC::XML::Client librpc-xml-perl; then
	make_round RPC::XML perl "$here/xmlrpc_tour.pl"
else
	say "skipped: RPC::XML of Perl is not to be had"
fi
succeeds "the gateway stops in good order" stop_gateway
