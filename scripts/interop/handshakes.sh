#!/usr/bin/env bash
# Activates certificates ten times a second while clients make handshakes on a
# STARTTLS listener: none may fail, and each that begins after an activation was
# applied must be shown the new certificate.
#
#   TIME=60   for how many seconds
#   RATE=200  handshakes a second
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need python3 python3
need jq jq
need curl curl
build
start_gateway
set_api PATCH /settings/tls '{"enabled":true}'
set_api PATCH /listeners/outbound '{"default_policy_parameters":{"tls":"preferred"}}'

certificates=()
for organization in one two; do
	certificates+=("$(api POST /certificates/self-signed '{"host_name":"gateway.example","organization":"'$organization'"}' |
		jq -r '.id + "=" + .fingerprint_sha256')")
done
api POST "/certificates/${certificates[0]%=*}/activate?wait=10s" >/dev/null

handshakes() {
	python3 "$root/scripts/interop/handshakes.py" "127.0.0.1:$api_port" "$work/authorization" "$private_port" \
		"${TIME:-60}" "${RATE:-200}" "${certificates[@]}"
}
run_client "the client of handshakes" handshakes
succeeds "the gateway stops in good order" stop_gateway
