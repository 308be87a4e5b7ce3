package alertmail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/netip"
	"strings"
	"testing"
	"time"

	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/smtp/dns"
	"postern/smtp/outbound"
	"postern/smtp/smtptest"
	"postern/smtp/tlsverify"
)

// names is a resolver for which every domain has one exchanger at 192.0.2.1.
type names struct{}

func (names) LookupMX(_ context.Context, name mailaddr.DomainName) (dns.MXResult, error) {
	return dns.MXResult{Hosts: []dns.MX{{Preference: 10, Host: "mx." + name}}}, nil
}

func (names) LookupAddrs(context.Context, mailaddr.DomainName) (dns.AddrResult, error) {
	return dns.AddrResult{IPv4: dns.Family{Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}}, nil
}

func (names) ConfirmedNames(context.Context, netip.Addr) ([]mailaddr.DomainName, error) {
	return nil, nil
}

// detour leads every connection to port 25 to a mail exchanger of the test.
type detour struct{ mx *smtptest.MX }

func (d detour) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if strings.HasSuffix(address, ":25") {
		address = d.mx.Addr()
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

func newMailer(t *testing.T, mx *smtptest.MX, snapshot func() *config.Snapshot) *Mailer {
	t.Helper()
	return NewMailer(outbound.Dependencies{
		Snapshot: snapshot, Resolver: names{}, Dialer: detour{mx},
		Trust:      func() *tlsverify.Trust { return tlsverify.NewTrust(nil, nil, nil) },
		LocalAddrs: func() []netip.Addr { return nil },
		Logger:     slog.New(slog.DiscardHandler), Now: time.Now,
	}, func() delivery.MessageID { return 42 })
}

var operator = policy.AlertRecipient{
	Name: "operator", Channel: policy.ChannelMail, SubjectPrefix: "[gateway ü]",
	Address: mailaddr.Mailbox{Local: "operator", Domain: "example.org"},
}

// forbidding is a configuration under which ordinary mail could not leave: TLS
// is required, and routes lead nowhere.
func forbidding(t *testing.T, s policy.AlertSettings) func() *config.Snapshot {
	t.Helper()
	level := policy.TLSRequiredVerify
	nowhere := policy.Route{NextHops: []policy.NextHop{{Host: "192.0.2.99", Port: 9}}}
	snapshot, err := config.Compile(
		config.Edit{Kind: config.KindDestinationControl, Key: "default", Value: policy.DestinationControl{TLSLevel: &level}},
		config.Edit{Kind: config.KindRoute, Key: "ALL", Value: nowhere},
	)
	if err != nil {
		t.Fatal(err)
	}
	snapshot.Settings = settingsOf(s)().Settings
	return func() *config.Snapshot { return snapshot }
}

func TestAlertMailHasItsOwnPath(t *testing.T) { // B62
	for name, options := range map[string]smtptest.MXOptions{
		"TLS":              {},
		"no STARTTLS":      {StartTLS: smtptest.StartTLSHidden},
		"broken handshake": {StartTLS: smtptest.StartTLSBroken},
	} {
		mx := smtptest.NewMX(t, options)
		m := newMailer(t, mx, forbidding(t, policy.AlertSettings{}))
		if err := m.Send(t.Context(), operator, testAlert()); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := mx.WaitMessages(t, 1)[0]
		if encrypted := got.TLS != nil; encrypted != (name == "TLS") {
			t.Errorf("%s: encrypted %v", name, encrypted)
		}
		if v := mx.Violations(); len(v) > 0 {
			t.Errorf("%s: %v", name, v)
		}
		if mx.OpenConnections() > 1 {
			t.Errorf("%s: connections are kept", name)
		}
	}
}

func TestLetter(t *testing.T) {
	mx := smtptest.NewMX(t, smtptest.MXOptions{})
	m := newMailer(t, mx, settingsOf(policy.AlertSettings{}))
	if err := m.Send(t.Context(), operator, testAlert()); err != nil {
		t.Fatal(err)
	}
	got := mx.WaitMessages(t, 1)[0]
	if got.Sender.Address != "postern@mail.example.com" || got.Recipients[0].Address != "operator@example.org" {
		t.Errorf("from %q to %q", got.Sender.Address, got.Recipients)
	}
	for i := range got.Content {
		if got.Content[i] >= 0x80 {
			t.Fatalf("more than ASCII: %q", got.Content)
		}
	}
	letter, err := mail.ReadMessage(strings.NewReader(string(got.Content)))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(letter.Header.Get("Subject"))
	if want := "[gateway ü] TLS failed to example.com, which requires it"; err != nil || subject != want {
		t.Errorf("subject %q, error %v", subject, err)
	}
	for field, want := range map[string]string{
		"From": "Postern <postern@mail.example.com>", "To": "<operator@example.org>",
		"Auto-Submitted": "auto-generated", "References": "<0192@mail.example.com>", "Content-Type": "text/plain; charset=utf-8",
	} {
		if got := letter.Header.Get(field); got != want {
			t.Errorf("%s: %q, want %q", field, got, want)
		}
	}
	if _, err := letter.Header.Date(); err != nil {
		t.Errorf("Date: %v", err)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(letter.Body))
	want := strings.ReplaceAll(testAlert().Text("mail.example.com"), "\n", "\r\n")
	if err != nil || string(body) != want {
		t.Errorf("error %v, body %q", err, body)
	}
}

func TestSmartHostTakesAlertMail(t *testing.T) {
	direct := smtptest.NewMX(t, smtptest.MXOptions{})
	smart := smtptest.NewMX(t, smtptest.MXOptions{})
	m := newMailer(t, direct, forbidding(t, policy.AlertSettings{
		SmartHost: smart.Addr(), From: mailaddr.Mailbox{Local: "alerts", Domain: "example.com"},
	}))
	if err := m.Send(t.Context(), operator, testAlert()); err != nil {
		t.Fatal(err)
	}
	if got := smart.WaitMessages(t, 1)[0]; got.Sender.Address != "alerts@example.com" {
		t.Errorf("from %q", got.Sender.Address)
	}
	if direct.Connections() > 0 {
		t.Error("the exchanger of the domain was asked")
	}
}

func TestMailFailures(t *testing.T) {
	for name, tc := range map[string]struct {
		reply string // to RCPT
		final bool
	}{
		"refused": {"550 5.1.1 nobody", true},
		"later":   {"450 4.2.0 busy", false},
	} {
		mx := smtptest.NewMX(t, smtptest.MXOptions{Actions: map[string]smtptest.Action{"RCPT": {Reply: tc.reply}}})
		err := newMailer(t, mx, settingsOf(policy.AlertSettings{})).Send(t.Context(), operator, testAlert())
		_, isFinal := errors.AsType[final](err)
		if err == nil || isFinal != tc.final || !strings.Contains(err.Error(), tc.reply[4:]) {
			t.Errorf("%s: final %v, %v", name, isFinal, err)
		}
	}
}

// Recipients beyond ASCII get mail where the peer can take it.
func TestUTF8Recipient(t *testing.T) {
	mx := smtptest.NewMX(t, smtptest.MXOptions{})
	to := operator
	to.Address.Local = "jürgen"
	if err := newMailer(t, mx, settingsOf(policy.AlertSettings{})).Send(t.Context(), to, testAlert()); err != nil {
		t.Fatal(err)
	}
	if got := mx.WaitMessages(t, 1)[0]; !strings.Contains(string(got.Content), fmt.Sprintf("To: <%s>", to.Address)) {
		t.Errorf("%q", got.Content)
	}
	if v := mx.Violations(); len(v) > 0 {
		t.Error(v)
	}
}
