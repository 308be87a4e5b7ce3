package acme

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"postern/domain"
)

const thumbprint = "9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"

// memory is a store that fails when it is told to.
type memory struct {
	stored map[string]Challenge
	err    error
}

func (m *memory) PutChallenge(_ context.Context, c Challenge) error {
	if m.err == nil {
		m.stored[c.Token] = c
	}
	return m.err
}

func (m *memory) Challenges(context.Context) (list []Challenge, err error) {
	for _, c := range m.stored {
		list = append(list, c)
	}
	return list, m.err
}

func (m *memory) DeleteChallenges(_ context.Context, tokens []string) error {
	for _, token := range tokens {
		delete(m.stored, token)
	}
	return m.err
}

// clock is a moment that a test moves.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func newChallenges(t *testing.T) (*Challenges, *memory, *clock) {
	t.Helper()
	store, at := &memory{stored: map[string]Challenge{}}, &clock{time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)}
	c, err := NewChallenges(t.Context(), store, at.Now)
	if err != nil {
		t.Fatal(err)
	}
	return c, store, at
}

func put(t *testing.T, c *Challenges, token string) {
	t.Helper()
	if _, err := c.Put(t.Context(), "ada", token, token+"."+thumbprint); err != nil {
		t.Fatal(err)
	}
}

func TestAnswersAreJudged(t *testing.T) {
	for _, c := range []struct{ name, token, answer, pointer string }{
		{"no token", "", "." + thumbprint, "/token"},
		{"a path", "../../master.key", "../../master.key." + thumbprint, "/token"},
		{"padding", "abc=", "abc=." + thumbprint, "/token"},
		{"a long token", strings.Repeat("a", 129), strings.Repeat("a", 129) + "." + thumbprint, "/token"},
		{"another token's answer", "abc", "abd." + thumbprint, "/key_authorization"},
		{"no thumbprint", "abc", "abc.", "/key_authorization"},
		{"a short thumbprint", "abc", "abc." + thumbprint[1:], "/key_authorization"},
		{"markup", "abc", "abc." + strings.Repeat("<", 43), "/key_authorization"},
	} {
		t.Run(c.name, func(t *testing.T) {
			challenges, _, _ := newChallenges(t)
			_, err := challenges.Put(t.Context(), "ada", c.token, c.answer)
			known, ok := errors.AsType[*domain.Error](err)
			if !ok || known.Kind != domain.Invalid || len(known.Faults) != 1 || known.Faults[0].Pointer != c.pointer {
				t.Errorf("got %v, want a fault at %s", err, c.pointer)
			}
		})
	}
}

func TestAnswersAreForgottenAfterADay(t *testing.T) {
	c, store, at := newChallenges(t)
	put(t, c, "old")
	at.now = at.now.Add(Lifetime - time.Second)
	if got, err := c.Get("old"); err != nil || got.CreatedBy != "ada" {
		t.Errorf("a second before: %v, %v", got, err)
	}
	at.now = at.now.Add(time.Second)
	if _, err := c.Get("old"); domain.KindOf(err) != domain.NotFound {
		t.Errorf("after a day: %v", err)
	}
	if list := c.List("", 10); len(list) != 0 {
		t.Errorf("after a day the list has %v", list)
	}
	put(t, c, "new")
	if _, kept := store.stored["old"]; kept {
		t.Error("the store keeps what is over")
	}
}

func TestNoMoreAnswersThanTheBound(t *testing.T) {
	c, _, _ := newChallenges(t)
	for i := range MaxChallenges {
		put(t, c, fmt.Sprintf("t%d", i))
	}
	if _, err := c.Put(t.Context(), "ada", "another", "another."+thumbprint); domain.KindOf(err) != domain.Exhausted {
		t.Errorf("one too many: %v", err)
	}
	put(t, c, "t7") // takes no place of its own
	if err := c.Delete(t.Context(), "t7"); err != nil {
		t.Fatal(err)
	}
	put(t, c, "another")
}

func TestWhatIsNotStoredIsNotAnswered(t *testing.T) {
	c, store, _ := newChallenges(t)
	put(t, c, "kept")
	store.err = domain.E(domain.Unavailable, "the disk is full")
	if _, err := c.Put(t.Context(), "ada", "abc", "abc."+thumbprint); domain.KindOf(err) != domain.Unavailable {
		t.Errorf("got %v", err)
	}
	if _, err := c.Get("abc"); domain.KindOf(err) != domain.NotFound {
		t.Errorf("an answer that was not stored is given out: %v", err)
	}
	if err := c.Delete(t.Context(), "kept"); domain.KindOf(err) != domain.Unavailable {
		t.Errorf("delete: %v", err)
	}
	if _, err := c.Get("kept"); err != nil {
		t.Errorf("an answer that was not deleted is gone: %v", err)
	}
}

func TestListGoesOnAfterAToken(t *testing.T) {
	c, _, _ := newChallenges(t)
	for _, token := range []string{"c", "a", "b"} {
		put(t, c, token)
	}
	var got []string
	for _, challenge := range c.List("a", 1) {
		got = append(got, challenge.Token)
	}
	if len(got) != 1 || got[0] != "b" {
		t.Errorf("one after a: %q", got)
	}
}

func FuzzValidToken(f *testing.F) {
	for _, seed := range []string{"abc-_09", "", "a/b", "a.b", "ä", "a\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if ValidToken(token) && strings.ContainsAny(token, "/\\.%?#\x00 \r\n") {
			t.Errorf("%q passes", token)
		}
	})
}
