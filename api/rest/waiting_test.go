package rest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"postern/domain"
	"postern/domain/eventlog"
	"postern/domain/job"
)

// withReadTimeout serves the API with a short time for requests to be read in.
func (f *fixture) withReadTimeout(limit time.Duration) {
	f.server = httptest.NewUnstartedServer(f.api.Handler())
	f.server.Config.ReadTimeout = limit
	f.server.Start()
	f.t.Cleanup(f.server.Close)
}

// later runs do when the time to read a request is long over.
func later(t *testing.T, limit time.Duration, do func()) {
	timer := time.AfterFunc(4*limit, do)
	t.Cleanup(func() { timer.Stop() })
}

func TestWaitingOutlastsTheTimeToReadARequest(t *testing.T) {
	const limit = 100 * time.Millisecond
	f := newFixture(t)
	f.withReadTimeout(limit)

	later(t, limit, func() { f.config.ReportApplied(2) })
	a := f.call("PUT", "/api/v1/domains/example.com?wait=30s", `{}`).want(http.StatusCreated)
	if got := a.header.Get(headerApplied); got != "2" {
		t.Errorf("applied %s: the wait ended early", got)
	}

	over := make(chan struct{})
	path := f.begin("slow", func(context.Context, *job.Progress) (any, error) {
		<-over
		return nil, nil
	})
	later(t, limit, func() { close(over) })
	if got := decoded[Job](f.call("GET", path+"?wait=30s", "").want(http.StatusOK)); got.State != job.Succeeded {
		t.Errorf("the job is %s: the wait ended early", got.State)
	}
}

// A stream that never rests ends with the right to read it.
func TestABusyStreamEndsWithItsToken(t *testing.T) {
	f := newFixture(t)
	f.happen(eventlog.MessageHeld, 1)
	step := func(token string, checked time.Time) (string, error) {
		request := httptest.NewRequest(http.MethodGet, "/api/v1/events", nil)
		request.RemoteAddr = "127.0.0.1:40000"
		request.Header.Set("Authorization", "Bearer "+token)
		sent := &deadlined{ResponseRecorder: httptest.NewRecorder()}
		s := &stream{
			api: f.api, c: f.api.echo.NewContext(request, sent), checked: checked,
			query: eventlog.Query{Limit: 1}, // a full page: there is more
		}
		err := s.step(t.Context())
		return sent.Body.String(), err
	}
	long := time.Now().Add(-heartbeat)
	for name, test := range map[string]struct {
		token   string
		checked time.Time
		ends    bool
	}{
		"good":           {"viewer", long, false},
		"gone":           {"withdrawn", long, true},
		"gone just now":  {"withdrawn", time.Now(), false},
		"good, and just": {"viewer", time.Now(), false},
	} {
		sent, err := step(test.token, test.checked)
		ended := err != nil && domain.KindOf(err) == domain.Unauthenticated
		if ended != test.ends || ended != (sent == "") || err != nil && !ended {
			t.Errorf("%s: %v, sent %q", name, err, sent)
		}
	}
}

// deadlined is a recorder that takes deadlines, as a connection does.
type deadlined struct{ *httptest.ResponseRecorder }

func (deadlined) SetWriteDeadline(time.Time) error { return nil }
