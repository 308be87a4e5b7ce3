#!/usr/bin/env bash
# Writes 100,000 destination controls in one call, as CSV and as a job from NDJSON,
# applies the whole configuration as a document, and prints how long each took and
# how much memory the gateway had.
#
#   ROWS=100000  how many rows
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

rows=${ROWS:-100000}

need jq jq
need curl curl
build

table() { # LEVEL
	awk -v rows="$rows" -v level="$1" 'BEGIN {
		print "pattern,tls_level,max_connections,description"
		for (i = 0; i < rows; i++) printf "d%06d.example,%s,5,\"partner %d, from the table\"\n", i, level, i
	}'
}

lines() { # LEVEL
	awk -v rows="$rows" -v level="$1" 'BEGIN {
		for (i = 0; i < rows; i++) printf "{\"pattern\":\"d%06d.example\",\"tls_level\":\"%s\",\"max_connections\":5}\n", i, level
	}'
}

# timed FILE METHOD PATH [curl options]: the reply goes into the file.
timed() {
	local file=$1 method=$2 path=$3
	shift 3
	curl -sS --max-time 600 -X "$method" -H "@$work/authorization" -o "$file" -w '%{http_code} after %{time_total} s\n' \
		"$@" "http://127.0.0.1:$api_port/api/v1$path"
}

memory() { awk '/^Vm(HWM|RSS)/ { printf "%s %d MiB  ", $1, $2 / 1024 }' "/proc/$gateway/status"; }

start_gateway
table required >"$work/table.csv"
lines preferred >"$work/table.ndjson"

say "CSV: $(timed "$work/csv" POST '/destination-controls?wait=60s' -H 'Content-Type: text/csv' --data-binary "@$work/table.csv")"
equals "every row is written" "$rows" "$(jq .written "$work/csv")"
say "$(memory)"

say "a job: $(timed "$work/job" POST '/destination-controls?mode=replace' -H 'Content-Type: application/x-ndjson' -H 'Prefer: respond-async' --data-binary "@$work/table.ndjson")"
say "its end: $(timed "$work/done" GET "/jobs/$(jq -r .id "$work/job")?wait=60s")"
equals "the job wrote every row" "$rows" "$(jq .result.written "$work/done")"
say "$(memory)"

say "read as CSV: $(timed "$work/read.csv" GET /destination-controls -H 'Accept: text/csv')"
equals "the table has every row, a head and the default" "$((rows + 2))" "$(wc -l <"$work/read.csv")"
say "the whole document: $(timed "$work/config.json" GET /config)"
say "applied again: $(timed "$work/applied" PUT '/config?prune=true' -H 'Content-Type: application/json' --data-binary "@$work/config.json")"
equals "which changes nothing" 0 "$(jq '.items | length' "$work/applied")"
say "$(memory)"
succeeds "the gateway stops in good order" stop_gateway
