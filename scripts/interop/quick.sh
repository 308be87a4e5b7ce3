#!/usr/bin/env bash
# Runs what belongs to every change: mail, XML-RPC, renewals and policies against
# strangers, DANE and MTA-STS against real servers, and the API against its document, a
# generated client, Prometheus and a
# browser. It takes about ten minutes on two cores; churn.sh, which builds with the
# race detector, takes longer.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TALLY=$(mktemp)
export TALLY
trap 'rm -f "$TALLY"' EXIT

status=0
export TIME="${TIME:-20}" # of handshakes.sh
for script in relay xmlrpc letsencrypt acme hooks certificates policy dnssec mtasts commits bulk apifuzz tsclient dashboards docs \
	handshakes; do
	"$here/$script.sh" || status=1
done
awk '{ passed += $1; failed += $2 } END { printf "%d passed, %d failed\n", passed, failed }' "$TALLY"
exit "$status"
