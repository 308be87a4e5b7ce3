package policy

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain/mailaddr"
)

// profile is a good profile that the change spoils.
func profile(change func(*ServerProfile)) ServerProfile {
	p := ServerProfile{
		Name: "smarthost", Type: ServerSMTP, URIs: []string{"smtp://relay.example:587"},
		TransportEncryption: TransportSTARTTLSRequired, Username: "postern", PasswordID: "1",
	}
	change(&p)
	return p
}

func off() *bool { return new(bool) }

// TestServerProfileRules is B32: every rule with the fault that names the place
// and the mend.
func TestServerProfileRules(t *testing.T) {
	tests := []struct {
		name   string
		change func(*ServerProfile)
		want   string // of the only fault, its beginning; empty: none
	}{
		{"good", func(*ServerProfile) {}, ""},
		{"smtps", func(p *ServerProfile) { p.URIs, p.TransportEncryption = []string{"smtps://relay.example"}, "" }, ""},
		{"smtps and none", func(p *ServerProfile) {
			p.URIs, p.TransportEncryption = []string{"smtps://relay.example"}, TransportNone
		}, ""},
		{
			"smtps and STARTTLS", func(p *ServerProfile) { p.URIs = []string{"smtp://a.example", "smtps://b.example"} },
			"/uris/1 smtps is TLS from its first octet, which excludes transport_encryption starttls_required",
		},
		{"no transport encryption", func(p *ServerProfile) { p.TransportEncryption = "" }, "/transport_encryption is required with smtp:// URIs"},
		{"unknown transport encryption", func(p *ServerProfile) { p.TransportEncryption = "tls" }, `/transport_encryption "tls" is unknown`},
		{"no URI", func(p *ServerProfile) { p.URIs = nil }, "/uris must hold 1 to 10 URIs"},
		{"other scheme", func(p *ServerProfile) { p.URIs[0] = "https://relay.example" }, "/uris/0 has another scheme"},
		{"no scheme", func(p *ServerProfile) { p.URIs[0] = "relay.example" }, "/uris/0 has another scheme"},
		{"broken URI", func(p *ServerProfile) { p.URIs[0] = "smtp://[::1" }, "/uris/0 is no URI"},
		{"path", func(p *ServerProfile) { p.URIs[0] = "smtp://relay.example/x" }, "/uris/0 has more than host and port"},
		{"no host", func(p *ServerProfile) { p.URIs[0] = "smtp://:25" }, `/uris/0 "" is neither a host name nor an IP address`},
		{"port", func(p *ServerProfile) { p.URIs[0] = "smtp://relay.example:99999" }, `/uris/0 the port "99999" is not from 1 to 65535`},
		{"credentials in clear", func(p *ServerProfile) { p.TransportEncryption = TransportNone }, "/transport_encryption none would send the credentials in clear"},
		{"credentials unverified", func(p *ServerProfile) { p.Verify = off() }, "/allow_credentials_over_unverified_tls must be true"},
		{"credentials unverified and allowed", func(p *ServerProfile) { p.Verify, p.AllowUnverified = off(), true }, ""},
		{"no password", func(p *ServerProfile) { p.PasswordID = "" }, "/password is required with a username"},
		{"no username", func(p *ServerProfile) { p.Username = "" }, "/username is required with a password"},
		{"username with a line break", func(p *ServerProfile) { p.Username = "a\r\nb" }, "/username must have at most 255 octets"},
		{"type", func(p *ServerProfile) { p.Type = "pop3" }, `/type "pop3" is unknown`},
		{"API key", func(p *ServerProfile) { p.APIKeyID = "1" }, "/api_key belongs to profiles of type core: leave it out in one of type smtp"},
		{"rule", func(p *ServerProfile) { p.Rule = "Email" }, "/rule belongs to profiles of type core"},
		{"time", func(p *ServerProfile) { p.TimeoutSeconds = 60 }, "/timeout_seconds belongs to profiles of type core"},
		{"preference", func(p *ServerProfile) { p.Preference = "random" }, `/preference "random" is unknown`},
		{"name", func(p *ServerProfile) { p.Name = "a/b" }, "/name may hold letters"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := faultList(profile(tt.change).Validate())
			if tt.want == "" && len(got) > 0 || tt.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], tt.want)) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// A password in a URI is refused without being repeated.
func TestServerURIFaultKeepsSecrets(t *testing.T) {
	for _, uri := range []string{
		"smtp://user:hunter2@relay.example", "smtp://user:hunter2%zz@relay.example", "smtp:user:hunter2@relay.example",
		"user:hunter2@relay.example", "smtp://user:hunter2@relay example", "smtp://relay.example/?password=hunter2",
	} {
		faults := ServerProfile{Name: "p", Type: ServerSMTP, URIs: []string{uri}}.Validate()
		if len(faults) == 0 || strings.Contains(faults.Err().Error(), "hunter2") {
			t.Errorf("%s: %v", uri, faults)
		}
	}
}

func TestServerProfileEndpoints(t *testing.T) {
	p := ServerProfile{URIs: []string{"smtp://Relay.Example", "smtps://[2001:db8::1]", "smtp://192.0.2.1:2525/"}}
	want := []ServerEndpoint{
		{Host: "relay.example", Port: 25},
		{Addr: netip.MustParseAddr("2001:db8::1"), Port: 465, ImplicitTLS: true},
		{Addr: netip.MustParseAddr("192.0.2.1"), Port: 2525},
	}
	if diff := cmp.Diff(want, p.Endpoints(), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

func FuzzServerURI(f *testing.F) {
	for _, seed := range []string{"smtp://relay.example:587", "smtps://[::1]:465", "smtp://u:p@h", "smtp:h", "smtp://%41.example", "smtp://h:0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		e, err := parseServerURI(uri)
		if err != nil {
			return
		}
		if (e.Host == "") == !e.Addr.IsValid() || e.Port < 1 || e.Port > 65535 {
			t.Errorf("%q: %+v", uri, e)
		}
		if e.Host != "" {
			if again, err := mailaddr.ParseDomainName(e.Host.String()); err != nil || again != e.Host {
				t.Errorf("%q: host %q does not parse again", uri, e.Host)
			}
		}
	})
}

func TestServerProfileWarnings(t *testing.T) {
	if got := profile(func(*ServerProfile) {}).Warnings(); len(got) > 0 {
		t.Errorf("a good profile: %v", got)
	}
	p := profile(func(p *ServerProfile) {
		p.Verify, p.AllowUnverified, p.TransportEncryption = off(), true, TransportSTARTTLSOptional
	})
	if got := p.Warnings(); len(got) != 2 {
		t.Errorf("got %v", got)
	}
}
