#!/usr/bin/env bash
# Lets ACME clients of others get certificates through the webroot of the gateway, and
# install them by the hooks of scripts/hooks: certbot itself, with pebble as the authority;
# acme.sh and lego as they call their hooks.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need openssl openssl
need jq jq
need curl curl
need dash dash
need certbot certbot
build
# shellcheck source=pebble.sh
. "$root/scripts/interop/pebble.sh"
hooks=$root/scripts/hooks

export POSTERN_TOKEN_FILE=$work/token POSTERN_SERVER=http://127.0.0.1:$api_port/RPC2

active() { api GET /certificates | jq -r '.items[] | select(.state == "active") | .id'; }

# serves FILE: the next SMTP client gets the certificate of the file.
serves() {
	local shown
	shown=$(openssl s_client -starttls smtp -connect "127.0.0.1:$public_port" </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256)
	[[ $shown == "$(openssl x509 -in "$1" -noout -fingerprint -sha256)" ]]
}

# certificate NAME makes NAME.crt and NAME.key.
certificate() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/$1.key" -out "$work/$1.crt" -days 20 \
		-subj /CN=gateway.example -addext subjectAltName=DNS:gateway.example 2>>"$work/openssl.log"
}

run_certbot() {
	REQUESTS_CA_BUNDLE=$work/pebble.pem certbot "$@" -n --config-dir "$work/certbot" --work-dir "$work/certbot.work" \
		--logs-dir "$work/certbot.log" --server "https://127.0.0.1:$acme_port/dir" >>"$work/certbot.out" 2>&1 ||
		{ tail -n 5 "$work/certbot.out" && false; }
}

get_by_certbot() {
	run_certbot certonly --webroot -w "$work/data/webroot" -d gateway.example -d mx.gateway.example \
		--agree-tos --register-unsafely-without-email --deploy-hook "$hooks/certbot.sh"
}

# as_acmesh NAME calls the hook as acme.sh does: read into its shell, by five paths.
# shellcheck disable=SC2016
as_acmesh() {
	POSTERN_INSTALL=$hooks/install.sh dash -c '. "$1" && postern_deploy gateway.example "$2.key" "$2.crt" "$2.crt" "$2.crt"' \
		acme.sh "$hooks/acmesh.sh" "$work/$1"
}

as_lego() { LEGO_CERT_PATH=$work/$1.crt LEGO_CERT_KEY_PATH=$work/$1.key dash "$hooks/lego.sh"; }
as_new_lego() { LEGO_HOOK_CERT_PATH=$work/$1.crt LEGO_HOOK_CERT_KEY_PATH=$work/$1.key dash "$hooks/lego.sh"; }

# status_of COMMAND... prints the exit status.
status_of() {
	local status=0
	"$@" >"$work/hook.log" 2>&1 || status=$?
	echo "$status"
}

build_pebble
start_gateway
start_pebble 0 # certbot tries again once and no more
(umask 077 && api POST /tokens '{"name":"hook","role":"certificate_manager"}' | jq -r .secret >"$work/token")
set_api PATCH /settings/tls '{"enabled":true}'
set_api PATCH /listeners/inbound '{"default_policy_parameters":{"tls":"preferred"}}'
set_api PATCH /settings/public_web '{"http":{"enabled":true,"address":"127.0.0.1","port":'"$web_port"'}}'
live=$work/certbot/live/gateway.example

check "certbot gets a certificate by webroot" get_by_certbot
check "its deploy hook has installed it" serves "$live/cert.pem"
first=$(active)
check "certbot renews it" run_certbot renew --force-renewal --no-random-sleep-on-renew
check "its deploy hook has installed that too" serves "$live/cert.pem"
equals "it is another certificate" other "$([[ $(active) == "$first" ]] && echo same || echo other)"

for style in acmesh lego new_lego; do
	certificate "$style"
	check "the hook in the style of $style installs" "as_$style" "$style"
	check "an SMTP client gets it" serves "$work/$style.crt"
done

before=$(active)
certificate one
certificate two
equals "exit status where key and certificate differ" 2 "$(status_of "$hooks/install.sh" "$work/one.crt" "$work/two.key")"
check "it says which part" grep -q 'refuses: 422 .*private_key' "$work/hook.log"
equals "exit status without a key" 1 "$(status_of "$hooks/install.sh" "$work/one.crt")"
equals "exit status for a token in clear" 1 "$(POSTERN_SERVER=http://192.0.2.1/RPC2 status_of "$hooks/install.sh" "$work/one.crt" "$work/one.key")"
equals "exit status where the gateway is down" 2 "$(POSTERN_SERVER=http://127.0.0.1:$tls_port/RPC2 status_of "$hooks/install.sh" "$work/one.crt" "$work/one.key")"
equals "the certificate stays" "$before" "$(active)"
succeeds "the gateway stops in good order" stop_gateway
