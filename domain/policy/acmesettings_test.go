package policy

import (
	"slices"
	"testing"
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
		"wildcard by http":   {func(s *ACMESettings) { s.AlternativeNames = []ACMEName{"mx.example.com", "*.example.com"} }, "/alternative_names/1"},
		"a name twice":       {func(s *ACMESettings) { s.AlternativeNames = []ACMEName{"mx.example.com", "mx.example.com"} }, "/alternative_names/1"},
		"dns by update":      {byUpdate(func(*ACMEUpdate) {}), ""},
		"dns by hook":        {byHook("/usr/local/libexec/dns"), ""},
		"dns by nothing":     {func(s *ACMESettings) { s.Challenge = ACMEDNS01 }, "/dns_update/server"},
		"dns by both":        {func(s *ACMESettings) { byUpdate(func(*ACMEUpdate) {})(s); s.DNSHook.Path = "/bin/true" }, "/dns_hook/path"},
		"relative hook":      {byHook("libexec/dns"), "/dns_hook/path"},
		"hook with ..":       {byHook("/usr/../dns"), "/dns_hook/path"},
		"hook for ever":      {func(s *ACMESettings) { s.DNSHook.TimeoutSeconds = 3600 }, "/dns_hook/timeout_seconds"},
		"server by name":     {byUpdate(func(u *ACMEUpdate) { u.Server = "ns1.example.com:53" }), "/dns_update/server"},
		"no port":            {byUpdate(func(u *ACMEUpdate) { u.Server = "192.0.2.1" }), "/dns_update/server"},
		"unsigned":           {byUpdate(func(u *ACMEUpdate) { u.KeyName = "" }), "/dns_update/key_name"},
		"no secret":          {byUpdate(func(u *ACMEUpdate) { u.KeySecretID = "" }), "/dns_update/secret"},
		"algorithm":          {byUpdate(func(u *ACMEUpdate) { u.Algorithm = "hmac-md5" }), "/dns_update/algorithm"},
		"wait for ever":      {byUpdate(func(u *ACMEUpdate) { u.WaitSeconds = 3600 }), "/dns_update/wait_seconds"},
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

func byUpdate(change func(*ACMEUpdate)) func(*ACMESettings) {
	return func(s *ACMESettings) {
		s.Challenge, s.AlternativeNames = ACMEDNS01, []ACMEName{"*.example.com"}
		s.DNSUpdate = ACMEUpdate{Server: "192.0.2.1:53", KeyName: "postern", KeySecretID: "secret"}
		change(&s.DNSUpdate)
	}
}

func byHook(path string) func(*ACMESettings) {
	return func(s *ACMESettings) { s.Challenge, s.DNSHook.Path = ACMEDNS01, path }
}

func TestParseACMEName(t *testing.T) {
	for text, want := range map[string]ACMEName{
		"MX.Example.COM.": "mx.example.com", "*.Example.com": "*.example.com", "*.bücher.example": "*.xn--bcher-kva.example",
		"*": "", "*.com": "", "a.*.example.com": "", "*.*.example.com": "", "": "", "*.": "", "192.0.2.1": "",
	} {
		got, err := ParseACMEName(text)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

func FuzzParseACMEName(f *testing.F) {
	f.Add("*.example.com")
	f.Add("*.*")
	f.Fuzz(func(t *testing.T, text string) {
		name, err := ParseACMEName(text)
		if again, errAgain := ParseACMEName(name.String()); err == nil && (errAgain != nil || again != name) {
			t.Errorf("%q: %q, %v", name, again, errAgain)
		}
	})
}

func TestParseTSIGKey(t *testing.T) {
	for text, want := range map[string]bool{
		"c2VjcmV0IG9mIG1vcmUgdGhhbiAxNiBvY3RldHM=": true, "c2hvcnQ=": false, "no base64, as it seems": false, "": false,
	} {
		if _, ok := ParseTSIGKey(text); ok != want {
			t.Errorf("%q: %t", text, ok)
		}
	}
}

// B48: the main name first, each name once.
func TestACMENames(t *testing.T) {
	s := ACMESettings{AlternativeNames: []ACMEName{"mx.example.com", "mail.example.com", "mx.example.com"}}
	if got, want := s.Names("mail.example.com"), []string{"mail.example.com", "mx.example.com"}; !slices.Equal(got, want) {
		t.Errorf("names %q, want %q", got, want)
	}
}
