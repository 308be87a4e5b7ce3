#!/usr/bin/env bash
# Asks every operation of a running gateway everything that the generator of
# postern/api/rest/apifuzz knows: good, wrong and borderline requests, made from the
# OpenAPI document alone. No reply may be a 500 or outside the document.
#
# The gateway runs in a network of its own that has loopback and nothing else:
# what it is told to reach cannot be reached.
#
#   EACH=n   at most so many requests an operation; 0, the default: all
#   SEED=n   another choice and another order
if [[ -z ${POSTERN_ALONE-} ]]; then
	if unshare --user --map-root-user --net true 2>/dev/null; then
		POSTERN_ALONE=yes exec unshare --user --map-root-user --net "${BASH_SOURCE[0]}" "$@"
	elif unshare --net true 2>/dev/null; then
		POSTERN_ALONE=yes exec unshare --net "${BASH_SOURCE[0]}" "$@"
	fi
	echo "      SKIPPED: apifuzz.sh, which needs a network of its own (unshare --net)"
	exit 0
fi
unset POSTERN_ALONE
# shellcheck source=scripts/interop/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# alone: loopback up, and no way out.
alone() {
	ip link set lo up
	[[ $(ip -o link | wc -l) == 1 && -z $(ip route) ]]
}

# Tokens have rates; several are quicker than one.
make_tokens() {
	local i
	for i in 1 2 3 4 5 6 7 8; do
		api POST /tokens '{"name":"fuzz-'"$i"'","role":"admin"}' | jq -r .secret
	done >"$work/tokens"
}

fuzz() {
	"$work/apifuzz" -url "http://127.0.0.1:$api_port" -tokens "$work/tokens" -each "${EACH:-0}" -seed "${SEED:-1}"
}

no_panic() { ! grep -m 3 -E 'panic|"level":"ERROR"' "$work/serve.log"; }

check "a network of its own" alone
build
(cd "$root" && go build -o "$work/apifuzz" ./scripts/interop/apifuzz)
start_gateway
make_tokens
check "every operation keeps to its document" fuzz
check "the gateway logs no error" no_panic
check "the gateway is still there" api GET /status
succeeds "the gateway stops in good order" stop_gateway
