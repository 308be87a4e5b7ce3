package certificate

import (
	"crypto/x509"
	"testing"

	"postern/domain"
)

// digitalIDOf returns key, certificate with chain, and both, as PEM.
func digitalIDOf(t *testing.T, leaf *issued, chain ...*issued) DigitalID {
	t.Helper()
	d := DigitalID{Key: leaf.keyPEM(t), Certificate: leaf.pem()}
	for _, c := range chain {
		d.Certificate += c.pem()
	}
	d.Both = d.Key + d.Certificate
	return d
}

// B47: each way in which the files may be given.
func TestTakeDigitalID(t *testing.T) {
	root := authority(t, "Root", nil)
	all := digitalIDOf(t, server(t, "mail.example.com", root), root)
	for name, files := range map[string]DigitalID{
		"two files":   {Key: all.Key, Certificate: all.Certificate},
		"one file":    {Both: all.Certificate + all.Key},
		"three files": all,
	} {
		f := newFixture(t)
		f.create(t, "other.example.com")
		c, err := f.TakeDigitalID(t.Context(), files)
		if err != nil || c.Source != FromDigitalID || c.State != Active || c.ActivatedBy != DigitalIDAuthor {
			t.Errorf("%s: %v %+v", name, err, c)
		}
		// Again: neither another certificate nor another activation.
		again, err := f.TakeDigitalID(t.Context(), all)
		if err != nil || again.ID != c.ID || again.Activation != c.Activation || len(f.store.pairs) != 2 {
			t.Errorf("%s, again: %v %+v", name, err, again)
		}
	}
}

// Files that go back to what was there before activate what is stored.
func TestTakeDigitalIDThatIsStored(t *testing.T) {
	f := newFixture(t)
	first, second := server(t, "one.example.com", nil), server(t, "two.example.com", nil)
	var ids []string
	for _, leaf := range []*issued{first, second, first} {
		c, err := f.TakeDigitalID(t.Context(), digitalIDOf(t, leaf))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, c.ID)
	}
	if ids[0] != ids[2] || ids[0] == ids[1] || len(f.store.pairs) != 2 {
		t.Errorf("%q, %d stored", ids, len(f.store.pairs))
	}
}

func TestDigitalIDFaults(t *testing.T) {
	one, two := digitalIDOf(t, server(t, "mail.example.com", nil)), digitalIDOf(t, server(t, "mail.example.com", nil))
	late := digitalIDOf(t, server(t, "mail.example.com", nil, func(c *x509.Certificate) { c.NotAfter = today.AddDate(0, 0, -1) }))
	for name, test := range map[string]struct {
		files DigitalID
		want  []domain.Fault
	}{
		"nothing":                {DigitalID{}, []domain.Fault{fault("/key.pem", "missing"), fault("/cert.pem", "missing")}},
		"key alone":              {DigitalID{Key: one.Key}, []domain.Fault{fault("/cert.pem", "missing")}},
		"certificate alone":      {DigitalID{Certificate: one.Certificate}, []domain.Fault{fault("/key.pem", "missing")}},
		"key of another":         {DigitalID{Key: two.Key, Certificate: one.Certificate}, []domain.Fault{fault("/key.pem", "does not belong")}},
		"both are another":       {DigitalID{one.Key, one.Certificate, two.Both}, []domain.Fault{fault("/tls.pem", "another certificate")}},
		"half a file":            {DigitalID{Both: one.Both[:len(one.Both)-40]}, []domain.Fault{fault("/tls.pem", "cut short")}},
		"both without key":       {DigitalID{Both: one.Certificate}, []domain.Fault{fault("/tls.pem", "no private key")}},
		"both without cert":      {DigitalID{Both: one.Key}, []domain.Fault{fault("/tls.pem", "no certificate")}},
		"two keys":               {DigitalID{Both: one.Both + two.Key}, []domain.Fault{fault("/tls.pem", "more than one private key")}},
		"certificate in key.pem": {DigitalID{Key: one.Certificate, Certificate: one.Certificate}, []domain.Fault{fault("/key.pem", "no private key")}},
		"expired":                {DigitalID{Key: late.Key, Certificate: late.Certificate}, []domain.Fault{fault("/cert.pem", "expired")}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			_, err := f.TakeDigitalID(t.Context(), test.files)
			wantFaults(t, err, test.want...)
			if len(f.store.pairs) != 0 {
				t.Error("something was stored")
			}
		})
	}
}
