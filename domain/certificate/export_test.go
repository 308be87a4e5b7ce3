package certificate

import (
	"context"
	"testing"

	"postern/domain"
)

// What leaves can come in again, and nothing is lost on the way.
func TestExportRoundTrip(t *testing.T) {
	f := newFixture(t)
	root := authority(t, "Root", nil)
	leaf := server(t, "mail.example.com", root)
	c, err := f.ImportPEM(t.Context(), "alice", ImportRequest{Certificate: leaf.pem() + root.pem(), PrivateKey: leaf.keyPEM(t)})
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]ExportRequest{
		"PEM":           {As: FormatPEM, Unencrypted: true},
		"encrypted PEM": {As: FormatPEM, Password: "pässword"},
		"PKCS#12":       {As: FormatPKCS12, Password: "pässword"},
		"old PKCS#12":   {As: FormatPKCS12, Password: "pässword", Legacy: true},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := f.Export(t.Context(), "alice", c.ID, r)
			if err != nil {
				t.Fatal(err)
			}
			var again Certificate
			if r.As == FormatPKCS12 {
				again, err = f.ImportPKCS12(t.Context(), "bob", PKCS12Import{Data: e.Data, Password: r.Password})
			} else {
				again, err = f.ImportPEM(t.Context(), "bob", ImportRequest{Certificate: string(e.Data), Password: r.Password})
			}
			if err != nil {
				t.Fatal(err)
			}
			if again.PEM() != c.PEM() {
				t.Error("the chain is another")
			}
			pair, _ := f.store.KeyPair(t.Context(), again.ID)
			if !samePublicKey(pair.Key.Public(), leaf.key.Public()) {
				t.Error("the key is another")
			}
		})
	}
}

func TestExportRefused(t *testing.T) {
	f := newFixture(t)
	c := f.create(t, "a.example")
	tests := []struct {
		in   ExportRequest
		want domain.Fault
	}{
		{ExportRequest{}, fault("/format", "pem or pkcs12")},
		{ExportRequest{As: FormatPEM}, fault("/password", "unencrypted must be true")},
		{ExportRequest{As: FormatPEM, Password: "x", Unencrypted: true}, fault("/unencrypted", "leave one")},
		{ExportRequest{As: FormatPEM, Password: "x", Legacy: true}, fault("/legacy", "PKCS#12 only")},
		{ExportRequest{As: FormatPKCS12}, fault("/password", "required")},
		{ExportRequest{As: FormatPKCS12, Unencrypted: true}, fault("/unencrypted", "always")},
		{ExportRequest{As: FormatPKCS12, Password: "😀"}, fault("/password", "cannot hold")},
		{ExportRequest{As: FormatPEM, Password: string(make([]byte, 1025))}, fault("/password", "longer")},
	}
	for _, test := range tests {
		_, err := f.Export(t.Context(), "alice", c.ID, test.in)
		wantFaults(t, err, test.want)
	}
	if f.store.exports != nil {
		t.Errorf("recorded: %q", f.store.exports)
	}
	_, err := f.Export(t.Context(), "alice", "none", ExportRequest{As: FormatPEM, Unencrypted: true})
	wantKind(t, err, domain.NotFound)
}

// B45: what cannot be recorded does not leave.
func TestExportIsRecorded(t *testing.T) {
	f := newFixture(t)
	c := f.create(t, "a.example")
	if _, err := f.Export(t.Context(), "alice", c.ID, ExportRequest{As: FormatPEM, Unencrypted: true}); err != nil {
		t.Fatal(err)
	}
	if len(f.store.exports) != 1 || f.store.exports[0] != "alice "+c.ID {
		t.Errorf("%q", f.store.exports)
	}
	f.editor = noRecord{f.store}
	e, err := f.Export(t.Context(), "alice", c.ID, ExportRequest{As: FormatPEM, Unencrypted: true})
	wantKind(t, err, domain.Unavailable)
	if e.Data != nil {
		t.Error("the key left")
	}
}

type noRecord struct{ Editor }

func (noRecord) RecordExport(context.Context, Certificate, Act) error {
	return domain.E(domain.Unavailable, "disk full")
}
