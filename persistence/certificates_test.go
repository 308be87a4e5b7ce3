package persistence

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
	"postern/domain/certificate"
	"postern/domain/event"
)

var testAct = certificate.Act{Author: "ada", At: testTime}

// storedCertificate has a value in every field that is stored at insertion. Its
// chain is no certificate: the store does not look into it.
func storedCertificate(id string) certificate.Certificate {
	return certificate.Certificate{
		ID: id, Label: "our label", Source: certificate.Imported, State: certificate.Inactive,
		Subject: "mail.example.com", Names: []string{"mail.example.com", "*.example.com", "192.0.2.1"},
		Issuer: "CN=Test CA", SerialNumber: "1f", NotBefore: testTime, NotAfter: testTime.Add(time.Hour),
		KeyType: "ecdsa_p256", Fingerprint: "ab", Chain: [][]byte{[]byte("leaf"), []byte("issuer")},
		Insecure: true, Warnings: []string{"a warning"}, CreatedAt: testTime, CreatedBy: "ada",
	}
}

func newKey(t *testing.T) certificate.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return certificate.NewPrivateKey(key)
}

func insertCertificates(t *testing.T, s *CertificateStore, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := s.Insert(t.Context(), storedCertificate(id), newKey(t)); err != nil {
			t.Fatal(err)
		}
	}
}

func samePublic(a, b certificate.PrivateKey) bool {
	public, ok := a.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(b.Public())
}

func TestCertificateComesBackAsItWas(t *testing.T) {
	s := openTest(t, t.TempDir()).Certificates()
	full, key := storedCertificate("2"), newKey(t)
	bare := certificate.Certificate{ID: "1", State: certificate.Inactive, NotBefore: testTime, NotAfter: testTime, CreatedAt: testTime}
	for _, c := range []certificate.Certificate{full, bare} {
		if err := s.Insert(t.Context(), c, key); err != nil {
			t.Fatal(err)
		}
		got, err := s.Get(t.Context(), c.ID)
		if diff := cmp.Diff(c, got); diff != "" || err != nil {
			t.Errorf("%s: error %v (-want +got):\n%s", c.ID, err, diff)
		}
		pair, err := s.KeyPair(t.Context(), c.ID)
		if err != nil || !samePublic(pair.Key, key) || pair.Certificate.ID != c.ID {
			t.Errorf("%s: another key pair, error %v", c.ID, err)
		}
	}
	if err := s.Insert(t.Context(), full, key); domain.KindOf(err) != domain.Conflict {
		t.Errorf("a second insertion: %v", err)
	}
}

func TestMissingCertificate(t *testing.T) {
	s := openTest(t, t.TempDir()).Certificates()
	_, get := s.Get(t.Context(), "none")
	_, pair := s.KeyPair(t.Context(), "none")
	_, active := s.ActiveKeyPair(t.Context())
	_, activate := s.Activate(t.Context(), "none", testAct)
	remove := s.Delete(t.Context(), "none", testAct)
	for name, err := range map[string]error{
		"get": get, "key pair": pair, "active": active, "activate": activate, "delete": remove,
	} {
		if domain.KindOf(err) != domain.NotFound {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestActivateMakesOneActive(t *testing.T) {
	s := openTest(t, t.TempDir()).Certificates()
	insertCertificates(t, s, "1", "2", "3")
	for i, id := range []string{"1", "3", "3", "2"} {
		got, err := s.Activate(t.Context(), id, testAct)
		if err != nil {
			t.Fatal(err)
		}
		want := storedCertificate(id)
		want.State, want.Activation, want.ActivatedAt, want.ActivatedBy = certificate.Active, int64(i+1), testTime, "ada"
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("activation %d (-want +got):\n%s", i+1, diff)
		}
		active, err := s.List(t.Context(), certificate.Query{State: certificate.Active, Limit: 10})
		if err != nil || len(active) != 1 || active[0].ID != id {
			t.Errorf("after activation %d %d are active, error %v", i+1, len(active), err)
		}
		if pair, err := s.ActiveKeyPair(t.Context()); err != nil || pair.Certificate.ID != id {
			t.Errorf("active key pair of %q, error %v", pair.Certificate.ID, err)
		}
	}
	if _, err := s.Activate(t.Context(), "none", testAct); domain.KindOf(err) != domain.NotFound {
		t.Errorf("error %v", err)
	}
	if pair, err := s.ActiveKeyPair(t.Context()); err != nil || pair.Certificate.ID != "2" {
		t.Errorf("a failed activation left %q active, error %v", pair.Certificate.ID, err)
	}
}

func TestActivationsAtOnceAreNumberedApart(t *testing.T) {
	s := openTest(t, t.TempDir()).Certificates()
	const n = 8
	for i := range n {
		insertCertificates(t, s, fmt.Sprint(i))
	}
	numbers := make([]int64, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			c, err := s.Activate(t.Context(), fmt.Sprint(i), testAct)
			if err != nil {
				t.Error(err)
			}
			numbers[i] = c.Activation
		})
	}
	wg.Wait()
	seen := map[int64]bool{}
	for _, number := range numbers {
		seen[number] = true
	}
	if len(seen) != n {
		t.Errorf("activation numbers %v", numbers)
	}
}

func TestDeleteCertificate(t *testing.T) {
	s := openTest(t, t.TempDir()).Certificates()
	insertCertificates(t, s, "1", "2")
	if _, err := s.Activate(t.Context(), "1", testAct); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), "1", testAct); domain.KindOf(err) != domain.Conflict {
		t.Errorf("deletion of the active one: %v", err)
	}
	if err := s.Delete(t.Context(), "2", testAct); err != nil {
		t.Fatal(err)
	}
	var keys []privateKeyRow
	if err := s.file.reader.Find(&keys).Error; err != nil || len(keys) != 1 || keys[0].CertificateID != "1" {
		t.Errorf("%d keys are left, error %v", len(keys), err)
	}
}

func TestCertificatesArePagedByID(t *testing.T) {
	s := openTest(t, t.TempDir()).Certificates()
	insertCertificates(t, s, "3", "1", "2")
	var got []string
	for after := ""; ; {
		page, err := s.List(t.Context(), certificate.Query{After: after, Limit: 2})
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, c := range page {
			got = append(got, c.ID)
		}
		after = page[len(page)-1].ID
	}
	if diff := cmp.Diff([]string{"1", "2", "3"}, got); diff != "" {
		t.Errorf("ids (-want +got):\n%s", diff)
	}
	for before, want := range map[string]string{"": "3", "3": "2", "2": "1"} {
		page, err := s.List(t.Context(), certificate.Query{Before: before, NewestFirst: true, Limit: 1})
		if err != nil || len(page) != 1 || page[0].ID != want {
			t.Errorf("newest first, before %q: %d certificates, error %v, want %s", before, len(page), err, want)
		}
	}
}

// B45: keys are sealed at rest.
func TestNoFileHasThePrivateKey(t *testing.T) {
	dir := t.TempDir()
	d := openTest(t, dir)
	key := newKey(t)
	if err := d.Certificates().Insert(t.Context(), storedCertificate("1"), key); err != nil {
		t.Fatal(err)
	}
	scalar, err := key.Signer().(*ecdsa.PrivateKey).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{configurationName, configurationName + "-wal"} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(content, scalar) {
			t.Errorf("%s has the private key in clear", name)
		}
	}
}

func TestKeyMovedToAnotherRowDoesNotOpen(t *testing.T) {
	s := openTest(t, t.TempDir()).Certificates()
	insertCertificates(t, s, "1", "2")
	const swap = `UPDATE private_keys SET sealed = (SELECT sealed FROM private_keys WHERE certificate_id = '2') WHERE certificate_id = '1'`
	if err := s.file.writer.Exec(swap).Error; err != nil {
		t.Fatal(err)
	}
	if pair, err := s.KeyPair(t.Context(), "1"); err == nil || !pair.Key.IsZero() {
		t.Errorf("the key of another row opened (error %v)", err)
	}
}

// The service of the domain on the store of the database, across a restart.
func TestCertificateServiceOnTheStore(t *testing.T) {
	dir := t.TempDir()
	d := openTest(t, dir)
	newService := func(s *CertificateStore) *certificate.Service {
		id := 0
		return certificate.NewService(certificate.Dependencies{
			Store: s, Keys: s, Bindings: unbound{}, Bus: new(event.Bus), Now: time.Now,
			NewID: func() string { id++; return fmt.Sprint(id) },
		})
	}
	made, err := newService(d.Certificates()).EnsureDemonstration(t.Context(), "mail.example.com")
	if err != nil {
		t.Fatal(err)
	}
	closeTest(t, d)
	store := openTest(t, dir).Certificates()
	found, err := newService(store).EnsureDemonstration(t.Context(), "mail.example.com")
	if err != nil || found.ID != made.ID || found.Fingerprint != made.Fingerprint {
		t.Fatalf("after the restart %q is active, error %v", found.ID, err)
	}
	pair, err := store.ActiveKeyPair(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := pair.Check(); err != nil {
		t.Error(err)
	}
}

// unbound is a configuration that binds no certificate.
type unbound struct{}

func (unbound) Bindings(context.Context, string) ([]string, error) { return nil, nil }
