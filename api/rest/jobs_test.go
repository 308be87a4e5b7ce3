package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/job"
	"postern/domain/job/jobtest"
)

// newJobs returns the real service on a store in memory; its jobs end with the
// test.
func newJobs(t *testing.T) *job.Service {
	t.Helper()
	var ids atomic.Int64
	service, err := job.NewService(t.Context(), job.Dependencies{
		Store: new(jobtest.Memory), Now: time.Now, Ended: func(job.Job, error) {},
		NewID: func() string { return fmt.Sprintf("job-%03d", ids.Add(1)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := service.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return service
}

func (f *fixture) begin(kind string, work job.Work) string {
	f.t.Helper()
	j, err := f.jobs.Start(f.t.Context(), job.Order{Kind: kind, Author: "admin", Work: work})
	if err != nil {
		f.t.Fatal(err)
	}
	return "/api/v1/jobs/" + j.ID
}

func TestJobsAreShown(t *testing.T) {
	f := newFixture(t)
	good := f.begin("count", func(_ context.Context, p *job.Progress) (any, error) {
		p.Expect(2, "rows")
		p.Done(2)
		p.Step("counted")
		return map[string]int{"sum": 7}, nil
	})
	bad := f.begin("check", func(context.Context, *job.Progress) (any, error) {
		return nil, domain.Faults{{Pointer: "/rows/3", Message: "must be a host"}}.Err()
	})
	ours := f.begin("fault", func(context.Context, *job.Progress) (any, error) { return nil, errors.New("the secret cause") })

	done := decoded[Job](f.call("GET", good+"?wait=10s", "").want(200))
	if diff := cmp.Diff(JobProgress{2, 2, "rows"}, done.Progress); diff != "" || done.State != job.Succeeded || string(done.Result) != `{"sum":7}` || done.Steps[0].Text != "counted" {
		t.Errorf("%s%+v", diff, done)
	}
	failed := decoded[Job](f.call("GET", bad+"?wait=10s", "").want(200))
	if p := failed.Problem; failed.State != job.Failed || p.Type != "/problems/invalid" || p.Status != 422 || p.Errors[0].Pointer != "/rows/3" {
		t.Errorf("%+v", failed)
	}
	fault := decoded[Job](f.call("GET", ours+"?wait=10s", "").want(200))
	if p := fault.Problem; p.Status != 500 || p.Detail == "the secret cause" {
		t.Errorf("%+v", fault)
	}
	f.call("GET", "/api/v1/jobs/nosuch", "").want(404)
	f.call("GET", good+"?wait=2h", "").want(400)
}

func TestJobsAreListed(t *testing.T) {
	f := newFixture(t)
	for _, kind := range []string{"a", "b", "a"} {
		f.call("GET", f.begin(kind, func(context.Context, *job.Progress) (any, error) { return nil, nil })+"?wait=10s", "").want(200)
	}
	for query, want := range map[string]string{
		"":                  "[job-003 job-002 job-001]",
		"?kind=a":           "[job-003 job-001]",
		"?state=failed":     "[]",
		"?state=succeeded":  "[job-003 job-002 job-001]",
		"?limit=1&kind=b":   "[job-002]",
		"?limit=2&state=":   "[job-003 job-002]",
		"?limit=1000&kind=": "[job-003 job-002 job-001]",
	} {
		var ids []string
		for _, j := range decoded[Page[Job]](f.call("GET", "/api/v1/jobs"+query, "").want(200)).Items {
			ids = append(ids, j.ID)
		}
		if got := fmt.Sprint(ids); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	f.call("GET", "/api/v1/jobs?state=odd", "").want(400)
}

func TestCancelJob(t *testing.T) {
	f := newFixture(t)
	one := f.begin("wait", func(ctx context.Context, _ *job.Progress) (any, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	if at := f.callAs("operator", "POST", one+"/cancel", "").want(202).header.Get("Location"); at != one {
		t.Errorf("Location %q", at)
	}
	if j := decoded[Job](f.call("GET", one+"?wait=10s", "").want(200)); j.State != job.Cancelled || j.FinishedAt == nil {
		t.Errorf("%+v", j)
	}
	f.call("POST", one+"/cancel", "").want(409)
	f.call("POST", "/api/v1/jobs/nosuch/cancel", "").want(404)
}

// What answers with a job: 202, where to follow it, in the caller's name.
func TestStartJob(t *testing.T) {
	f := newFixture(t)
	recorder := httptest.NewRecorder()
	c := echo.New().NewContext(httptest.NewRequest(http.MethodPost, "/", nil), recorder)
	c.Set(principalKey, account.Principal{Name: "anna"})
	nothing := func(context.Context, *job.Progress) (any, error) { return nil, nil }
	if err := f.api.startJob(c, job.Order{Kind: "count", Work: nothing}); err != nil {
		t.Fatal(err)
	}
	var begun Job
	if err := json.Unmarshal(recorder.Body.Bytes(), &begun); err != nil {
		t.Fatal(err)
	}
	at := recorder.Header().Get("Location")
	if recorder.Code != 202 || at != "/api/v1/jobs/"+begun.ID || begun.Author != "anna" || begun.State != job.Queued {
		t.Errorf("%d %q %+v", recorder.Code, at, begun)
	}
	f.call("GET", at, "").want(200)
}
