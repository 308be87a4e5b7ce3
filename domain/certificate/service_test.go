package certificate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postern/domain"
	"postern/domain/event"
)

// fixture is a service on a store in memory, at a time that tests move.
type fixture struct {
	*Service
	store *memory
	now   time.Time
	wakes *event.Subscription
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{store: newMemory(), now: today}
	bus := &event.Bus{}
	f.wakes = bus.Subscribe(event.CertificateActivated)
	t.Cleanup(f.wakes.Close)
	made := 0
	f.Service = NewService(Dependencies{
		Store:        f.store,
		Editor:       f.store,
		Keys:         f.store,
		Bindings:     f.store,
		Publications: f.store,
		Bus:          bus,
		Now:          func() time.Time { return f.now },
		NewID: func() string {
			made++
			return fmt.Sprintf("cert-%03d", made)
		},
	})
	return f
}

func (f *fixture) woken() bool {
	select {
	case <-f.wakes.C():
		return true
	default:
		return false
	}
}

func (f *fixture) create(t *testing.T, host string) Certificate {
	t.Helper()
	c, err := f.CreateSelfSigned(t.Context(), "alice", SelfSignedRequest{HostName: host})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func wantKind(t *testing.T, err error, kind domain.Kind, words ...string) {
	t.Helper()
	if err == nil || domain.KindOf(err) != kind {
		t.Fatalf("error = %v, want kind %q", err, kind)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error = %v, want %q in it", err, w)
		}
	}
}

// B42, B44: a new certificate is stored with its maker, and is not active.
func TestNewCertificatesAreStoredInactive(t *testing.T) {
	f := newFixture(t)
	created := f.create(t, "a.example.com")
	leaf := server(t, "b.example.com", nil)
	imported, err := f.ImportPEM(t.Context(), "bob", ImportRequest{Certificate: leaf.pem(), PrivateKey: leaf.keyPEM(t)})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []Certificate{created, imported} {
		stored, err := f.Get(t.Context(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		if stored.ETag() != c.ETag() || stored.State != Inactive || !stored.CreatedAt.Equal(today) {
			t.Errorf("stored %+v, returned %+v", stored, c)
		}
	}
	if created.CreatedBy != "alice" || imported.CreatedBy != "bob" {
		t.Errorf("made by %q and %q", created.CreatedBy, imported.CreatedBy)
	}
	if f.woken() {
		t.Error("creation was announced as activation")
	}
	_, err = f.Active(t.Context())
	wantKind(t, err, domain.NotFound)
}

func TestBadRequestsStoreNothing(t *testing.T) {
	f := newFixture(t)
	_, err := f.CreateSelfSigned(t.Context(), "alice", SelfSignedRequest{})
	wantKind(t, err, domain.Invalid)
	_, err = f.ImportPEM(t.Context(), "alice", ImportRequest{})
	wantKind(t, err, domain.Invalid)
	if len(f.store.pairs) != 0 {
		t.Errorf("%d certificates were stored", len(f.store.pairs))
	}
}

func TestListByPages(t *testing.T) {
	f := newFixture(t)
	for i := range 5 {
		f.create(t, fmt.Sprintf("h%d.example.com", i))
	}
	var seen []string
	for after := ""; ; {
		page, err := f.List(t.Context(), after, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, c := range page {
			seen = append(seen, c.Subject)
			after = c.ID
		}
	}
	if got := strings.Join(seen, " "); got != "h0.example.com h1.example.com h2.example.com h3.example.com h4.example.com" {
		t.Errorf("pages gave %s", got)
	}
}

func TestActivationReplacesTheActiveOne(t *testing.T) {
	f := newFixture(t)
	first, second := f.create(t, "a.example.com"), f.create(t, "b.example.com")
	var numbers []int64
	for _, id := range []string{first.ID, second.ID, first.ID} {
		c, err := f.Activate(t.Context(), "alice", id, "")
		if err != nil {
			t.Fatal(err)
		}
		if c.State != Active || c.ActivatedBy != "alice" || !c.ActivatedAt.Equal(today) {
			t.Errorf("activated %+v", c)
		}
		if !f.woken() {
			t.Error("the activation woke nobody")
		}
		active, err := f.Active(t.Context())
		if err != nil || active.ID != id {
			t.Errorf("active is %s (%v), want %s", active.ID, err, id)
		}
		numbers = append(numbers, c.Activation)
	}
	if numbers[0] >= numbers[1] || numbers[1] >= numbers[2] {
		t.Errorf("activation numbers %d do not rise", numbers)
	}
}

// What cannot be served is refused, and the old certificate stays.
func TestActivationRefused(t *testing.T) {
	f := newFixture(t)
	old := f.create(t, "old.example.com")
	if _, err := f.Activate(t.Context(), "alice", old.ID, "*"); err != nil {
		t.Fatal(err)
	}
	f.woken()
	short, err := f.CreateSelfSigned(t.Context(), "alice", SelfSignedRequest{HostName: "a.example.com", ValidDays: 1})
	if err != nil {
		t.Fatal(err)
	}
	keyless := f.create(t, "keyless.example.com")
	f.store.pairs[keyless.ID] = KeyPair{Certificate: keyless}
	swapped := f.create(t, "swapped.example.com")
	f.store.pairs[swapped.ID] = KeyPair{Certificate: swapped, Key: f.store.pairs[old.ID].Key}

	tests := []struct {
		name, id, ifMatch string
		now               time.Time
		kind              domain.Kind
		words             string
	}{
		{"unknown", "cert-999", "", today, domain.NotFound, "cert-999"},
		{"expired", short.ID, "", today.AddDate(0, 0, 2), domain.Invalid, "expired on"},
		{"not yet valid", short.ID, "", today.AddDate(0, 0, -1), domain.Invalid, "not valid before"},
		{"key missing", keyless.ID, "", today, domain.Invalid, "private key is missing"},
		{"key of another", swapped.ID, "", today, domain.Invalid, "belongs to another certificate"},
		{"changed meanwhile", short.ID, "0123", today, domain.Stale, short.ETag()},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f.now = test.now
			_, err := f.Activate(t.Context(), "alice", test.id, test.ifMatch)
			wantKind(t, err, test.kind, test.words)
			if active, err := f.Active(t.Context()); err != nil || active.ID != old.ID {
				t.Errorf("active is %s (%v), want the old one", active.ID, err)
			}
			if f.woken() {
				t.Error("a refused activation was announced")
			}
		})
	}
}

// B46: an active or bound certificate stays, and the answer names what holds it.
func TestDelete(t *testing.T) {
	f := newFixture(t)
	active, bound, free := f.create(t, "a.example.com"), f.create(t, "b.example.com"), f.create(t, "c.example.com")
	active, err := f.Activate(t.Context(), "alice", active.ID, active.ETag())
	if err != nil {
		t.Fatal(err)
	}
	f.store.bindings[active.ID] = []string{`listener "private"`}
	f.store.bindings[bound.ID] = []string{`listener "public"`, `listener "backup"`}

	_, err = f.Delete(t.Context(), "alice", active.ID, "")
	wantKind(t, err, domain.Conflict, "the active certificate", `listener "private"`)
	_, err = f.Delete(t.Context(), "alice", bound.ID, "")
	wantKind(t, err, domain.Conflict, `listener "public", listener "backup"`)
	_, err = f.Delete(t.Context(), "alice", free.ID, "0123")
	wantKind(t, err, domain.Stale, free.ETag())
	_, err = f.Delete(t.Context(), "alice", "cert-999", "*")
	wantKind(t, err, domain.NotFound)

	if _, err = f.Delete(t.Context(), "alice", free.ID, free.ETag()); err != nil {
		t.Fatal(err)
	}
	_, err = f.Get(t.Context(), free.ID)
	wantKind(t, err, domain.NotFound)
	if len(f.store.pairs) != 2 {
		t.Errorf("%d certificates left, want 2", len(f.store.pairs))
	}
}

// B52: made at first start, active, and never again.
func TestEnsureDemonstration(t *testing.T) {
	f := newFixture(t)
	first, err := f.EnsureDemonstration(t.Context(), "gateway.example.com")
	if err != nil {
		t.Fatal(err)
	}
	if first.State != Active || !first.Insecure || first.CreatedBy != systemAuthor {
		t.Errorf("demonstration certificate is %+v", first)
	}
	again, err := f.EnsureDemonstration(t.Context(), "gateway.example.com")
	if err != nil || again.ID != first.ID || len(f.store.pairs) != 1 {
		t.Errorf("second start gave %s (%v), %d stored", again.ID, err, len(f.store.pairs))
	}
	own := f.create(t, "mail.example.com")
	if _, err := f.Activate(t.Context(), "alice", own.ID, ""); err != nil {
		t.Fatal(err)
	}
	if kept, err := f.EnsureDemonstration(t.Context(), "gateway.example.com"); err != nil || kept.ID != own.ID {
		t.Errorf("a later start replaced the active certificate by %s (%v)", kept.ID, err)
	}
}

// B1: the master switch asks for the active certificate, a listener for its own.
func TestCheckUsable(t *testing.T) {
	f := newFixture(t)
	_, err := f.CheckUsable(t.Context(), "")
	wantKind(t, err, domain.NotFound, "no certificate is active")
	_, err = f.CheckUsable(t.Context(), "cert-999")
	wantKind(t, err, domain.NotFound, "cert-999")

	demonstration, err := f.EnsureDemonstration(t.Context(), "gateway.example.com")
	if err != nil {
		t.Fatal(err)
	}
	if warning, err := f.CheckUsable(t.Context(), ""); err != nil || !strings.Contains(warning, demonstration.ID+": it is the demonstration") {
		t.Errorf("the demonstration certificate: %q, %v", warning, err)
	}
	own := f.create(t, "mail.example.com")
	if warning, err := f.CheckUsable(t.Context(), own.ID); err != nil || warning != "" {
		t.Errorf("a certificate of one's own: %q, %v", warning, err)
	}
	f.now = today.AddDate(2, 0, 0)
	_, err = f.CheckUsable(t.Context(), own.ID)
	wantKind(t, err, domain.Invalid, "expired on")
}

func TestStoreFailureIsNotTakenForAbsence(t *testing.T) {
	f := newFixture(t)
	f.store.failure = errors.New("disk full")
	_, err := f.EnsureDemonstration(t.Context(), "gateway.example.com")
	wantKind(t, err, domain.Internal, "disk full")
	if len(f.store.pairs) != 0 {
		t.Error("a certificate was made although nothing is known of the store")
	}
}

func TestWaitApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		done := make(chan error, 1)
		go func() { done <- f.WaitApplied(t.Context(), 2) }()
		f.ReportApplied(1)
		synctest.Wait()
		if len(done) != 0 {
			t.Fatal("activation 1 was taken for activation 2")
		}
		f.ReportApplied(3)
		if err := <-done; err != nil {
			t.Errorf("WaitApplied: %v", err)
		}
		if got := f.Applied(); got != 3 {
			t.Errorf("Applied() = %d, want 3", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := f.WaitApplied(ctx, 4)
		wantKind(t, err, domain.Unavailable, "do not use it yet")
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the cause is lost: %v", err)
		}
	})
}

func TestDaysLeft(t *testing.T) {
	c := Certificate{NotAfter: today}
	for _, test := range []struct {
		before time.Duration
		want   int
	}{
		{30 * 24 * time.Hour, 30},
		{30*24*time.Hour - time.Second, 29},
		{time.Hour, 0},
		{0, 0},
		{-time.Second, -1},
		{-24 * time.Hour, -1},
		{-25 * time.Hour, -2},
	} {
		if got := c.DaysLeft(today.Add(-test.before)); got != test.want {
			t.Errorf("%v before the end: %d days left, want %d", test.before, got, test.want)
		}
	}
}

func TestETagFollowsTheState(t *testing.T) {
	pair, err := NewDemonstration("mail.example.com", today)
	if err != nil {
		t.Fatal(err)
	}
	c := pair.Certificate
	tags := map[string]bool{c.ETag(): true}
	c.Label = "other"
	tags[c.ETag()] = true
	c.State = Active
	tags[c.ETag()] = true
	c.Activation = 7
	tags[c.ETag()] = true
	c.Chain = append(c.Chain, []byte("intermediate"))
	tags[c.ETag()] = true
	if len(tags) != 5 {
		t.Errorf("%d ETags for 5 states", len(tags))
	}
}
