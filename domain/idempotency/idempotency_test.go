package idempotency

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"postern/domain"
)

// memory is a store for tests.
type memory map[Key]Claim

func (m memory) Claim(_ context.Context, k Key, c Claim, oldest time.Time) (Claim, bool, error) {
	if earlier, ok := m[k]; ok && !earlier.At.Before(oldest) {
		return earlier, false, nil
	}
	m[k] = c
	return Claim{}, true, nil
}

func (m memory) Settle(_ context.Context, k Key, r *Reply) error {
	c := m[k]
	c.Reply = r
	m[k] = c
	if r == nil {
		delete(m, k)
	}
	return nil
}

func (m memory) Prune(_ context.Context, before time.Time) error {
	for k, c := range m {
		if c.At.Before(before) {
			delete(m, k)
		}
	}
	return nil
}

func TestLifeOfAKey(t *testing.T) {
	now := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	store := memory{}
	s := NewService(store, func() time.Time { return now })
	k := Key{"ada", "createToken", "k"}
	begin := func(digest string) (*Reply, domain.Kind) {
		r, err := s.Begin(t.Context(), k, []byte(digest))
		return r, domain.KindOf(err)
	}
	if r, err := s.Begin(t.Context(), k, []byte("a")); r != nil || err != nil {
		t.Fatalf("first: %v, %v", r, err)
	}
	if _, kind := begin("a"); kind != domain.Conflict {
		t.Errorf("while it is under way: %s", kind)
	}
	if err := s.Settle(t.Context(), k, Reply{Status: 201, Body: []byte("done")}); err != nil {
		t.Fatal(err)
	}
	if r, _ := begin("a"); r == nil || r.Status != 201 || string(r.Body) != "done" {
		t.Errorf("again: %+v", r)
	}
	if _, kind := begin("b"); kind != domain.Invalid {
		t.Errorf("another request: %s", kind)
	}
	now = now.Add(Keep + time.Second)
	if r, err := s.Begin(t.Context(), k, []byte("b")); r != nil || err != nil {
		t.Errorf("a day later: %v, %v", r, err)
	}
	if err := s.Prune(t.Context()); err != nil || len(store) != 1 {
		t.Errorf("%d claims, error %v", len(store), err)
	}
}

func TestWhatIsNotKept(t *testing.T) {
	store := memory{}
	s := NewService(store, time.Now)
	k := Key{"ada", "op", "k"}
	for _, status := range []int{http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusRequestTimeout} {
		if r, err := s.Begin(t.Context(), k, nil); r != nil || err != nil {
			t.Errorf("after %d: %v, %v", status, r, err)
		}
		if err := s.Settle(t.Context(), k, Reply{Status: status}); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = s.Begin(t.Context(), k, nil)
	if err := s.Settle(t.Context(), k, Reply{Status: 200, Body: make([]byte, MaxReply+1)}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Begin(t.Context(), k, nil); domain.KindOf(err) != domain.Conflict {
		t.Errorf("a reply that is too large: %v", err)
	}
}

func TestParseKey(t *testing.T) {
	for text, want := range map[string]string{"a": "a", `"8e03978e-40d5"`: "8e03978e-40d5", strings.Repeat("x", 255): strings.Repeat("x", 255)} {
		if got, err := ParseKey(text); got != want || err != nil {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", `""`, `"`, "a b", "ä", "a\x00", `a\b`, strings.Repeat("x", 256)} {
		if _, err := ParseKey(text); domain.KindOf(err) != domain.Invalid {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	for _, seed := range []string{"a", `"a"`, `"`, "\x00", `""""`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		key, err := ParseKey(text)
		if err == nil && (key == "" || len(key) > MaxKey || strings.ContainsAny(key, "\" \\\n\x00")) {
			t.Errorf("%q became %q", text, key)
		}
	})
}
