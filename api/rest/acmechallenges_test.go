package rest

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"postern/domain/acme"
)

const (
	challengeToken  = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"
	challengeAnswer = challengeToken + ".9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"
)

// forgetful is a store that keeps nothing beyond the process.
type forgetful struct{}

func (forgetful) PutChallenge(context.Context, acme.Challenge) error   { return nil }
func (forgetful) Challenges(context.Context) ([]acme.Challenge, error) { return nil, nil }
func (forgetful) DeleteChallenges(context.Context, []string) error     { return nil }

func newMemoryChallenges(t *testing.T) *acme.Challenges {
	t.Helper()
	c, err := acme.NewChallenges(t.Context(), forgetful{}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestACMEChallengeIsPutReplacedAndTakenAway(t *testing.T) {
	f := newFixture(t)
	const path = basePath + "/acme/challenges/" + challengeToken
	body := `{"key_authorization":"` + challengeAnswer + `"}`
	made := f.call("PUT", path, body).want(http.StatusCreated)
	f.call("PUT", path, body, "If-None-Match", "*").want(http.StatusPreconditionFailed)
	f.call("PUT", path, body, "If-Match", made.header.Get("ETag")).want(http.StatusOK)
	if list := string(f.call("GET", basePath+"/acme/challenges?limit=1", "").want(http.StatusOK).body); !strings.Contains(list, challengeAnswer) {
		t.Errorf("the list: %s", list)
	}
	f.call("PUT", path, `{"key_authorization":"else"}`).want(http.StatusUnprocessableEntity)
	f.callAs("viewer", "PUT", path, body).want(http.StatusForbidden)
	f.call("DELETE", path, "").want(http.StatusNoContent)
	f.call("GET", path, "").want(http.StatusNotFound)
	f.call("DELETE", path, "").want(http.StatusNotFound)
}
