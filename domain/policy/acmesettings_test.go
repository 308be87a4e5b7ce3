package policy

import (
	"slices"
	"testing"

	"postern/domain/mailaddr"
)

func TestACMESettingsAreValidated(t *testing.T) {
	good := DefaultACMESettings()
	good.Enabled, good.TermsAgreed = true, true
	good.DirectoryURL, good.Contacts = "https://ca.example/directory", []string{"admin@example.com"}
	for name, test := range map[string]struct {
		change func(*ACMESettings)
		want   string // pointer of the one fault; empty: none
	}{
		"good":               {func(*ACMESettings) {}, ""},
		"off":                {func(s *ACMESettings) { *s = DefaultACMESettings() }, ""},
		"no directory":       {func(s *ACMESettings) { s.DirectoryURL = "" }, "/directory_url"},
		"directory in clear": {func(s *ACMESettings) { s.DirectoryURL = "http://ca.example/directory" }, "/directory_url"},
		"user in the URL":    {func(s *ACMESettings) { s.FallbackDirectoryURL = "https://a:b@ca.example/" }, "/fallback_directory_url"},
		"terms":              {func(s *ACMESettings) { s.TermsAgreed = false }, "/terms_agreed"},
		"contact":            {func(s *ACMESettings) { s.Contacts = []string{"a@example.com?cc=b@example.com"} }, "/contacts/0"},
		"half a binding":     {func(s *ACMESettings) { s.EABKeyID = "kid" }, "/eab_hmac_key"},
		"key type":           {func(s *ACMESettings) { s.KeyType = "dsa" }, "/key_type"},
		"challenge":          {func(s *ACMESettings) { s.Challenge = "tls-sni-01" }, "/challenge"},
	} {
		t.Run(name, func(t *testing.T) {
			s := good
			test.change(&s)
			var got []string
			for _, f := range s.Validate() {
				got = append(got, f.Pointer)
			}
			if want := slices.DeleteFunc([]string{test.want}, func(s string) bool { return s == "" }); !slices.Equal(got, want) {
				t.Errorf("faults at %q, want %q", got, want)
			}
		})
	}
}

// B48: the main name first, each name once.
func TestACMENames(t *testing.T) {
	s := ACMESettings{AlternativeNames: []mailaddr.DomainName{"mx.example.com", "mail.example.com", "mx.example.com"}}
	if got, want := s.Names("mail.example.com"), []string{"mail.example.com", "mx.example.com"}; !slices.Equal(got, want) {
		t.Errorf("names %q, want %q", got, want)
	}
}
