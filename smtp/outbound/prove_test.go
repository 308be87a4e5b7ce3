package outbound

import (
	"strings"
	"testing"

	"postern/domain"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/smtp/smtptest"
)

// TestProveHost is B61: a host is good where a sender that obeys MTA-STS could deliver
// at every address, whatever our own destination controls say.
func TestProveHost(t *testing.T) {
	r := newRig(t, control(t, "default", policy.TLSNone))
	good := r.ca.IssueFor(t, "mx.example.com").TLS
	r.host("mx.example.com", "192.0.2.1", smtptest.NewMX(t, smtptest.MXOptions{Certificate: good}))
	r.host("wrong.example.com", "192.0.2.2", smtptest.NewMX(t, smtptest.MXOptions{Certificate: good}))
	r.host("clear.example.com", "192.0.2.3", smtptest.NewMX(t, smtptest.MXOptions{StartTLS: smtptest.StartTLSHidden}))
	r.host("down.example.com", "192.0.2.4", nil)
	r.host("half.example.com", "192.0.2.5", smtptest.NewMX(t, smtptest.MXOptions{Certificate: r.ca.IssueFor(t, "half.example.com").TLS}))
	r.host("half.example.com", "192.0.2.6", nil)
	v := NewVerifier(r.Deliverer)
	for host, want := range map[string]string{
		"mx": "", "wrong": "name_mismatch", "clear": "does not offer STARTTLS", "down": "192.0.2.4:25", "half": "192.0.2.6:25", "none": "has no address",
	} {
		name := mailaddr.DomainName(host + ".example.com")
		switch err := v.ProveHost(t.Context(), name); {
		case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: got %v, want %q", host, err, want)
		}
	}
	for range maxTests {
		v.slots <- struct{}{}
	}
	if err := v.ProveHost(t.Context(), "mx.example.com"); domain.KindOf(err) != domain.Exhausted {
		t.Errorf("with all slots taken: %v", err)
	}
}
