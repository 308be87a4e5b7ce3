package keyring

import (
	"testing"
)

// What each endpoint shows for each name that a client may ask for; the rule
// stands in the package comment.
func TestWhichCertificateIsShown(t *testing.T) {
	s := newStore(
		pair(t, "active", 60, "mail.example.com", "*.shared.example"),
		pair(t, "bound", 60, "public.example.com", "exact.shared.example"),
		pair(t, "longer", 90, "public.example.com", "*.wild.example"),
		pair(t, "expired", -1, "expired.example.com"),
		pair(t, "idle", 60, "idle.example.com"),
	)
	s.activate("active")
	ring, _, _ := newRing(t, s)
	release, err := ring.Hold(t.Context(), "bound", "longer", "expired")
	if err != nil {
		t.Fatal(err)
	}
	defer release()

	tests := []struct {
		why, binding, name, want string
	}{
		{"no name", "", "", "active"},
		{"own name", "", "mail.example.com", "active"},
		{"own name in capitals", "", "MAIL.Example.COM", "active"},
		{"own wildcard", "", "a.shared.example", "active"},
		{"own wildcard before the exact name of another", "", "exact.shared.example", "active"},
		{"a wildcard is for one label", "", "b.a.shared.example", "active"},
		{"name of a bound one, the one that lasts longest", "", "public.example.com", "longer"},
		{"wildcard of a bound one", "", "a.wild.example", "longer"},
		{"a wildcard is not for its own parent", "bound", "wild.example", "bound"},
		{"unknown name", "", "unknown.example.org", "active"},
		{"name of one that nobody uses", "", "idle.example.com", "active"},
		{"name of an expired one", "", "expired.example.com", "active"},
		{"single label", "", "localhost", "active"},
		{"bound: no name", "bound", "", "bound"},
		{"bound: own name, although another lasts longer", "bound", "public.example.com", "bound"},
		{"bound: name of the active one", "bound", "mail.example.com", "active"},
		{"bound: unknown name", "bound", "unknown.example.org", "bound"},
		{"bound to an expired one: still served", "expired", "", "expired"},
		{"bound to one that is gone", "gone", "", "active"},
	}
	for _, test := range tests {
		t.Run(test.why, func(t *testing.T) {
			config := ring.ServerConfig(ServerOptions{Binding: test.binding})
			if got := shown(t, config, test.name); got != test.want {
				t.Errorf("shown %q, want %q", got, test.want)
			}
		})
	}
}

func TestTheActiveOneIsServedEvenWhenExpired(t *testing.T) {
	s := newStore(pair(t, "old", -1, "mail.example.com"))
	s.activate("old")
	ring, _, _ := newRing(t, s)
	load(t, ring)
	if !ring.Usable("") {
		t.Fatal("not usable: opportunistic senders would fall back to clear text")
	}
	if got := shown(t, ring.ServerConfig(ServerOptions{}), "mail.example.com"); got != "old" {
		t.Errorf("shown %q", got)
	}
}
