package tlsverify

import (
	"strings"
	"testing"

	"postern/domain/mailaddr"
)

// FuzzMatches holds the name matching to its promise: only the very name, or a
// wildcard for its first label, matches.
func FuzzMatches(f *testing.F) {
	for _, pattern := range []string{"mx.example.com", "*.example.com", "*.com", "*", "*.*.com", "m*.example.com", "MX.EXAMPLE.COM.", "[192.0.2.1]", "bücher.example", ""} {
		f.Add("mx.example.com", pattern)
	}
	f.Fuzz(func(t *testing.T, host, pattern string) {
		name, err := mailaddr.ParseDomainName(host)
		if err != nil || !matches(name, pattern) {
			return
		}
		canonical, wildcard := strings.CutPrefix(pattern, "*.")
		want, err := mailaddr.ParseDomainName(canonical)
		if err != nil {
			t.Fatalf("%q matched, though it is no name", pattern)
		}
		got := name
		if wildcard {
			got, _ = name.Parent()
		}
		if got != want {
			t.Fatalf("%q matched %q", name, pattern)
		}
	})
}
