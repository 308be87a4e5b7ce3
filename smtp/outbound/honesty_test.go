package outbound

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain/delivery"
	"postern/smtp/smtptest"
)

// TestHonesty is B20: what the next hop cannot carry bounces, and nothing is
// sent in the hope that it passes.
func TestHonesty(t *testing.T) {
	idn := "b@bücher.test"
	tests := []struct {
		name       string
		without    string
		change     func(*delivery.Message)
		recipients []string
		want       []string
	}{
		{"eight bits", "8BITMIME", func(m *delivery.Message) { m.EightBit = true }, []string{"b@example.com"}, []string{"bounced transfer 554 5.6.3"}},
		{"eight bits, offered", "", func(m *delivery.Message) { m.EightBit = true }, []string{"b@example.com"}, []string{delivered}},
		{"UTF-8 headers", "SMTPUTF8", func(m *delivery.Message) { m.UTF8 = true }, []string{"b@example.com"}, []string{"bounced transfer 550 5.6.7"}},
		{"UTF-8 headers, offered", "", func(m *delivery.Message) { m.UTF8 = true }, []string{"b@example.com"}, []string{delivered}},
		{"UTF-8 sender", "SMTPUTF8", func(m *delivery.Message) { m.Sender.Local = "ä" }, []string{"b@example.com"}, []string{"bounced transfer 550 5.6.7"}},
		{"one UTF-8 recipient", "SMTPUTF8", nil, []string{"ä@example.com", "b@example.com"}, []string{"bounced transfer 550 5.6.7", delivered}},
		{"one UTF-8 recipient, offered", "", nil, []string{"ä@example.com", "b@example.com"}, []string{delivered, delivered}},
		{"only the domain is not ASCII", "SMTPUTF8", nil, []string{idn}, []string{delivered}},
		{"too big", "", func(m *delivery.Message) { m.Size = 10485761 }, []string{"b@example.com"}, []string{"bounced transfer 552 5.3.4"}},
		{"too big for a peer that does not say", "SIZE", func(m *delivery.Message) { m.Size = 10485761 }, []string{"b@example.com"}, []string{delivered}},
		{"line ends in the sender", "", func(m *delivery.Message) { m.Sender.Local = "a\r\nRSET" }, []string{"b@example.com"}, []string{"bounced transfer 553 5.1.7"}},
		{"line ends in a recipient", "", func(m *delivery.Message) { m.Recipients[0].Address.Local = "a\nRSET" }, []string{"b@example.com", "c@example.com"}, []string{"bounced transfer 553 5.1.3", delivered}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			mx := r.simple(smtptest.MXOptions{Without: []string{tt.without}})
			r.domain("xn--bcher-kva.test", "mx.example.com")
			m := mail(t, body, tt.recipients...)
			if tt.change != nil {
				tt.change(m)
			}
			if diff := cmp.Diff(tt.want, outcomes(r.deliver(m))); diff != "" {
				t.Error(diff)
			}
			conforms(t, mx)
		})
	}
}

// TestALabelsOnTheWire shows what a recipient with a non-ASCII domain becomes.
func TestALabelsOnTheWire(t *testing.T) {
	r := newRig(t)
	mx := r.simple(smtptest.MXOptions{})
	r.domain("xn--bcher-kva.test", "mx.example.com")
	want(t, r.send("b@bücher.test"), delivered)
	got := mx.Messages()[0]
	if got.Recipients[0].Address != "b@xn--bcher-kva.test" || strings.Contains(got.Sender.Parameters, "SMTPUTF8") {
		t.Errorf("went as %+v", got)
	}
}

func TestParameters(t *testing.T) {
	full := delivery.Envelope{
		Sender: mailbox(t, "a@client.test"), Size: 99, EightBit: true,
		Return: "HDRS", EnvelopeID: "id +=\r\n1",
	}
	recipient := delivery.Recipient{
		Address: mailbox(t, `"b c"@example.com`), Notify: "FAILURE,DELAY", OriginalRecipient: "rfc822;b+tag@example.com",
	}
	all := extensions{size: true, eightBitMIME: true, smtpUTF8: true, dsn: true}
	tests := []struct{ got, want string }{
		{all.mailCommand(&full, false, false), "MAIL FROM:<a@client.test> SIZE=99 BODY=8BITMIME RET=HDRS ENVID=id+20+2B+3D+0D+0A1"},
		{all.mailCommand(&full, true, true), "MAIL FROM:<a@client.test> SIZE=99 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=id+20+2B+3D+0D+0A1 REQUIRETLS"},
		{extensions{}.mailCommand(&full, false, false), "MAIL FROM:<a@client.test>"},
		{all.mailCommand(&delivery.Envelope{}, false, false), "MAIL FROM:<> SIZE=0"},
		{all.recipientCommand(&recipient), `RCPT TO:<"b c"@example.com> NOTIFY=FAILURE,DELAY ORCPT=rfc822;b+2Btag@example.com`},
		{extensions{}.recipientCommand(&recipient), `RCPT TO:<"b c"@example.com>`},
		{originalRecipient("utf-8;ä b+c@example.com"), `utf-8;\x{E4}\x{20}b\x{2B}c@example.com`},
		{originalRecipient("rfc822;ä@example.com"), "rfc822;+C3+A4@example.com"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("got  %s\nwant %s", tt.got, tt.want)
		}
	}
}

// FuzzParameters shows that no value can end a command or begin another
// parameter.
func FuzzParameters(f *testing.F) {
	f.Add("id", "rfc822;a@b")
	f.Add("a\r\nRSET", "utf-8;\u00e4\r\n")
	f.Add("x SIZE=1", "nothing")
	f.Fuzz(func(t *testing.T, id, original string) {
		kind, _, _ := strings.Cut(original, ";")
		if strings.ContainsFunc(kind, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return // RFC 3461 §4.2: the type is an atom, which acceptance checked.
		}
		for _, text := range []string{xtext(id), originalRecipient(original)} {
			if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
				t.Errorf("%q", text)
			}
		}
	})
}

// TestSecondOpinion sends to the server of a library that was written by others.
func TestSecondOpinion(t *testing.T) {
	server := newStranger(t)
	r := newRig(t, control(t, "default", 1))
	r.domain("example.com", "mx.example.com")
	r.host("mx.example.com", "192.0.2.1", nil)
	r.network.peers["192.0.2.1:25"] = server.addr
	for range 3 {
		m := mail(t, body, "ok@example.com", "never@example.com", "ok2@example.com")
		m.EnvelopeID, m.Return = "x+y", "FULL"
		m.Recipients[0].Notify = "NEVER"
		m.Recipients[0].OriginalRecipient = "rfc822;first+tag@example.com"
		a := r.deliver(m)
		if diff := cmp.Diff([]string{delivered, "bounced transfer 550 5.1.1", delivered}, outcomes(a)); diff != "" {
			t.Fatal(diff)
		}
		if !a.TLS.Encrypted() {
			t.Error("not encrypted")
		}
	}
	got := server.taken()
	if len(got) != 3 || got[0].content != body || got[0].envelopeID != "x+y" || got[0].originalRecipient != "first+tag@example.com" {
		t.Errorf("the server took %+v", got)
	}
	if !slices.Equal(got[0].recipients, []string{"ok@example.com", "ok2@example.com"}) {
		t.Errorf("for %q", got[0].recipients)
	}
}
