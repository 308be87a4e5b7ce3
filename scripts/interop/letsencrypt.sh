#!/usr/bin/env bash
# Renews the gateway's certificate by scripts/letsencrypt.sh, with pebble as the
# authority: it refuses half of all nonces and takes its time. Then lets it fail
# in each way, and looks who hears of it.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need smtp-sink postfix
need openssl openssl
need python3 python3
need jq jq
need curl curl
need dash dash
build

# shellcheck source=pebble.sh
. "$root/scripts/interop/pebble.sh"
https_port=$(free_port)

# watch_arguments puts programs in front of curl and openssl that note what anybody
# on the machine could read.
watch_arguments() {
	mkdir -p "$work/watched"
	local program real
	for program in curl openssl sed awk tr; do
		real=$(command -v "$program")
		# shellcheck disable=SC2016
		printf '#!/bin/sh\nprintf "%%s\\n" "$@" >>%q\nexec %q "$@"\n' "$work/arguments" "$real" >"$work/watched/$program"
		chmod +x "$work/watched/$program"
	done
}

# renew [OPTIONS...] runs the script and keeps its words; prints its exit status.
renew() {
	local status=0
	PATH=$work/watched:$PATH dash "$root/scripts/letsencrypt.sh" -UserName script -PasswordFile "$work/token" \
		-Server "http://127.0.0.1:$api_port/RPC2" -Directory "https://127.0.0.1:$acme_port/dir" \
		-DirectoryCA "$work/pebble.pem" -State "$work/state" "$@" >"$work/renew.log" 2>&1 || status=$?
	echo "$status"
}

# served prints the certificate that the next SMTP client gets.
served() { openssl s_client -starttls smtp -connect "127.0.0.1:$public_port" </dev/null 2>/dev/null | openssl x509 -noout "$@"; }

active() { api GET /certificates | jq -r '.items[] | select(.state == "active") | .id'; }

# is_reported TEXT: an alert that is open says so.
is_reported() { api GET /alerts | jq -e --arg text "$1" '[.items[] | select(.kind == "reported" and (.detail | contains($text)))] | length == 1'; }

says() { grep -q -e "$1" "$work/renew.log" || { cat "$work/renew.log" && false; }; }

# no_answers: what the authority asked for is not left behind.
no_answers() { [[ $(api GET /acme/challenges | jq '.items | length') == 0 ]]; }

both_told() { (($(sunk) == 2)); }

leaves_nothing() { [[ -z $(find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'postern-acme.*') ]]; }

# refused_nonces: two renewals of three and two names need 13 such requests where
# none is refused.
refused_nonces() {
	local posts
	posts=$(grep -c -E 'POST /(sign-me-up|order-plz|chalZ|finalize-order|certZ)' "$work/pebble.log")
	echo "$posts signed requests for what needs 13"
	((posts > 13))
}

lead_nowhere() { curl -fsS -d "{\"host\":\"$1.\",\"addresses\":[\"127.0.0.9\"]}" "http://127.0.0.1:$dns_api/add-a"; }

build_pebble
start_gateway
start_sink letters
start_pebble 50
watch_arguments
(umask 077 && sed 's/^Authorization: Bearer //' "$work/authorization" >"$work/token")
set_api PATCH /settings/tls '{"enabled":true}'
set_api PATCH /listeners/inbound '{"default_policy_parameters":{"tls":"preferred"}}'
set_api PATCH /settings/public_web '{"http":{"enabled":true,"address":"127.0.0.1","port":'"$web_port"'}}'
set_api PATCH /settings/alerts '{"smart_host":"127.0.0.1:'"$sink_port"'"}'

set_api PATCH /settings/management '{"https":{"enabled":true,"address":"127.0.0.1","port":'"$https_port"'}}'
openssl s_client -connect "127.0.0.1:$https_port" </dev/null 2>/dev/null | openssl x509 -out "$work/gateway.pem"

equals "exit status where the gateway is not to be trusted" 2 "$(renew -Server "https://127.0.0.1:$https_port/RPC2")"
equals "exit status of a renewal over HTTPS" 0 "$(renew \
	-Server "https://127.0.0.1:$https_port/RPC2" -ServerCA "$work/gateway.pem" -RenewBefore 30 -AlternateHostNames mx.gateway.example,gateway.example,MAIL.gateway.example)"
check "it says what is in force" says 'is in force for gateway.example mx.gateway.example mail.gateway.example'
check "an SMTP client gets it" grep -q 'issuer=.*Pebble' <(served -issuer)
equals "its names" "DNS:gateway.example, DNS:mail.gateway.example, DNS:mx.gateway.example" \
	"$(served -ext subjectAltName | tail -n 1 | tr -d '\n' | sed 's/^ *//' | tr ',' '\n' | sed 's/^ *//' | sort | paste -sd, | sed 's/,/, /g')"
check "no answer to a challenge is left" no_answers
first=$(active)
equals "exit status where none is due" 0 "$(renew -RenewBefore 30 -AlternateHostNames mx.gateway.example,mail.gateway.example)"
check "it says so" says 'nothing to do'
equals "the certificate stays" "$first" "$(active)"
equals "exit status of an RSA renewal, with another name" 0 "$(renew -RenewBefore 30 -KeyType rsa_2048 -AlternateHostNames new.gateway.example)"
check "an SMTP client gets an RSA key" grep -q 'rsaEncryption' <(served -text)
second=$(active)
check "the authority refused requests for their nonces on the way" refused_nonces
equals "keys of the account" 1 "$(find "$work/state" -type f -perm 600 | wc -l)"

lead_nowhere dead.gateway.example
equals "exit status where a name leads elsewhere" 3 "$(renew -AlternateHostNames dead.gateway.example -ErrorEmailTo a@ops.example,b@ops.example)"
check "it says which" says 'dead.gateway.example is not proven: .*urn:ietf:params:acme:error:'
equals "the certificate stays" "$second" "$(active)"
check "no answer to a challenge is left" no_answers
check "an alert says so" is_reported 'dead.gateway.example is not proven'
check "both addresses have mail" until_true 20 both_told
equals "of the failure" 2 "$(sunk_lines '^Subject: No new certificate for gateway.example' | wc -l)"

equals "exit status where the directory is down" 3 "$(renew -Directory "https://127.0.0.1:$tls_port/dir")"
check "an alert says so" is_reported 'the authority does not answer'
printf '%s\n' 'no "\ & <x>' >"$work/wrong"
equals "exit status with a wrong password" 2 "$(renew -PasswordFile "$work/wrong")"
check "it says so" says 'fault 401'
equals "exit status where the gateway is down" 2 "$(renew -Server "http://127.0.0.1:$tls_port/RPC2")"
equals "exit status for a password in clear" 1 "$(renew -Server http://192.0.2.1/RPC2)"
equals "exit status for a wildcard" 1 "$(renew -AlternateHostNames '*.gateway.example')"
equals "the certificate stays" "$second" "$(active)"

secrets() { ! grep -e "$(cat "$work/token")" -e 'PRIVATE KEY' "$work/arguments" "$work/renew.log" "$work/serve.log"; }
check "arguments were watched" grep -q -e --data-binary "$work/arguments"
check "no password or key was in arguments or logs" secrets
check "no password or key is left behind or shown" finds_no_secret --word "$(<"$work/token")"
check "nothing is left in the temporary folder" leaves_nothing
succeeds "the gateway stops in good order" stop_gateway
