package policy

import (
	"testing"

	"postern/domain/mailaddr"
)

func TestRequireTLSTag(t *testing.T) { // B55
	on, strip := RequireTLSSettings{Enabled: true}, RequireTLSSettings{Enabled: true, StripTag: true}
	off := RequireTLSSettings{StripTag: true}
	for _, tc := range []struct {
		settings RequireTLSSettings
		in, want string
		tagged   bool
	}{
		{on, "b+requiretls@example.com", "b+requiretls@example.com", true},
		{on, "b+RequireTLS@example.com", "b+RequireTLS@example.com", true},
		{on, "b+list+requiretls@example.com", "b+list+requiretls@example.com", true},
		{on, `"b c+requiretls"@example.com`, `"b c+requiretls"@example.com`, true},
		{on, "b+requiretls@[192.0.2.1]", "b+requiretls@[192.0.2.1]", true},
		{on, "b@example.com", "b@example.com", false},
		{on, "b+requiretls+list@example.com", "b+requiretls+list@example.com", true},
		{on, "b+one+RequireTLS+two@example.com", "b+one+RequireTLS+two@example.com", true},
		{on, "+one+requiretls@example.com", "+one+requiretls@example.com", true},
		{on, "b+requiretlsx@example.com", "b+requiretlsx@example.com", false},
		{on, "b+xrequiretls+list@example.com", "b+xrequiretls+list@example.com", false},
		{on, "b-requiretls@example.com", "b-requiretls@example.com", false},
		{on, "requiretls@example.com", "requiretls@example.com", false},
		{on, "+requiretls@example.com", "+requiretls@example.com", false},
		{on, "b@requiretls.example", "b@requiretls.example", false},
		{strip, "b+REQUIRETLS@example.com", "b@example.com", true},
		{strip, `"b c+requiretls"@example.com`, `"b c"@example.com`, true},
		{strip, "b+requiretls+list@example.com", "b+list@example.com", true},
		{strip, "b+one+REQUIRETLS+two+requiretls@example.com", "b+one+two@example.com", true},
		{strip, "b+list@example.com", "b+list@example.com", false},
		{off, "b+requiretls@example.com", "b+requiretls@example.com", false},
	} {
		var to mailaddr.Mailbox
		if err := to.UnmarshalText([]byte(tc.in)); err != nil {
			t.Fatal(err)
		}
		got, tagged := tc.settings.Tagged(to)
		if got.String() != tc.want || tagged != tc.tagged {
			t.Errorf("%+v: %s becomes %s, tagged %t", tc.settings, tc.in, got, tagged)
		}
	}
}
