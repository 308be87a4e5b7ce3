#!/usr/bin/env bash
# Lets the built-in ACME client get certificates from pebble, which takes its time. One
# pebble refuses half of all nonces and asks challtestsrv for names; another wants an
# external account and asks Knot DNS, which takes dynamic updates signed by TSIG. It
# takes about a minute.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need openssl openssl
need jq jq
need curl curl
need knotd knot
need dig bind9-dnsutils
build
# shellcheck source=pebble.sh
. "$root/scripts/interop/pebble.sh"

bound_port=$(free_port) bound_api=$(free_port) knot_port=$(free_port)
main=https://127.0.0.1:$acme_port/dir bound=https://127.0.0.1:$bound_port/dir
eab_key=zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W

start_knot() {
	tsig=$(openssl rand -base64 32)
	mkdir -p "$work/knot"
	cat >"$work/knot/gateway.example.zone" <<-END
		gateway.example. 60 SOA ns.gateway.example. admin.gateway.example. 1 60 60 3600 1
		gateway.example. 60 NS ns.gateway.example.
		gateway.example. 60 A 127.0.0.1
		*.gateway.example. 60 A 127.0.0.1
		_acme-challenge.alias.gateway.example. 60 CNAME alias.proofs.gateway.example.
		gateway.example. 60 TXT "v=spf1 -all"
	END
	cat >"$work/knot.conf" <<-END
		server:
		    listen: 127.0.0.1@$knot_port
		    rundir: "$work/knot"
		database:
		    storage: "$work/knot"
		key:
		  - id: postern
		    algorithm: hmac-sha256
		    secret: "$tsig"
		acl:
		  - id: proofs
		    key: postern
		    action: update
		    update-type: [TXT]
		zone:
		  - domain: gateway.example
		    storage: "$work/knot"
		    file: gateway.example.zone
		    acl: proofs
		    zonefile-sync: -1
	END
	knotd -c "$work/knot.conf" >"$work/knot.log" 2>&1 &
	until_true 20 knot_serves
}

at_knot() { dig +norecurse +short +time=1 +tries=1 -p "$knot_port" @127.0.0.1 "$@"; }
knot_serves() { [[ $(at_knot gateway.example A) == 127.0.0.1 ]]; }

# start_bound: the authority that wants an external account and asks Knot.
start_bound() {
	jq -n --arg acme "127.0.0.1:$bound_port" --arg api "127.0.0.1:$bound_api" --arg work "$work" --arg key "$eab_key" \
		--argjson http "$web_port" --argjson tls "$tls_port" '{pebble: {
			listenAddress: $acme, managementListenAddress: $api, certificate: ($work + "/pebble.pem"),
			privateKey: ($work + "/pebble.key"), httpPort: $http, tlsPort: $tls,
			externalAccountBindingRequired: true, externalAccountMACKeys: {"kid-1": $key},
			profiles: {default: {description: "usual", validityPeriod: 7776000}, shortlived: {description: "short", validityPeriod: 518400}}}}' >"$work/bound.json"
	PEBBLE_WFE_NONCEREJECT=0 PEBBLE_VA_NOSLEEP=1 PEBBLE_AUTHZREUSE=0 \
		"$work/bin/pebble" -config "$work/bound.json" -strict -dnsserver "127.0.0.1:$knot_port" >"$work/bound.log" 2>&1 &
	until_true 20 curl -fsS --cacert "$work/pebble.pem" "$bound"
}

# write_hook makes a program that puts records into challtestsrv.
write_hook() {
	cat >"$work/dns-hook" <<-END
		#!/bin/sh
		case \$1 in
		present) exec curl -fsS -d "{\"host\":\"\$2\",\"value\":\"\$3\"}" http://127.0.0.1:$dns_api/set-txt ;;
		*) exec curl -fsS -d "{\"host\":\"\$2\"}" http://127.0.0.1:$dns_api/clear-txt ;;
		esac
	END
	chmod 755 "$work/dns-hook"
}

settings() { set_api PATCH /settings/acme "$1"; }

# order orders a certificate, and prints what became of it; the job is in $work/job.
order() {
	local id
	id=$(api POST /acme/orders | jq -r .id)
	until_true 120 is_over "$id" || true
	jq -r .state "$work/job"
}
is_over() {
	api GET "/jobs/$1?wait=30s" >"$work/job"
	jq -e '.state | IN("queued", "running") | not' "$work/job"
}

active() { api GET /certificates | jq -r '.items[] | select(.state == "active") | .id'; }
served() { openssl s_client -starttls smtp -connect "127.0.0.1:$public_port" </dev/null 2>/dev/null | openssl x509 -noout "$@"; }
served_names() { served -ext subjectAltName | grep -o 'DNS:[^, ]*' | sed 's/DNS://' | sort | paste -sd' '; }
served_days() { echo $((($(date -d "$(served -enddate | sed 's/notAfter=//')" +%s) - $(date +%s)) / 86400)); }
served_key() { served -pubkey | sha256sum; }

# is_in_service: a client of STARTTLS gets what the job says was issued.
is_in_service() {
	[[ $(active) == "$(jq -r .result.certificate_id "$work/job")" ]] &&
		[[ $(served -fingerprint -sha256 | sed 's/.*=//; s/://g' | tr 'A-F' 'a-f') == "$(api GET "/certificates/$(active)" | jq -r .fingerprint_sha256 | tr -d ':' | tr 'A-F' 'a-f')" ]]
}

steps() { jq -r '.steps[].text' "$work/job"; }
told() { steps | grep -q -e "$1" || { jq -c . "$work/job" && false; }; }
failed_by() { jq -e --arg text "$1" '.problem.detail | contains($text)' "$work/job" >/dev/null || { jq -c . "$work/job" && false; }; }
is_alerted() { api GET '/alerts?state=open' | jq -e --arg text "$1" '[.items[] | select(.kind == "acme_failed" and (.detail | contains($text)))] | length == 1' >/dev/null; }
no_alert_left() { [[ $(api GET '/alerts?state=open' | jq '[.items[] | select(.kind == "acme_failed")] | length') == 0 ]]; }
no_authorization_left() { ! steps | grep -e 'stays at the authority' && grep -q 'POST /authZ' "$work/pebble.log"; }
no_record_at() { [[ -z $(at_knot "$1" TXT) ]]; }
no_records() { no_record_at "_acme-challenge.$1"; }

# refused_nonces: three orders of eight challenges need 15 such requests where none is
# refused.
refused_nonces() {
	local posts
	posts=$(grep -c -E 'POST /(sign-me-up|order-plz|chalZ|finalize-order)' "$work/pebble.log")
	echo "$posts signed requests for what needs 15"
	((posts > 15))
}

# renews_by_advice: the authority wants the certificate renewed now, and a start asks it.
renews_by_advice() {
	local before
	before=$(active)
	openssl s_client -starttls smtp -connect "127.0.0.1:$public_port" </dev/null 2>/dev/null | openssl x509 >"$work/leaf.pem"
	jq -n --rawfile pem "$work/leaf.pem" '{certificate: $pem, ariResponse: ({suggestedWindow: {start: "2020-01-01T00:00:00Z", end: "2020-01-02T00:00:00Z"}} | tojson)}' |
		curl -fsS --cacert "$work/pebble.pem" -d @- "https://127.0.0.1:$bound_api/set-renewal-info/"
	stop_gateway
	start_gateway
	until_true 60 is_another "$before"
}
is_another() { [[ -n $(active) && $(active) != "$1" ]]; }

# keeps_session COMMAND...: a session of SMTP goes on while the command runs.
keeps_session() {
	exec 9<>"/dev/tcp/127.0.0.1/$public_port"
	"$@"
	printf 'QUIT\r\n' >&9
	timeout 10 grep -q '^221' <&9
}
order_quietly() { [[ $(order) == succeeded ]]; }

build_pebble
start_knot
start_gateway
start_pebble 50
start_bound
write_hook
set_api PUT /trust-anchors/pebble "$(jq -n --rawfile pem "$work/pebble.pem" '{usage: "authority", certificate: $pem}')"
set_api PATCH /settings/tls '{"enabled":true}'
set_api PATCH /listeners/inbound '{"default_policy_parameters":{"tls":"preferred"}}'
set_api PATCH /settings/public_web '{"http":{"enabled":true,"address":"127.0.0.1","port":'"$web_port"'},"https":{"enabled":true,"address":"127.0.0.1","port":'"$tls_port"'}}'
set_api PATCH /settings/dns '{"servers":["127.0.0.1:'"$knot_port"'"]}'

settings '{"directory_url":"'"$main"'","terms_agreed":true,"contacts":["admin@gateway.example"],"alternative_names":["mx.gateway.example","smtp.gateway.example"]}'
equals "an order by http-01 with half of all nonces refused" succeeded "$(order)"
equals "names that an SMTP client is shown" "gateway.example mx.gateway.example smtp.gateway.example" "$(served_names)"
check "what was issued is what is shown" is_in_service
settings '{"challenge":"tls-alpn-01"}'
check "an order by tls-alpn-01 cuts no session off" keeps_session order_quietly
check "what was issued is what is shown" is_in_service

settings '{"challenge":"dns-01","alternative_names":["*.mx.gateway.example"],"dns_hook":{"path":"'"$work"'/dns-hook"}}'
equals "an order by dns-01 with a hook, with a wildcard" succeeded "$(order)"
equals "names that an SMTP client is shown" "*.mx.gateway.example gateway.example" "$(served_names)"
check "the authority refused requests for their nonces on the way" refused_nonces
settings '{"dns_hook":{"path":"/bin/false"}}'
before=$(active)
equals "an order with a hook that fails" failed "$(order)"
check "the job says which part" failed_by 'the DNS hook /bin/false present for _acme-challenge.'
check "no authorization is left that waits" no_authorization_left
check "an alert says so" is_alerted '/bin/false present'
equals "the certificate stays" "$before" "$(active)"

update='"dns_update":{"server":"127.0.0.1:'"$knot_port"'","key_name":"postern","secret":"'"$tsig"'","server_only":true}'
settings '{"directory_url":"'"$bound"'","alternative_names":["*.gateway.example","alias.gateway.example"],"dns_hook":{"path":""},'"$update"'}'
equals "an order without the external account" failed "$(order)"
check "the job has the authority's words" failed_by externalAccountRequired
settings '{"eab_key_id":"kid-1","eab_hmac_key":"'"$eab_key"'","profile":"shortlived","reuse_key":true}'
equals "an order by dynamic update, with a wildcard beside its base and an alias" succeeded "$(order)"
equals "names that an SMTP client is shown" "*.gateway.example alias.gateway.example gateway.example" "$(served_names)"
check "the record of the alias was put where it leads" told 'alias.proofs.gateway.example is in the zone gateway.example'
check "no record is left" no_records gateway.example
check "nor where the alias leads" no_record_at alias.proofs.gateway.example
equals "days of the profile" 5 "$(served_days)"
key=$(served_key)
equals "another order" succeeded "$(order)"
equals "the key is used again" "$key" "$(served_key)"
check "the order says what it replaces" told 'it replaces the certificate before'

settings '{"enabled":true}'
succeeds "a renewal by the authority's advice" renews_by_advice
check "the alert is over" no_alert_left
settings '{"enabled":false}'

before=$(active)
settings '{"dns_update":{"secret":"'"$(openssl rand -base64 32)"'"}}'
equals "an order with another TSIG secret" failed "$(order)"
check "the job says which part" failed_by 'the secret of the key postern is another one there'
equals "the certificate stays" "$before" "$(active)"
settings "{$update}"

settings '{"challenge":"http-01","profile":"","alternative_names":["dead.gateway.example"],"directory_url":"'"$main"'"}'
curl -fsS -d '{"host":"dead.gateway.example.","addresses":["127.0.0.9"]}' "http://127.0.0.1:$dns_api/add-a"
before=$(active)
equals "an order of which one name leads elsewhere" failed "$(order)"
check "the job has the authority's problem document" failed_by 'urn:ietf:params:acme:error:'
check "the transcript names the challenge" told 'http-01 challenge for .*dead.gateway.example'
check "an alert says so" is_alerted dead.gateway.example
equals "the certificate stays" "$before" "$(active)"
settings '{"alternative_names":[],"eab_key_id":"","directory_url":"https://127.0.0.1:1/dir","fallback_directory_url":"'"$main"'"}'
equals "an order where the first directory is down" succeeded "$(order)"
check "the second directory was asked" told 'The second directory is asked'
check "what was issued is what is shown" is_in_service

api POST /acme/orders >/dev/null
kill_gateway
start_gateway
equals "an order after a kill in the middle of another" succeeded "$(order)"
check "no secret is left behind or shown" finds_no_secret --word "$tsig" --word "$eab_key"
succeeds "the gateway stops in good order" stop_gateway
