package delivery

import (
	"net/netip"
	"testing"

	"postern/domain"
	"postern/domain/mailaddr"
)

func TestDestination(t *testing.T) {
	for want, m := range map[mailaddr.DomainName]mailaddr.Mailbox{
		"example.net":   {Local: "ben", Domain: "example.net"},
		"[192.0.2.1]":   {Local: "ben", Literal: netip.MustParseAddr("192.0.2.1")},
		"[2001:db8::1]": {Local: "ben", Literal: netip.MustParseAddr("2001:db8::1")},
		"":              {Local: "postmaster"},
	} {
		if got := Destination(m); got != want {
			t.Errorf("mail for %s goes to %q, want %q", m, got, want)
		}
	}
}

func TestStatusAsText(t *testing.T) {
	for _, status := range []Status{Deferred, Delivered, Bounced} {
		text, err := status.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var got Status
		if err := got.UnmarshalText(text); err != nil || got != status {
			t.Errorf("%s is read as %s, %v", text, got, err)
		}
	}
	if err := new(Status).UnmarshalText([]byte("lost")); domain.KindOf(err) != domain.Invalid {
		t.Errorf("error is %v", err)
	}
}

func TestParseMessageState(t *testing.T) {
	for _, name := range []string{"", "queued", "held"} {
		if got, err := ParseMessageState(name); err != nil || string(got) != name {
			t.Errorf("%q is read as %q, %v", name, got, err)
		}
	}
	if _, err := ParseMessageState("Queued"); domain.KindOf(err) != domain.Invalid {
		t.Errorf("error is %v", err)
	}
}
