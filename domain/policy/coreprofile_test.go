package policy

import (
	"strings"
	"testing"
	"time"
)

func TestCoreProfile(t *testing.T) { // B32, B34
	off := new(bool)
	tests := []struct {
		name    string
		profile CoreProfile
		faults  string // pointers
		warned  string
	}{
		{"https", CoreProfile{URIs: []string{"https://core.example:8008", "https://[2001:db8::1]/v4", "https://bücher.example"}}, "", ""},
		{"http on this machine", CoreProfile{URIs: []string{"http://127.0.0.1:8008"}}, "", ""},
		{"http to elsewhere", CoreProfile{URIs: []string{"http://core.example"}}, "", "/uris/0"},
		{"verification off", CoreProfile{URIs: []string{"https://core.example"}, Verify: off}, "", "/verify"},
		{"no URI", CoreProfile{}, "/uris", ""},
		{"too many URIs", CoreProfile{URIs: make([]string, 11)}, "/uris /uris/0", ""},
		{"another scheme", CoreProfile{URIs: []string{"ftp://core.example", "core.example:8008", "https://"}}, "/uris/0 /uris/1 /uris/2", ""},
		{"more than a place", CoreProfile{URIs: []string{"https://core.example?x", "https://core.example/#x", "https:x", "https://core.example?"}}, "/uris/0 /uris/1 /uris/2 /uris/3", ""},
		{"ports", CoreProfile{URIs: []string{"https://core.example:0", "https://core.example:70000", "https://core.example:x"}}, "/uris/0 /uris/1 /uris/2", ""},
		{"host", CoreProfile{URIs: []string{"https://core_.-.example"}}, "/uris/0", ""},
		{"preference", CoreProfile{URIs: []string{"https://core.example"}, Preference: "random"}, "/preference", ""},
		{"rule", CoreProfile{URIs: []string{"https://core.example"}, Rule: "a\r\nb"}, "/rule", ""},
		{"time", CoreProfile{URIs: []string{"https://core.example"}, TimeoutSeconds: 241}, "/timeout_seconds", ""},
		{"key over https", CoreProfile{URIs: []string{"https://core.example"}, APIKeyID: "1"}, "", ""},
		{"key over http", CoreProfile{URIs: []string{"https://core.example", "http://127.0.0.1"}, APIKeyID: "1"}, "/allow_credentials_over_unverified_tls", ""},
		{"key unverified", CoreProfile{URIs: []string{"https://core.example"}, APIKeyID: "1", Verify: off}, "/allow_credentials_over_unverified_tls", "/verify"},
		{"encryption of type smtp", CoreProfile{URIs: []string{"https://core.example"}, TransportEncryption: TransportNone}, "/transport_encryption", ""},
		{"credentials of type smtp", CoreProfile{URIs: []string{"https://core.example"}, Username: "u", PasswordID: "1"}, "/username /password", ""},
		{"key unverified, allowed", CoreProfile{URIs: []string{"https://core.example"}, APIKeyID: "1", Verify: off, AllowUnverified: true}, "", "/verify"},
	}
	for _, tt := range tests {
		tt.profile.Name, tt.profile.Type = "core", ServerCore
		profile := ServerProfile(tt.profile)
		var faults, warned []string
		for _, f := range profile.Validate() {
			if len(faults) == 0 || faults[len(faults)-1] != f.Pointer {
				faults = append(faults, f.Pointer)
			}
		}
		for _, f := range profile.Warnings() {
			warned = append(warned, f.Pointer)
		}
		if got := strings.Join(faults, " "); !strings.HasPrefix(got, tt.faults) || tt.faults == "" && got != "" {
			t.Errorf("%s: faults at %q, want %q", tt.name, got, tt.faults)
		}
		if got := strings.Join(warned, " "); got != tt.warned {
			t.Errorf("%s: warned of %q, want %q", tt.name, got, tt.warned)
		}
	}
}

// A password in a URI is not repeated in the fault that refuses it.
func TestCoreProfileKeepsPasswordsOut(t *testing.T) {
	for _, uri := range []string{
		"https://user:hunter2@core.example", "https://user:hunter2%zz@core.example", "https:user:hunter2@core.example",
		"user:hunter2@core.example", "https://core.example/?apikey=hunter2",
	} {
		faults := ServerProfile{Name: "core", Type: ServerCore, URIs: []string{uri}}.Validate()
		if len(faults) == 0 || strings.Contains(faults.Err().Error(), "hunter2") {
			t.Errorf("%s: %v", uri, faults)
		}
	}
}

func TestCoreProfileTimeout(t *testing.T) {
	if got := (CoreProfile{}).Timeout(); got != time.Minute {
		t.Errorf("the default is %v", got)
	}
	// A client gives the reply to its message five minutes at least.
	if got := (CoreProfile{TimeoutSeconds: maxInspectionSeconds}).Timeout(); got >= 5*time.Minute {
		t.Errorf("the most is %v", got)
	}
}

func TestCheckAPIKey(t *testing.T) {
	for key, good := range map[string]bool{
		"0123456789abcdef": true, "a-_+/=.~": true, "": false, "a b": false, "a\r\nX: y": false, "ü": false,
		strings.Repeat("x", maxAPIKeyOctets): true, strings.Repeat("x", maxAPIKeyOctets+1): false,
	} {
		faults := CheckAPIKey("/api_key", key)
		if (len(faults) == 0) != good || len(faults) > 0 && len(key) > 2 && strings.Contains(faults.Err().Error(), key) {
			t.Errorf("%q: %v", key, faults)
		}
	}
}

func FuzzCoreURI(f *testing.F) {
	for _, uri := range []string{"https://core.example:8008/v4", "http://[::1]", "https://a@b", "//x", "https://\x00"} {
		f.Add(uri)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		u, err := parseCoreURI(uri)
		if err == nil && (u.Hostname() == "" || u.User != nil || u.RawQuery != "") {
			t.Errorf("%q is taken", uri)
		}
	})
}

func TestInspectionSettings(t *testing.T) { // B34
	tests := []struct {
		change func(*InspectionSettings)
		faults string
		warned string
	}{
		{func(*InspectionSettings) {}, "", ""},
		{func(s *InspectionSettings) { s.Enabled = true }, "/profile", ""},
		{func(s *InspectionSettings) { s.Enabled, s.Profile = true, "core" }, "", ""},
		{func(s *InspectionSettings) { s.Enabled, s.Profile, s.OnUnavailable = true, "core", UnavailableDeliver }, "", "/on_unavailable"},
		{func(s *InspectionSettings) {
			s.Enabled, s.Profile, s.OnTooBig, s.MaxMessageBytes = true, "core", TooBigDeliver, 1<<20
		}, "", "/on_too_big"},
		{func(s *InspectionSettings) { s.MaxMessageBytes = -1 }, "/max_message_bytes", ""},
		{func(s *InspectionSettings) { s.OnTooBig, s.OnUnavailable = "defer", "" }, "/on_too_big /on_unavailable", ""},
	}
	for i, tt := range tests {
		s := DefaultInspectionSettings()
		tt.change(&s)
		var faults, warned []string
		for _, f := range s.Validate() {
			faults = append(faults, f.Pointer)
		}
		for _, f := range s.Warnings() {
			warned = append(warned, f.Pointer)
		}
		if strings.Join(faults, " ") != tt.faults || strings.Join(warned, " ") != tt.warned {
			t.Errorf("%d: faults %v, warnings %v", i, faults, warned)
		}
	}
}
