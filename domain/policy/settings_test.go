package policy

import "testing"

// TestTouchstoneNames: the names by which resolvers are examined are domain names,
// or the root where it can be vouched for (B63).
func TestTouchstoneNames(t *testing.T) {
	for _, test := range []struct {
		signed, bogus string
		faults        int
	}{
		{"", "", 0},
		{".", "bogus.example", 0},
		{"signed.example", "_x.bogus.example.", 0},
		{"not a name", "", 1},
		{"", ".", 1},
		{"a..b", "c..d", 2},
	} {
		if got := (DNSSettings{SignedName: test.signed, BogusName: test.bogus}).Validate(); len(got) != test.faults {
			t.Errorf("%q, %q: %v", test.signed, test.bogus, got)
		}
	}
}
