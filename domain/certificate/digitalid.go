package certificate

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"postern/domain"
)

// DigitalIDAuthor stands for the digital ID files where they act (B47).
const DigitalIDAuthor = "digital ID files"

// The names of the digital ID files (B47). JSON pointers in faults are "/" and a
// name.
const (
	DigitalIDKey         = "key.pem"  // the private key
	DigitalIDCertificate = "cert.pem" // the certificate, with its chain
	DigitalIDBoth        = "tls.pem"  // all of them
)

// DigitalID is the content of the digital ID files: PEM text, empty where the file
// is not there. Either key and certificate are given, or both in one, or all three,
// which then agree. It holds a key and prints as a placeholder.
type DigitalID struct{ Key, Certificate, Both string }

// Format prints a placeholder for every verb and flag.
func (DigitalID) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText returns a placeholder; encoding/json and encoding/xml use it.
func (DigitalID) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns a placeholder.
func (DigitalID) LogValue() slog.Value { return slog.StringValue(redacted) }

// TakeDigitalID activates the certificate of the files, which it stores first
// unless it is stored already, with this chain. Files that do not parse or do not
// agree are [domain.Invalid] with a pointer to the file; what else refuses an
// activation refuses this one too (see [Service.Activate]).
func (s *Service) TakeDigitalID(ctx context.Context, files DigitalID) (Certificate, error) {
	pair, err := files.read(s.now())
	if err != nil {
		return Certificate{}, err
	}
	c, found, err := s.find(ctx, pair.Certificate)
	if err == nil && !found {
		c, err = s.keep(ctx, DigitalIDAuthor, pair)
	}
	if err != nil || c.State == Active {
		return c, err
	}
	return s.Activate(ctx, DigitalIDAuthor, c.ID, "")
}

// find looks for a stored certificate with the same chain.
func (s *Service) find(ctx context.Context, wanted Certificate) (c Certificate, found bool, err error) {
	same := func(c Certificate) bool { return slices.EqualFunc(c.Chain, wanted.Chain, bytes.Equal) }
	for q := (Query{Limit: maxPage}); ; {
		list, err := s.store.List(ctx, q)
		if err != nil {
			return Certificate{}, false, domain.Wrap(err, "look for the certificate")
		}
		if i := slices.IndexFunc(list, same); i >= 0 {
			return list[i], true, nil
		}
		if len(list) < q.Limit {
			return Certificate{}, false, nil
		}
		q.After = list[len(list)-1].ID
	}
}

// read returns what the files hold, if they hold one thing.
func (d DigitalID) read(now time.Time) (KeyPair, error) {
	var f domain.Faults
	single, split := d.Both != "", d.Key != "" || d.Certificate != ""
	if split || !single {
		requireFile(&f, DigitalIDKey, d.Key)
		requireFile(&f, DigitalIDCertificate, d.Certificate)
	}
	if err := f.Err(); err != nil {
		return KeyPair{}, err
	}
	if !split {
		return readFiles(now, digitalIDFile{DigitalIDBoth, d.Both})
	}
	pair, err := readFiles(now, digitalIDFile{DigitalIDKey, d.Key}, digitalIDFile{DigitalIDCertificate, d.Certificate})
	if err != nil || !single {
		return pair, err
	}
	both, err := readFiles(now, digitalIDFile{DigitalIDBoth, d.Both})
	if err == nil && !slices.EqualFunc(both.Certificate.Chain, pair.Certificate.Chain, bytes.Equal) {
		f.Add("/"+DigitalIDBoth, "holds another certificate or chain than %s", DigitalIDCertificate)
		err = f.Err()
	}
	return pair, err
}

func requireFile(f *domain.Faults, name, text string) {
	if text == "" {
		f.Add("/"+name, "is missing or empty")
	}
}

// digitalIDFile is one of the files.
type digitalIDFile struct{ name, text string }

// readFiles reads a key and its certificate from the files together.
func readFiles(now time.Time, files ...digitalIDFile) (KeyPair, error) {
	var f domain.Faults
	b := &bundle{}
	for _, file := range files {
		b.read(&f, "/"+file.name, file.text)
	}
	if len(f) == 0 {
		b.checkDigitalID(&f, files[0].name, files[len(files)-1].name)
	}
	if err := f.Err(); err != nil {
		return KeyPair{}, err
	}
	c, err := b.judge(&f, FromDigitalID, now)
	if err != nil {
		return KeyPair{}, err
	}
	return KeyPair{Certificate: c, Key: b.keys[0].PrivateKey}, nil
}

// checkDigitalID reports parts that are missing from the files or too many.
func (b *bundle) checkDigitalID(f *domain.Faults, keyFile, certificateFile string) {
	switch {
	case len(b.keys) == 0:
		f.Add("/"+keyFile, "holds no private key")
	case len(b.keys) > 1:
		f.Add(b.keys[1].pointer, "more than one private key is in the files")
	}
	switch {
	case len(b.certificates) == 0:
		f.Add("/"+certificateFile, "holds no certificate")
	case len(b.certificates) > maxCertificates:
		f.Add("/"+certificateFile, "holds more than %d certificates", maxCertificates)
	}
}
