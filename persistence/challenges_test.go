package persistence

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain/acme"
)

func TestChallengesComeBackAsTheyWere(t *testing.T) {
	s := openTest(t, t.TempDir()).Challenges()
	first := acme.Challenge{Token: "a", KeyAuthorization: "a.1", CreatedAt: testTime, CreatedBy: "ada"}
	second := acme.Challenge{Token: "A", KeyAuthorization: "A.1", CreatedAt: testTime, CreatedBy: "bob"}
	replaced := acme.Challenge{Token: "a", KeyAuthorization: "a.2", CreatedAt: testTime.Add(time.Hour), CreatedBy: "eve"}
	for _, c := range []acme.Challenge{first, second, replaced} {
		if err := s.PutChallenge(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Challenges(t.Context())
	if diff := cmp.Diff([]acme.Challenge{second, replaced}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if err := s.DeleteChallenges(t.Context(), []string{"a", "unknown"}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Challenges(t.Context()); err != nil || len(got) != 1 || got[0].Token != "A" {
		t.Errorf("after the deletion: %v, %v", got, err)
	}
}
