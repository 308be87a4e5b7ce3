package certificate

import (
	"crypto/sha512"
	"testing"
	"time"

	"postern/domain"
)

func (f *fixture) activate(t *testing.T, id string) Certificate {
	t.Helper()
	c, err := f.Activate(t.Context(), "alice", id, "")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// B41: one call goes back, and forth again.
func TestRevert(t *testing.T) {
	f := newFixture(t)
	a, b, never := f.create(t, "a.example"), f.create(t, "b.example"), f.create(t, "c.example")
	_, err := f.Revert(t.Context(), "bob", false)
	wantKind(t, err, domain.NotFound)
	f.activate(t, a.ID)
	_, err = f.Revert(t.Context(), "bob", false)
	wantKind(t, err, domain.NotFound)
	f.activate(t, b.ID)
	for _, want := range []string{a.ID, b.ID, a.ID} {
		c, err := f.Revert(t.Context(), "bob", false)
		if err != nil || c.ID != want || c.State != Active || c.ActivatedBy != "bob" {
			t.Errorf("%v %+v", err, c)
		}
	}
	f.now = b.NotAfter.Add(time.Hour)
	_, err = f.Revert(t.Context(), "bob", false)
	wantKind(t, err, domain.Invalid, "expired")
	_ = never
}

// due performs what is due, and returns the ids of what failed.
func (f *fixture) due(t *testing.T) (failed []string, next time.Time) {
	t.Helper()
	next, err := f.Due(t.Context(), func(c Certificate, _ error) { failed = append(failed, c.ID) })
	if err != nil {
		t.Fatal(err)
	}
	return failed, next
}

func TestStagedActivation(t *testing.T) {
	f := newFixture(t)
	a, b := f.create(t, "a.example"), f.create(t, "b.example")
	f.activate(t, a.ID)
	if _, next := f.due(t); !next.IsZero() {
		t.Errorf("next %s, with nothing staged", next)
	}
	at := today.Add(time.Hour)
	staged, err := f.Stage(t.Context(), "bob", b.ID, b.ETag(), at, false)
	if err != nil || staged.ETag() == b.ETag() || staged.State != Inactive || !staged.Staged.At.Equal(at) {
		t.Fatalf("%v %+v", err, staged)
	}
	if _, next := f.due(t); !next.Equal(at) {
		t.Errorf("next %s", next)
	}
	f.now = at
	if failed, next := f.due(t); failed != nil || !next.IsZero() {
		t.Errorf("%v %s", failed, next)
	}
	active, err := f.Active(t.Context())
	if err != nil || active.ID != b.ID || active.ActivatedBy != "bob" || active.Staged != nil {
		t.Errorf("%v %+v", err, active)
	}
}

func TestStagedActivationTakenBack(t *testing.T) {
	f := newFixture(t)
	a := f.create(t, "a.example")
	if _, err := f.Stage(t.Context(), "bob", a.ID, "", today.Add(time.Hour), false); err != nil {
		t.Fatal(err)
	}
	_, err := f.Unstage(t.Context(), "alice", a.ID, a.ETag())
	wantKind(t, err, domain.Stale)
	for range 2 {
		if c, err := f.Unstage(t.Context(), "alice", a.ID, ""); err != nil || c.Staged != nil {
			t.Errorf("%v %+v", err, c)
		}
	}
	f.now = today.Add(2 * time.Hour)
	f.due(t)
	_, err = f.Active(t.Context())
	wantKind(t, err, domain.NotFound)
	_, err = f.Unstage(t.Context(), "alice", "none", "")
	wantKind(t, err, domain.NotFound)
}

func TestStageRefused(t *testing.T) {
	f := newFixture(t)
	a, b := f.create(t, "a.example"), f.create(t, "b.example")
	f.activate(t, b.ID)
	stage := func(id, match string, at time.Time) error {
		_, err := f.Stage(t.Context(), "bob", id, match, at, false)
		return err
	}
	wantFaults(t, stage(a.ID, "", today), fault("/activate_at", "is past"))
	wantFaults(t, stage(a.ID, "", today.AddDate(2, 0, 0)), fault("/activate_at", "400 days"))
	wantFaults(t, stage(a.ID, "", a.NotAfter.Add(time.Hour)), fault("/activate_at", "expired"))
	wantKind(t, stage(a.ID, "other", today.Add(time.Hour)), domain.Stale)
	wantKind(t, stage(b.ID, "", today.Add(time.Hour)), domain.Conflict, "active already")
	wantKind(t, stage("none", "", today.Add(time.Hour)), domain.NotFound)
	pending, err := f.CreateRequest(t.Context(), "a", SigningRequest{HostName: "c.example"})
	if err != nil {
		t.Fatal(err)
	}
	wantFaults(t, stage(pending.ID, "", today.Add(time.Hour)), fault("/activate_at", "no certificate yet"))
}

// publish makes DNS say that the key of the certificate is to be expected.
func (f *fixture) publish(t *testing.T, records ...TLSA) {
	f.store.published = []Publication{{Host: "mail.example.com", Port: 25, Records: records}}
}

// B54: what senders would refuse is not activated, unless it is forced.
func TestPublishedTLSA(t *testing.T) {
	f := newFixture(t)
	a, b := f.create(t, "a.example"), f.create(t, "b.example")
	ofA, err := a.TLSA()
	if err != nil {
		t.Fatal(err)
	}
	ofB, err := b.TLSA()
	if err != nil {
		t.Fatal(err)
	}
	f.publish(t, ofA)
	f.activate(t, a.ID)
	_, err = f.Activate(t.Context(), "alice", b.ID, "")
	wantKind(t, err, domain.Conflict, ofB.Record("mail.example.com", 25), "_25._tcp.mail.example.com. IN TLSA 3 1 1 ")

	// A staged one that would break it is given up, and told.
	if _, err := f.Stage(t.Context(), "bob", b.ID, "", today.Add(time.Hour), false); err != nil {
		t.Fatal(err)
	}
	f.now = today.Add(time.Hour)
	if failed, _ := f.due(t); len(failed) != 1 || failed[0] != b.ID {
		t.Errorf("failed: %v", failed)
	}
	if c, _ := f.Get(t.Context(), b.ID); c.Staged != nil || c.State != Inactive {
		t.Errorf("%+v", c)
	}
	if c, err := f.ForceActivate(t.Context(), "alice", b.ID, ""); err != nil || c.State != Active {
		t.Errorf("%v", err)
	}
	f.publish(t, ofA, ofB) // current and next
	f.activate(t, a.ID)
	f.activate(t, b.ID)
	f.publish(t, TLSA{0, 1, 1, ofA.Data}) // no sender of mail looks at usage 0
	f.activate(t, a.ID)
}

func TestTLSAMatching(t *testing.T) {
	f := newFixture(t)
	root := authority(t, "Root", nil)
	leaf := server(t, "mail.example.com", root)
	c, err := f.ImportPEM(t.Context(), "a", ImportRequest{Certificate: leaf.pem() + root.pem(), PrivateKey: leaf.keyPEM(t)})
	if err != nil {
		t.Fatal(err)
	}
	whole := sha512.Sum512(root.Raw)
	for name, test := range map[string]struct {
		record TLSA
		broken bool
	}{
		"3 0 0 leaf":         {TLSA{3, 0, 0, leaf.Raw}, false},
		"3 1 0 leaf":         {TLSA{3, 1, 0, leaf.RawSubjectPublicKeyInfo}, false},
		"2 0 2 root":         {TLSA{2, 0, 2, whole[:]}, false},
		"3 0 2 root":         {TLSA{3, 0, 2, whole[:]}, true},
		"2 0 0 leaf":         {TLSA{2, 0, 0, leaf.Raw}, true},
		"unknown matching":   {TLSA{3, 1, 9, nil}, false},
		"unknown selector":   {TLSA{3, 2, 1, nil}, false},
		"3 1 1 of a strange": {TLSA{3, 1, 1, []byte("x")}, true},
	} {
		f.publish(t, test.record)
		if _, err := f.Activate(t.Context(), "a", c.ID, ""); (err != nil) != test.broken {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTLSAOfARequestIsThatOfItsCertificate(t *testing.T) {
	f := newFixture(t)
	pending, err := f.CreateRequest(t.Context(), "a", SigningRequest{HostName: "mail.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	before, err := pending.TLSA()
	if err != nil {
		t.Fatal(err)
	}
	c, err := f.InstallSigned(t.Context(), "alice", pending.ID, "", SignedCertificate{Certificate: signRequest(t, authority(t, "R", nil), pending)})
	if err != nil {
		t.Fatal(err)
	}
	if after, err := c.TLSA(); err != nil || after.String() != before.String() {
		t.Errorf("%v: %s, then %s", err, before, after)
	}
	if _, err := (Certificate{ID: "x"}).TLSA(); err == nil {
		t.Error("a record of nothing")
	}
}
