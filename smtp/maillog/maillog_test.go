package maillog

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain/delivery"
	"postern/domain/tlsreport"
)

// Programs read these lines: a name or value that changes breaks them (B68).
func TestFieldsArePinned(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	logger.LogAttrs(t.Context(), slog.LevelInfo, "outbound", Connection(tlsreport.Connection{
		Direction: tlsreport.Outgoing, Domain: "example.com", Requirement: tlsreport.Required, Result: delivery.TLSFailed,
		TLS:  delivery.SessionTLS{Version: "TLS1.3", Cipher: "TLS_AES_128_GCM_SHA256", Verification: "expired: yesterday"},
		Host: "mx.example.com", Detail: "certificate verification: expired: yesterday",
	}, "192.0.2.1:25", "certificate verification: expired: yesterday", 7)...)
	want := `{"level":"INFO","msg":"outbound","event":"connection","direction":"outgoing","address":"192.0.2.1:25",` +
		`"domain":"example.com","requirement":"required","tls":"failed","tls_version":"TLS1.3","cipher":"TLS_AES_128_GCM_SHA256",` +
		`"verified":false,"verification":"expired: yesterday","error":"certificate verification: expired: yesterday","revision":7}` + "\n"
	if diff := cmp.Diff(want, log.String()); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}
