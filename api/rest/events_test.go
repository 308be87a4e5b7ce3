package rest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/domain"
	"postern/domain/event"
	"postern/domain/eventlog"
	"postern/domain/eventlog/eventlogtest"
	"postern/smtp/smtptest"
)

// newEventLog returns the real log on a store in memory, which runs until the test
// ends. What is older than an hour is forgotten.
func newEventLog(t *testing.T) *eventlog.Log {
	t.Helper()
	store := new(eventlogtest.Memory)
	log, err := eventlog.NewLog(t.Context(), eventlog.Dependencies{
		Store: store, Bus: new(event.Bus), Now: time.Now,
		Retention: func() time.Duration { return time.Hour }, Failed: func(error) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { log.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	return log
}

// happen appends events of a type and waits for them.
func (f *fixture) happen(t eventlog.Type, n int) {
	f.t.Helper()
	before := f.events.Newest()
	for range n {
		f.events.Append(eventlog.New(t, eventlog.Subject{Kind: "test", Key: "1"}, time.Now(), map[string]any{"line": "a\nb"}))
	}
	if err := f.events.Wait(f.t.Context(), before+int64(n)-1); err != nil {
		f.t.Fatal(err)
	}
}

// forget makes the log forget all that it has.
func (f *fixture) forget() {
	f.t.Helper()
	if _, err := f.events.Store.Prune(f.t.Context(), time.Now().Add(time.Hour), 0); err != nil {
		f.t.Fatal(err)
	}
}

func numbersOf(a answer) (numbers []int64) {
	for _, e := range decoded[EventStretch](a).Items {
		numbers = append(numbers, e.Number)
	}
	return numbers
}

func TestEventsArePolled(t *testing.T) {
	f := newFixture(t)
	f.happen(eventlog.MessageHeld, 3)
	f.happen(eventlog.JobFinished, 2)
	for query, want := range map[string]string{
		"":                                 "[1 2 3 4 5] 5",
		"?limit=2":                         "[1 2] 2",
		"?after=2&limit=2":                 "[3 4] 4",
		"?after=5":                         "[] 5",
		"?types=job.*":                     "[4 5] 5",
		"?types=message.held,queue.*":      "[1 2 3] 5",
		"?types=queue.*&after=1":           "[] 5",
		"?after=3&types=message.held":      "[] 5",
		"?limit=1&types=job.finished":      "[4] 4",
		"?after=5&wait=10ms":               "[] 5",
		"?after=0&wait=60s&types=job.*":    "[4 5] 5",
		"?types=message.released&wait=1ms": "[] 5",
	} {
		a := f.call("GET", "/api/v1/events"+query, "").want(200)
		if got := fmt.Sprint(numbersOf(a), " ", decoded[EventStretch](a).After); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	for _, bad := range []string{"after=-1", "after=x", "after=01", "after=9223372036854775808", "types=odd", "types=,", "limit=0", "limit=1001", "wait=61s"} {
		f.call("GET", "/api/v1/events?"+bad, "").want(400)
	}
}

func TestAPollWaitsForAnEvent(t *testing.T) {
	f := newFixture(t)
	f.happen(eventlog.MessageHeld, 1)
	got := make(chan answer)
	go func() { got <- f.call("GET", "/api/v1/events?after=1&wait=60s&types=job.finished", "") }()
	f.happen(eventlog.MessageHeld, 1) // is not chosen
	f.happen(eventlog.JobFinished, 1)
	if a := (<-got).want(200); fmt.Sprint(numbersOf(a)) != "[3]" {
		t.Errorf("%s", a.body)
	}
}

func TestAPollBehindWhatIsForgotten(t *testing.T) {
	f := newFixture(t)
	f.happen(eventlog.MessageHeld, 3)
	f.forget()
	gone := decoded[Problem](f.call("GET", "/api/v1/events?after=1", "").want(410))
	if gone.Type != "/problems/gone" || !strings.Contains(gone.Detail, "go on after 3") {
		t.Errorf("%+v", gone)
	}
	f.call("GET", "/api/v1/events?after=4", "").want(410) // a number that was never given
	f.call("GET", "/api/v1/events?after=3", "").want(200)
	f.happen(eventlog.MessageHeld, 1)
	if a := f.call("GET", "/api/v1/events", "").want(200); fmt.Sprint(numbersOf(a)) != "[4]" {
		t.Errorf("%s", a.body)
	}
}

// reader follows a stream as a browser does.
type reader struct {
	t      *testing.T
	body   io.ReadCloser
	lines  *bufio.Scanner
	lastID string
}

func (f *fixture) follow(path, lastID string) *reader {
	f.t.Helper()
	request, err := http.NewRequestWithContext(f.t.Context(), http.MethodGet, f.server.URL+path, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer viewer")
	request.Header.Set("Accept", mediaEvents)
	if lastID != "" {
		request.Header.Set("Last-Event-ID", lastID)
	}
	response, err := f.server.Client().Do(request)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = response.Body.Close() })
	if response.StatusCode != 200 || response.Header.Get("Content-Type") != mediaEvents {
		f.t.Fatalf("%d %v", response.StatusCode, response.Header)
	}
	return &reader{t: f.t, body: response.Body, lines: bufio.NewScanner(response.Body), lastID: lastID}
}

// next returns the next event; false at the end of the stream.
func (r *reader) next() (name, data string, ok bool) {
	for r.lines.Scan() {
		field, value, _ := strings.Cut(r.lines.Text(), ": ")
		switch field {
		case "id":
			r.lastID = value
		case "event":
			name = value
		case "data":
			data += value
		case "":
			if data != "" {
				return name, data, true
			}
			name = ""
		}
	}
	return "", "", false
}

// A reader that loses its connection again and again, and comes back with the last
// id, gets every event once.
func TestAStreamIsTakenUpAgain(t *testing.T) {
	f := newFixture(t)
	const all = 300
	go func() {
		for range all {
			f.events.Append(eventlog.New(eventlog.MessageHeld, eventlog.Subject{}, time.Now(), nil))
		}
	}()
	lastID := "0"
	for want := 1; want <= all; {
		r := f.follow("/api/v1/events", lastID)
		for range 37 {
			name, _, ok := r.next()
			if !ok || name != "message.held" || r.lastID != fmt.Sprint(want) {
				t.Fatalf("%q %s, want event %d", name, r.lastID, want)
			}
			if want++; want > all {
				break
			}
		}
		lastID = r.lastID
		_ = r.body.Close()
	}
}

func TestAStreamBeginsNow(t *testing.T) {
	f := newFixture(t)
	f.happen(eventlog.MessageHeld, 2)
	r := f.follow("/api/v1/events?types=job.*", "")
	f.happen(eventlog.MessageHeld, 1)
	f.happen(eventlog.JobFinished, 1)
	name, data, _ := r.next()
	if name != "job.finished" || r.lastID != "4" || !strings.Contains(data, `"data":{"line":"a\nb"}`) {
		t.Errorf("%s %s %s", name, r.lastID, data)
	}
	older := f.follow("/api/v1/events?after=1", "")
	if _, _, ok := older.next(); !ok || older.lastID != "2" {
		t.Errorf("after=1 begins with %s", older.lastID)
	}
}

func TestAStreamBehindWhatIsForgottenIsReset(t *testing.T) {
	f := newFixture(t)
	f.happen(eventlog.MessageHeld, 3)
	f.forget()
	r := f.follow("/api/v1/events", "1")
	if name, data, _ := r.next(); name != "reset" || r.lastID != "3" || !strings.Contains(data, `"after":3`) {
		t.Errorf("%s %s %s", name, r.lastID, data)
	}
	f.happen(eventlog.JobFinished, 1)
	if name, _, _ := r.next(); name != "job.finished" || r.lastID != "4" {
		t.Errorf("%s %s", name, r.lastID)
	}
}

func TestStreamsEndWithTheServer(t *testing.T) {
	f := newFixture(t)
	r := f.follow("/api/v1/events", "")
	polled := make(chan answer)
	go func() { polled <- f.call("GET", "/api/v1/events?wait=60s", "") }()
	f.api.EndStreams()
	if _, _, ok := r.next(); ok {
		t.Error("an event came")
	}
	(<-polled).want(200)
}

// One caller cannot hold all the streams that there are.
func TestStreamsAreBounded(t *testing.T) {
	f := newFixture(t)
	var readers []*reader
	for range maxOwnStreams {
		readers = append(readers, f.follow("/api/v1/events", ""))
	}
	refused := f.callAs("viewer", "GET", "/api/v1/events", "", "Accept", mediaEvents).want(429)
	if refused.header.Get("Retry-After") == "" {
		t.Errorf("%v", refused.header)
	}
	f.callAs("viewer", "GET", "/api/v1/events?wait=1s", "").want(429)
	f.call("GET", "/api/v1/events?wait=1s", "").want(200) // others go on
	f.call("GET", "/api/v1/events", "", "Accept", mediaEvents, "Last-Event-ID", "-1").want(400)
	f.call("GET", "/api/v1/events", "", "Accept", "text/plain").want(406)
	f.server.CloseClientConnections()
	for _, r := range readers {
		_ = r.body.Close()
	}
	smtptest.Eventually(t, func() bool {
		return f.callAs("viewer", "GET", "/api/v1/events?wait=1s", "").status == 200
	}, "room for the caller again")
}

func TestStreamsOfAllCallersAreBounded(t *testing.T) {
	s := newStreams()
	for i := range maxStreams {
		if err := s.admit(fmt.Sprint("caller ", i)); err != nil {
			t.Fatal(i, err)
		}
	}
	if err := s.admit("another"); domain.KindOf(err) != domain.Exhausted {
		t.Errorf("one too many: %v", err)
	}
	s.dismiss("caller 7")
	if err := s.admit("another"); err != nil {
		t.Error(err)
	}
	if len(s.own) != maxStreams {
		t.Errorf("%d callers are remembered", len(s.own))
	}
}

// The limits of the server are for calls that end by themselves.
func TestAStreamOutlastsTheLimitsOfTheServer(t *testing.T) {
	f := newFixture(t)
	f.server = httptest.NewUnstartedServer(f.api.Handler())
	f.server.Config.WriteTimeout, f.server.Config.ReadTimeout = 300*time.Millisecond, 300*time.Millisecond
	f.server.Start()
	t.Cleanup(f.server.Close)
	f.happen(eventlog.MessageHeld, 1)
	r := f.follow("/api/v1/events", "1")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := f.events.Wait(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	f.happen(eventlog.JobFinished, 1)
	if name, _, ok := r.next(); !ok || name != "job.finished" {
		t.Errorf("%v %s", ok, name)
	}
}

func FuzzParseNumber(f *testing.F) {
	for _, seed := range []string{"0", "1", "4711", "-1", "+1", "01", "", " 1", "9223372036854775807", "9223372036854775808", "1e3", "٣"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		number, ok := parseNumber(text)
		if ok && (number < 0 || fmt.Sprint(number) != text) {
			t.Errorf("%q is read as %d", text, number)
		}
	})
}
