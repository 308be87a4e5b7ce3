package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/smtp/smtptest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// command runs a command line against the gateway and returns what it prints
// and the exit code.
func (g *gateway) command(args ...string) (string, int) {
	g.t.Helper()
	var out strings.Builder
	root := newRootCommand()
	root.SetOut(&out)
	root.SetArgs(append(args, "--api", g.APIAddr(), "--token", g.token))
	err := root.ExecuteContext(g.t.Context())
	if err != nil {
		fmt.Fprintln(&out, "error:", err)
	}
	return out.String(), exitCode(err)
}

// TestExplainCases prints ten decisions as an administrator reads them (B71).
func TestExplainCases(t *testing.T) {
	cases := []struct {
		name, domain string
		arrange      func(*gateway)
	}{
		{"exact", "partner.example", func(g *gateway) {
			g.must("PUT", "/destination-controls/partner.example", `{"tls_level":"required_verify","min_tls_version":"1.3"}`)
		}},
		{"suffix", "a.b.group.example", func(g *gateway) {
			g.must("PUT", "/destination-controls/.group.example", `{"tls_level":"required","max_connections":5}`)
			g.must("PUT", "/destination-controls/default", `{"tls_level":"preferred","messages_per_connection":50}`)
		}},
		{"default", "elsewhere.example", func(g *gateway) {
			g.must("PATCH", "/settings/tls", `{"send_starttls":true}`)
		}},
		{"route", "partner.example", func(g *gateway) {
			g.must("PUT", "/routes/partner.example", `{"next_hops":[{"host":"203.0.113.50","port":2525,"priority":0},{"host":"backup.example","priority":10}]}`)
			g.must("PUT", "/destination-controls/partner.example", `{"tls_level":"required_verify_hosted"}`)
		}},
		{"exemption", "partner.example", func(g *gateway) {
			g.must("PUT", "/destination-controls/default", `{"tls_level":"preferred"}`)
			g.must("PUT", "/starttls-exemptions/partner.example", `{"reason":"their gateway breaks STARTTLS","expires":"2099-01-01T00:00:00Z"}`)
		}},
		{"required_list", "partner.example", func(g *gateway) {
			g.must("PUT", "/destination-controls/default", `{"tls_level":"preferred"}`)
			g.must("PUT", "/starttls-requirements/mx1.partner.example", `{"reason":"contract of 2026","bounce_at_once":true}`)
		}},
		{"contradiction", "partner.example", func(g *gateway) {
			g.must("PUT", "/starttls-exemptions/203.0.113.0%2F24", `{"reason":"old appliances"}`)
			g.must("PUT", "/starttls-requirements/.partner.example", `{"reason":"contract of 2026"}`)
		}},
		{"master_switch_off", "partner.example", func(g *gateway) {
			g.must("PUT", "/destination-controls/partner.example", `{"tls_level":"required"}`)
			g.must("PATCH", "/settings/tls", `{"enabled":false}`)
		}},
		{"null_mx", "null.example", func(*gateway) {}},
		{"one_hour_listed", "partner.example", func(g *gateway) {
			g.must("PATCH", "/settings/tls", `{"retry_without_tls":true}`)
			g.must("PUT", "/destination-controls/partner.example", `{"tls_level":"preferred"}`)
			g.oneHour.Add(netip.MustParseAddr("203.0.113.1"), "mx1.partner.example", "handshake failure")
		}},
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			g := newGateway(t, t.TempDir())
			g.switchOnTLS()
			g.useDNS(exampleDNS(t))
			tt.arrange(g)
			out, code := g.command("explain", "destination", tt.domain)
			if code != 0 {
				t.Fatalf("exit code %d: %s", code, out)
			}
			golden(t, filepath.Join("testdata", "explain", tt.name+".want"), withoutRevision(out))
		})
	}
}

// exampleDNS knows a few domains. Their addresses are of blocks that no machine
// has for itself, so that none seems to lead back to it.
func exampleDNS(t *testing.T) *smtptest.DNS {
	t.Helper()
	dns := smtptest.NewDNS(t)
	dns.AddMX("partner.example", 10, "mx1.partner.example")
	dns.AddMX("partner.example", 20, "mx2.partner.example")
	dns.AddA("mx1.partner.example", "203.0.113.1")
	dns.AddA("mx2.partner.example", "203.0.113.2")
	dns.AddMX("a.b.group.example", 10, "mx.group.example")
	dns.AddA("mx.group.example", "198.51.100.1")
	dns.AddA("elsewhere.example", "198.51.100.3")
	dns.AddA("backup.example", "198.51.100.2")
	dns.AddMX("null.example", 0, ".")
	return dns
}

// useDNS has the gateway ask the server.
func (g *gateway) useDNS(dns *smtptest.DNS) {
	g.t.Helper()
	g.must("PATCH", "/settings/dns?wait=5s", fmt.Sprintf(`{"servers":[%q]}`, dns.Addr()))
}

func withoutRevision(text string) string {
	return regexp.MustCompile(`revision \d+`).ReplaceAllString(text, "revision N")
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("-want +got; run with -update to rewrite\n%s", diff)
	}
}

func TestExplainClientCommand(t *testing.T) {
	g := newGateway(t, t.TempDir())
	g.switchOnTLS()
	dns := exampleDNS(t)
	dns.AddPTR("203.0.113.1", "mx1.partner.example")
	g.useDNS(dns)
	dns.AddPTR("203.0.113.77", "mx1.partner.example") // which is somewhere else
	wantNames := func(client, want string) {
		t.Helper()
		if out, code := g.command("explain", "client", "inbound", client); code != 0 || !strings.Contains(out, "  names        "+want+"\n") {
			t.Errorf("exit code %d, the names are not %q: %s", code, want, out)
		}
	}
	wantNames("203.0.113.1", "not looked up: no sender group or exemption here goes by name")
	g.must("PUT", "/starttls-exemptions/mx1.partner.example?wait=5s", `{"reason":"old appliance"}`)
	wantNames("203.0.113.1", "mx1.partner.example")
	wantNames("203.0.113.77", "none of the PTR names leads back to 203.0.113.77: mx1.partner.example")
	wantNames("203.0.113.78", "none: the address has no PTR record")
	out, code := g.command("explain", "client", "inbound", "203.0.113.1")
	for _, want := range []string{"203.0.113.1 on listener inbound", "mx1.partner.example", "offered: false", "(old appliance)", "sender group ALL"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("exit code %d, no %q in %s", code, want, out)
		}
	}
	g.must("PUT", "/mail-flow-policies/STRICT", `{"action":"accept","tls":"required"}`)
	g.must("PUT", "/listeners/inbound/sender-groups/PARTNERS?wait=5s", `{"policy":"STRICT","senders":[{"pattern":".partner.example"}]}`)
	dns.Fail("79.113.0.203.in-addr.arpa", "PTR", smtptest.ServFail)
	if out, code := g.command("explain", "client", "inbound", "203.0.113.79"); code != 0 ||
		!strings.Contains(out, "turned away  421 4.4.3 until the names are known: sender group PARTNERS above, of host names, requires TLS") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if out, code := g.command("explain", "client", "nowhere", "203.0.113.1"); code != exitFailed || !strings.Contains(out, "no listener") {
		t.Errorf("exit code %d: %s", code, out)
	}
}

// The document of explain and that of an attempt are one: the same decision in
// the same fields (B71).
func TestExplainMessageCommand(t *testing.T) {
	g := newGateway(t, t.TempDir())
	g.switchOnTLS()
	g.must("PUT", "/destination-controls/example.com", `{"tls_level":"required"}`)
	g.must("PUT", "/starttls-requirements/127.0.0.1", `{"reason":"contract","expires":"2099-01-01T00:00:00Z"}`)
	g.routeTo("example.com", smtptest.NewMX(t, smtptest.MXOptions{StartTLS: smtptest.StartTLSHidden}))
	c := g.session("outbound")
	c.Send("a@sender.example", []string{"b@example.com"}, "Subject: x\r\n\r\nx\r\n")
	var list struct{ Items []struct{ ID string } }
	smtptest.Eventually(t, func() bool {
		r := g.must("GET", "/messages", "")
		list = decode[struct{ Items []struct{ ID string } }](t, r)
		return strings.Contains(string(r.body), "4.7.4")
	}, "the message is deferred for lack of TLS")
	id := list.Items[0].ID

	out, code := g.command("explain", "message", id)
	for _, want := range []string{id + " is queued", "b@example.com (queued)", "After attempt 1 it was deferred at starttls", "The last attempt", "An attempt now", "(contract) until 2099"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("exit code %d, no %q in %s", code, want, out)
		}
	}
	out, _ = g.command("explain", "message", id, "--json")
	var shown struct {
		Message struct {
			Groups []struct {
				Destination struct {
					Candidates []struct{ Decision map[string]any }
				}
				LastAttempt struct{ Decision map[string]any } `json:"last_attempt"`
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &shown); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	group := shown.Message.Groups[0]
	if diff := cmp.Diff(group.LastAttempt.Decision, group.Destination.Candidates[0].Decision); diff != "" || group.LastAttempt.Decision["reasons"] == nil {
		t.Errorf("attempt (-), explain (+): %s", diff)
	}
	g.must("POST", "/messages/"+id+"/hold", "")
	if out, _ := g.command("explain", "message", id); !strings.Contains(out, "until it is released") {
		t.Errorf("held: %s", out)
	}
}

func TestRemoteCommandsKeepTheToken(t *testing.T) {
	for api, want := range map[string]string{
		"127.0.0.1:8025": "http://127.0.0.1:8025", "[::1]:1": "http://[::1]:1", "localhost:8025": "http://localhost:8025",
		"https://mail.example.com/": "https://mail.example.com", "http://127.0.0.1:1/x": "http://127.0.0.1:1/x",
		"192.0.2.1:8025": "", "http://mail.example.com": "", "http://127.0.0.1.evil.example": "", "ftp://127.0.0.1": "",
		"http://": "", "https://user:pass@host": "", "https://host/?a=b": "", "http://localhost@203.0.113.1/": "",
	} {
		got, err := baseURL(api)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", api, got, err)
		}
	}
	t.Setenv("POSTERN_TOKEN", "")
	root := newRootCommand()
	root.SetArgs([]string{"explain", "destination", "example.com"})
	if err := root.ExecuteContext(t.Context()); err == nil || exitCode(err) != exitUsage || !strings.Contains(err.Error(), "POSTERN_TOKEN") {
		t.Errorf("without a token: %v", err)
	}
}
