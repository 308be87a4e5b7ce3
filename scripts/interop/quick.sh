#!/usr/bin/env bash
# Runs what belongs to every change: mail, XML-RPC, certificates, renewals and policies
# against strangers, and the API against its document, a generated client, Prometheus
# and a browser. It takes about seven minutes on two cores; churn.sh, which builds with
# the race detector, takes longer.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TALLY=$(mktemp)
export TALLY
trap 'rm -f "$TALLY"' EXIT

status=0
export TIME="${TIME:-20}" # of handshakes.sh
for script in relay xmlrpc certificates letsencrypt hooks policy bulk commits apifuzz tsclient dashboards docs handshakes; do
	"$here/$script.sh" || status=1
done
awk '{ passed += $1; failed += $2 } END { printf "%d passed, %d failed\n", passed, failed }' "$TALLY"
exit "$status"
