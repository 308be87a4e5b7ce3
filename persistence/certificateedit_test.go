package persistence

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
	"postern/domain/certificate"
)

// B43: a request becomes a certificate, and keeps its key.
func TestPendingCertificateIsCompleted(t *testing.T) {
	s := openTest(t, t.TempDir()).Certificates()
	key := newKey(t)
	pending := certificate.Certificate{
		ID: "1", Source: certificate.Requested, State: certificate.Pending, Names: []string{"a.example"},
		KeyType: "ecdsa_p256", Request: []byte("request"), CreatedAt: testTime, CreatedBy: "ada",
	}
	if err := s.Insert(t.Context(), pending, key); err != nil {
		t.Fatal(err)
	}
	got, err := s.Get(t.Context(), "1")
	if diff := cmp.Diff(pending, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	complete := storedCertificate("1")
	complete.Request = pending.Request
	if err := s.Complete(t.Context(), complete, testAct); err != nil {
		t.Fatal(err)
	}
	pair, err := s.KeyPair(t.Context(), "1")
	if diff := cmp.Diff(complete, pair.Certificate); diff != "" || err != nil || !samePublic(pair.Key, key) {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if err := s.Complete(t.Context(), complete, testAct); domain.KindOf(err) != domain.Conflict {
		t.Errorf("second time: %v", err)
	}
	complete.ID = "2"
	if err := s.Complete(t.Context(), complete, testAct); domain.KindOf(err) != domain.NotFound {
		t.Errorf("unknown: %v", err)
	}
}

// B41: a staged activation survives a restart.
func TestStagedActivationIsStored(t *testing.T) {
	dir := t.TempDir()
	d := openTest(t, dir)
	s := d.Certificates()
	insertCertificates(t, s, "1", "2")
	staged := &certificate.Staged{At: testTime.Add(time.Hour), By: "bob", Force: true}
	if _, err := s.Stage(t.Context(), "1", staged, testAct); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Stage(t.Context(), "3", staged, testAct); domain.KindOf(err) != domain.NotFound {
		t.Errorf("unknown: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir).Certificates()
	list, err := s.List(t.Context(), certificate.Query{Staged: true, Limit: 10})
	if err != nil || len(list) != 1 || list[0].ID != "1" {
		t.Fatalf("%v %+v", err, list)
	}
	if diff := cmp.Diff(staged, list[0].Staged); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, end := range map[string]func() (certificate.Certificate, error){
		"activated":  func() (certificate.Certificate, error) { return s.Activate(t.Context(), "1", testAct) },
		"taken back": func() (certificate.Certificate, error) { return s.Stage(t.Context(), "1", nil, testAct) },
	} {
		if _, err := s.Stage(t.Context(), "1", staged, testAct); err != nil {
			t.Fatal(err)
		}
		if c, err := end(); err != nil || c.Staged != nil {
			t.Errorf("%s: %v %+v", name, err, c.Staged)
		}
	}
}

func TestPreviousCertificate(t *testing.T) {
	s := openTest(t, t.TempDir()).Certificates()
	insertCertificates(t, s, "1", "2", "3", "4")
	for _, id := range []string{"3", "1", "2"} {
		if _, err := s.Activate(t.Context(), id, testAct); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"1", "3"} {
		c, err := s.Previous(t.Context())
		if err != nil || c.ID != want {
			t.Fatalf("%v %s, want %s", err, c.ID, want)
		}
		if err := s.Delete(t.Context(), c.ID, testAct); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Previous(t.Context()); domain.KindOf(err) != domain.NotFound {
		t.Errorf("none is left: %v", err)
	}
}
