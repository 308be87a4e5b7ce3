#!/usr/bin/env bash
# Shows the documentation page to a headless Chromium, which it installs: all
# operations are listed, no other host is asked for anything, and the console is
# empty. The test is one of api/rest; without a browser it would be skipped.
# shellcheck source=scripts/interop/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

in_a_browser() {
	local out
	out=$(cd "$root" && go test -count=1 -v -run '^TestDocumentationPageInABrowser$' ./api/rest 2>&1) || {
		echo "$out"
		return 1
	}
	grep -- '^--- PASS: TestDocumentationPageInABrowser' <<<"$out"
}

need chromium chromium
check "the documentation page in Chromium" in_a_browser
