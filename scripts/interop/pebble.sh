# shellcheck shell=bash disable=SC2154
# Pebble as the authority, for scripts that have sourced lib.sh and built the gateway. It
# asks for answers at the public web listener of the gateway, on $web_port.

acme_port=$(free_port) pebble_port=$(free_port) dns_port=$(free_port) dns_api=$(free_port)
web_port=$(free_port) tls_port=$(free_port)

build_pebble() {
	say "building pebble"
	GOBIN=$work/bin go install github.com/letsencrypt/pebble/v2/cmd/pebble@v2.10.1 \
		github.com/letsencrypt/pebble/v2/cmd/pebble-challtestsrv@v2.10.1 2>"$work/go.log"
}

# start_pebble PERCENT: every name leads to this machine, and so many of all nonces are
# refused.
start_pebble() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/pebble.key" -out "$work/pebble.pem" \
		-days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>"$work/openssl.log"
	jq -n --arg acme "127.0.0.1:$acme_port" --arg api "127.0.0.1:$pebble_port" --arg work "$work" \
		--argjson http "$web_port" --argjson tls "$tls_port" '{pebble: {
			listenAddress: $acme, managementListenAddress: $api, certificate: ($work + "/pebble.pem"),
			privateKey: ($work + "/pebble.key"), httpPort: $http, tlsPort: $tls}}' >"$work/pebble.json"
	"$work/bin/pebble-challtestsrv" -defaultIPv4 127.0.0.1 -defaultIPv6 '' -dnsserver "127.0.0.1:$dns_port" -http01 '' \
		-https01 '' -tlsalpn01 '' -doh '' -management "127.0.0.1:$dns_api" >"$work/dns.log" 2>&1 &
	PEBBLE_WFE_NONCEREJECT=$1 PEBBLE_VA_SLEEPTIME=2 PEBBLE_AUTHZREUSE=0 \
		"$work/bin/pebble" -config "$work/pebble.json" -strict -dnsserver "127.0.0.1:$dns_port" >"$work/pebble.log" 2>&1 &
	until_true 20 curl -fsS --cacert "$work/pebble.pem" "https://127.0.0.1:$acme_port/dir"
}
