package policy

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain/mailaddr"
)

func TestUnsetParametersInherit(t *testing.T) { // B14
	base := FlowParameters{
		TLS: ListenerTLSRequired, VerifyClientCertificate: new(true), TLSMandatorySenders: senders(t, "@a.example"),
		MaxHeaderBytes: 10_000, MaxLineBytes: 2000,
	}
	got := FlowParameters{}.Inherit(base)
	if got.TLS != ListenerTLSRequired || !got.VerifiesClients() || len(got.TLSMandatorySenders) != 1 ||
		got.MaxHeaderBytes != 10_000 || got.MaxLineBytes != 2000 {
		t.Errorf("inherited %+v", got)
	}
	// What is set is kept: no verification, nobody on the list.
	own := FlowParameters{VerifyClientCertificate: new(false), TLSMandatorySenders: senders(t), MaxLineBytes: 1000}.Inherit(base)
	if own.VerifiesClients() || len(own.TLSMandatorySenders) != 0 || own.MaxLineBytes != 1000 {
		t.Errorf("kept %+v", own)
	}
	if BuiltInParameters().VerifiesClients() {
		t.Error("certificates are verified by default")
	}
}

func TestMandatorySenders(t *testing.T) { // B17
	p := FlowParameters{TLSMandatorySenders: senders(t, "boss@a.example", "@.b.example")}
	for sender, want := range map[string]bool{
		"boss@a.example": true, "Boss@A.example": true, "staff@a.example": false,
		"any@sub.b.example": true, "any@b.example": false, "": false,
	} {
		var m mailaddr.Mailbox
		if err := m.UnmarshalText([]byte(sender)); err != nil {
			t.Fatal(err)
		}
		if got := p.MustUseTLS(m); got != want {
			t.Errorf("%q must use TLS: %t", sender, got)
		}
	}
}

func TestFlowParameterFaults(t *testing.T) { // B14, B19
	many := make([]mailaddr.AddressPattern, maxMandatorySenders+1)
	for _, tc := range []struct {
		name   string
		p      FlowParameters
		faults []string
	}{
		{"nothing set", FlowParameters{}, nil},
		{"built in", BuiltInParameters(), nil},
		{"lines shorter than the standard's", FlowParameters{MaxLineBytes: 998}, []string{"/max_line_bytes"}},
		{"tiny header", FlowParameters{MaxHeaderBytes: 100}, []string{"/max_header_bytes"}},
		{"long list", FlowParameters{TLSMandatorySenders: many}, []string{"/tls_mandatory_senders"}},
	} {
		if diff := cmp.Diff(tc.faults, pointers(tc.p.Validate())); diff != "" {
			t.Errorf("%s:\n%s", tc.name, diff)
		}
	}
}
