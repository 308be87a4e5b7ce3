#!/usr/bin/env bash
# A real Prometheus scrapes the running gateway while mail flows both ways, loads the
# alert rules, and answers every query of the Grafana dashboard with data. promtool
# checks the rules and shows that each of them fires.
# shellcheck source=scripts/interop/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

boards=$root/scripts/dashboards
prometheus_port=$(free_port)

start_prometheus() {
	cat >"$work/prometheus.yml" <<-EOF
		global: {scrape_interval: 1s, evaluation_interval: 1s}
		rule_files: [$boards/alerts.yaml]
		scrape_configs:
		  - job_name: postern
		    static_configs: [{targets: ["127.0.0.1:$api_port"]}]
	EOF
	prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/prometheus" \
		--web.listen-address="127.0.0.1:$prometheus_port" >"$work/prometheus.log" 2>&1 &
	until_true 20 curl -fsS "http://127.0.0.1:$prometheus_port/-/ready"
}

ask() { curl -fsS "http://127.0.0.1:$prometheus_port/api/v1/$1" "${@:2}"; }

rules() { promtool check rules "$boards/alerts.yaml"; }

rule_tests() { (cd "$boards" && promtool test rules alerts_test.yaml); }

# offer_tls: both listeners offer STARTTLS.
offer_tls() {
	set_api PATCH /settings/tls '{"enabled":true}'
	set_api PATCH /listeners/inbound '{"default_policy_parameters":{"tls":"preferred"}}'
	set_api PATCH /listeners/outbound '{"default_policy_parameters":{"tls":"preferred"}}'
}

# start_partner: another gateway, which speaks TLS and gives its mail to the sink.
start_partner() {
	local partner=$work/partner gateway=
	mkdir "$partner"
	ln -s ../postern "$partner/postern"
	local work=$partner api_port public_port private_port
	api_port=$(free_port) public_port=$(free_port) private_port=$(free_port)
	partner_port=$public_port
	start_gateway
	offer_tls
	set_api PUT /domains/partner.example '{}'
	set_api PUT /routes/ALL '{"next_hops":[{"host":"127.0.0.1","port":'"$sink_port"'}]}'
}

# mail_both_ways: mail in and out, under TLS and in clear, delivered and refused.
mail_both_ways() {
	local i
	for i in 1 2 3; do
		swaks --server "127.0.0.1:$private_port" --from a@client.example --to "$i@partner.example" --tls >/dev/null
		swaks --server "127.0.0.1:$private_port" --from a@client.example --to "$i@closed.example" >/dev/null
		swaks --server "127.0.0.1:$public_port" --from a@client.example --to "$i@hosted.example" >/dev/null
		api GET /status >/dev/null
		sleep 1
	done
}

# healthy: the newest scrape was good, and has the metrics of ours.
healthy() { [[ $(ask query --data-urlencode 'query=count({__name__=~"postern_.+", job="postern"}) > 50' | jq '.data.result | length') == 1 ]]; }

scraped() { [[ $(ask query --data-urlencode 'query=count_over_time(up{job="postern"}[1m]) > 15' | jq '.data.result | length') == 1 ]]; }

loaded() { ask rules | jq -e '[.data.groups[].rules[].health] | length > 10 and all(. == "ok")'; }

# queries prints title and expression of each panel, with the variables filled in.
queries() {
	jq -r '.panels[] | select(.targets) | .title as $title | .targets[] | [$title, .expr] | @tsv' "$boards/postern.json" |
		sed -e 's/\$__rate_interval/30s/g' -e 's/\$instance/.*/g' -e 's/\$job/postern/g'
}

# answers TITLE QUERY: there is data, and every value is a number.
answers() {
	local reply
	reply=$(ask query --data-urlencode "query=$2")
	jq -e '.data.result | length > 0 and all(.[]; .value[1] != "NaN")' >/dev/null <<<"$reply" || {
		echo "$2: $reply"
		return 1
	}
}

every_panel() {
	local title query asked=0 empty=0
	while IFS=$'\t' read -r title query; do
		asked=$((asked + 1))
		if ! answers "$title" "$query"; then
			empty=$((empty + 1))
		fi
	done < <(queries)
	((empty == 0 && asked > 30)) && echo "$asked queries"
}

nothing_fires() { [[ $(ask alerts | jq '[.data.alerts[] | select(.state == "firing")] | length') == 0 ]]; }

need swaks swaks
need jq jq
need smtp-sink postfix
need prometheus prometheus
check "promtool takes the alert rules" rules
check "each alert fires when it should, and only then" rule_tests
build
start_gateway
start_sink dashboards
offer_tls
set_api PUT /domains/hosted.example '{}'
set_api PUT /routes/ALL '{"next_hops":[{"host":"127.0.0.1","port":'"$sink_port"'}]}'
set_api PUT /routes/closed.example '{"next_hops":[{"host":"127.0.0.1","port":'"$(free_port)"'}]}'
start_partner
set_api PUT /destination-controls/partner.example '{"tls_level":"required"}'
set_api PUT /routes/partner.example '{"next_hops":[{"host":"127.0.0.1","port":'"$partner_port"'}]}'
start_prometheus
check "Prometheus loads the rules" until_true 20 loaded
mail_both_ways
check "Prometheus scrapes the gateway" until_true 30 healthy
mail_both_ways
check "Prometheus has scraped for a while" until_true 40 scraped
mail_both_ways
check "every query of the dashboard has an answer" every_panel
check "no alert fires" nothing_fires
succeeds "the gateway stops in good order" stop_gateway
