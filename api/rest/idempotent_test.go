package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"postern/domain/delivery"
	"postern/domain/idempotency"
)

// memoryClaims keeps claims in memory.
type memoryClaims struct {
	mu     sync.Mutex
	claims map[idempotency.Key]idempotency.Claim
}

func (m *memoryClaims) Claim(_ context.Context, k idempotency.Key, c idempotency.Claim, _ time.Time) (idempotency.Claim, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if earlier, ok := m.claims[k]; ok {
		return earlier, false, nil
	}
	if m.claims == nil {
		m.claims = make(map[idempotency.Key]idempotency.Claim)
	}
	m.claims[k] = c
	return idempotency.Claim{}, true, nil
}

func (m *memoryClaims) Settle(_ context.Context, k idempotency.Key, r *idempotency.Reply) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.claims[k]
	c.Reply = r
	m.claims[k] = c
	if r == nil {
		delete(m.claims, k)
	}
	return nil
}

func (m *memoryClaims) Prune(context.Context, time.Time) error { return nil }

const keyed = "Idempotency-Key"

func TestTheSameKeyTakesEffectOnce(t *testing.T) {
	f := newFixture(t)
	const list, body = basePath + "/certificates/self-signed", `{"host_name":"once.example"}`
	first := f.call("POST", list, body, keyed, `"k1"`).want(http.StatusCreated)
	again := f.call("POST", list, body, keyed, `k1`).want(http.StatusCreated)
	if string(first.body) != string(again.body) || again.header.Get(headerReplayed) != "true" || first.header.Get(headerReplayed) != "" {
		t.Errorf("first %s, again %s", first.body, again.body)
	}
	for _, name := range []string{"Location", "ETag", "Content-Type", "Cache-Control"} {
		if first.header.Get(name) != again.header.Get(name) {
			t.Errorf("%s: first %q, again %q", name, first.header.Get(name), again.header.Get(name))
		}
	}
	if first.header.Get(requestIDHeader) == again.header.Get(requestIDHeader) {
		t.Error("two requests have one id")
	}
	// That a reply was shown again is in the audit log (B73).
	const shown = `{"idempotency_replayed":true}`
	if made := f.auditOf("createSelfSignedCertificate"); len(made) != 4 || string(made[0].After) != shown || made[0].Status != http.StatusCreated || string(made[2].After) == shown {
		t.Errorf("audit entries %+v", made)
	}
	f.audited.Fill(true)
	f.call("POST", list, body, keyed, "k1").want(http.StatusServiceUnavailable)
	f.audited.Fill(false)
	f.call("POST", list, `{"host_name":"other.example"}`, keyed, "k1").want(http.StatusUnprocessableEntity)
	f.call("POST", list, `{}`, keyed, "k2").want(http.StatusUnprocessableEntity)
	f.call("POST", list, `{}`, keyed, "k2").want(http.StatusUnprocessableEntity)
	f.call("POST", list, body, keyed, "not a key").want(http.StatusBadRequest)
}

// Secrets that are shown once are not kept for those who ask again; what was refused
// is.
func TestRepliesWithSecretsAreNotKept(t *testing.T) {
	f := newFixture(t)
	claims := new(memoryClaims)
	p := f.parts()
	p.Idempotency = idempotency.NewService(claims, time.Now)
	server := httptest.NewServer(New(p).Handler())
	defer server.Close()
	f.server = server
	id := decodeID(t, f.call("POST", basePath+"/certificates/self-signed", `{"host_name":"mail.example"}`).want(http.StatusCreated))
	for path, body := range map[string]string{
		basePath + "/tokens":                         `{"name":"once","role":"viewer"}`,
		basePath + "/certificates/" + id + "/export": `{"format":"pem","unencrypted":true}`,
	} {
		first := f.call("POST", path, body, keyed, path)
		if first.status/100 != 2 {
			t.Errorf("%s: %d %s", path, first.status, first.body)
		}
		f.call("POST", path, body, keyed, path).want(http.StatusConflict)
	}
	for key, claim := range claims.claims {
		if claim.Reply != nil {
			t.Errorf("the reply to %s is kept", key.Operation)
		}
	}
	refused := f.call("POST", basePath+"/tokens", `{}`, keyed, "k").want(http.StatusUnprocessableEntity)
	again := f.call("POST", basePath+"/tokens", `{}`, keyed, "k").want(http.StatusUnprocessableEntity)
	if again.header.Get(headerReplayed) != "true" || refused.header.Get(headerReplayed) != "" {
		t.Error("the refusal is not kept")
	}
}

func decodeID(t *testing.T, a answer) string {
	t.Helper()
	var shown struct{ ID string }
	if err := json.Unmarshal(a.body, &shown); err != nil {
		t.Fatal(err)
	}
	return shown.ID
}

func TestAKeyIsTheCallersOwn(t *testing.T) {
	f := newFixture(t)
	const path = basePath + "/messages/0000000000000/retry"
	f.callAs("operator", "POST", path, "", keyed, "k").want(http.StatusNotFound)
	other := f.callAs("admin", "POST", path, "", keyed, "k").want(http.StatusNotFound)
	if other.header.Get(headerReplayed) != "" {
		t.Error("another caller got the reply")
	}
	// Nor does a key let in who may not: the role comes first.
	f.callAs("viewer", "POST", path, "", keyed, "k").want(http.StatusForbidden)
}

func TestWhatWasNotDoneMayBeDoneAgain(t *testing.T) {
	f := newFixture(t)
	const list, body = basePath + "/tokens", `{"name":"again","role":"viewer"}`
	f.audited.Fill(true)
	f.call("POST", list, body, keyed, "k").want(http.StatusServiceUnavailable)
	f.audited.Fill(false)
	f.call("POST", list, body, keyed, "k").want(http.StatusCreated)
}

// slowActor acts when it is let.
type slowActor struct {
	MessageActor
	entered, leave chan struct{}
}

func (s slowActor) ActOnAll(context.Context, string, delivery.Action, delivery.MessageFilter) (int, error) {
	close(s.entered)
	<-s.leave
	return 3, nil
}

func TestWhileTheFirstIsUnderWay(t *testing.T) {
	f := newFixture(t)
	p := f.parts()
	entered, leave := make(chan struct{}), make(chan struct{})
	p.MessageActor = slowActor{p.MessageActor, entered, leave}
	server := httptest.NewServer(New(p).Handler())
	defer server.Close()
	f.server = server
	ask := func() answer {
		return f.call("POST", basePath+"/messages/actions", `{"action":"retry","filter":{}}`, keyed, "k")
	}
	first := make(chan answer)
	go func() { first <- ask() }()
	<-entered
	ask().want(http.StatusConflict)
	close(leave)
	done := (<-first).want(http.StatusOK)
	if again := ask().want(http.StatusOK); string(again.body) != string(done.body) {
		t.Errorf("first %s, again %s", done.body, again.body)
	}
}
