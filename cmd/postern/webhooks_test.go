package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/domain/config"
	"postern/domain/eventlog"
	"postern/persistence"
	"postern/smtp/smtptest"
)

const whsec = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// receiver is the other side of a webhook, written from the specification of
// Standard Webhooks and nothing of ours.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	failing bool
	numbers []int64
}

func newReceiver(t *testing.T) *receiver {
	r := new(receiver)
	key, err := base64.StdEncoding.DecodeString(whsec)
	if err != nil {
		t.Fatal(err)
	}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		mac := hmac.New(sha256.New, key)
		fmt.Fprint(mac, q.Header.Get("webhook-id"), ".", q.Header.Get("webhook-timestamp"), ".", string(body))
		version, signature, _ := strings.Cut(q.Header.Get("webhook-signature"), ",")
		got, err := base64.StdEncoding.DecodeString(signature)
		if err != nil || version != "v1" || !hmac.Equal(got, mac.Sum(nil)) {
			t.Errorf("bad signature %q", q.Header.Get("webhook-signature"))
		}
		if at, err := strconv.ParseInt(q.Header.Get("webhook-timestamp"), 10, 64); err != nil || time.Since(time.Unix(at, 0)).Abs() > time.Minute {
			t.Errorf("time stamp %d", at)
		}
		r.take(w, body)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) take(w http.ResponseWriter, body []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var m struct{ Number int64 }
	if json.Unmarshal(body, &m) != nil || r.failing {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	r.numbers = append(r.numbers, m.Number)
}

func (r *receiver) fail(failing bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failing = failing
}

func (r *receiver) taken() []int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.numbers)
}

func TestWebhooksGetEveryEventOverARestart(t *testing.T) {
	dir := t.TempDir()
	g := newGateway(t, dir)
	token := g.token
	r := newReceiver(t)
	hook := fmt.Sprintf(`{"url":%q,"types":["configuration.committed","webhook.test"],"secret":"whsec_%s"}`, r.URL, whsec)
	if bad := g.call("PUT", "/webhooks/board", hook); bad.status != 422 { // no such type
		t.Fatalf("%d %s", bad.status, bad.body)
	}
	g.must("PUT", "/settings/alerts", `{"allow_private_webhooks":true}`)
	g.must("PUT", "/webhooks/board", strings.Replace(hook, `,"webhook.test"`, "", 1))
	test := decode[struct{ Delivered bool }](t, g.must("POST", "/webhooks/board/test", ""))
	if !test.Delivered || !slices.Equal(r.taken(), []int64{0}) {
		t.Errorf("the test: %+v %v", test, r.taken())
	}
	smtptest.Eventually(t, func() bool {
		state := decode[struct{ Position int64 }](t, g.must("GET", "/webhooks/board/state", ""))
		return state.Position > 0
	}, "the webhook has begun")
	commit := func(n int) {
		for i := range n {
			g.must("PUT", fmt.Sprintf("/routes/r%d-%d.example", g.newestEvent(), i), `{"next_hops":[{"host":"192.0.2.1"}]}`)
		}
	}
	commit(3)
	smtptest.Eventually(t, func() bool { return len(r.taken()) >= 4 }, "three events arrive")
	r.fail(true) // one is tried, and waits with those behind it
	commit(2)
	smtptest.Eventually(t, func() bool {
		return strings.Contains(string(g.must("GET", "/webhooks/board/deliveries?state=pending", "").body), `"status":503`)
	}, "a try failed")
	g.stop()
	r.fail(false)
	g = newGateway(t, dir)
	g.token = token
	commit(1)
	smtptest.Eventually(t, func() bool { return len(r.taken()) >= 7 }, "all arrive")

	numbers := r.taken()[1:]
	if !slices.IsSorted(numbers) || len(slices.Compact(slices.Clone(numbers))) != len(numbers) {
		t.Errorf("%v", numbers)
	}
	first := numbers[0]
	g.must("POST", fmt.Sprintf("/webhooks/board/deliveries/%d/replay", first), "")
	if got := r.taken(); got[len(got)-1] != first {
		t.Errorf("%v", got)
	}
	g.must("POST", fmt.Sprintf("/webhooks/board/replay?after=%d", first), "")
	smtptest.Eventually(t, func() bool { return len(r.taken()) >= 13 }, "the others arrive again")
	if got := r.taken()[8:13]; !slices.Equal(got, numbers[1:]) {
		t.Errorf("replayed: %v, want %v", got, numbers[1:])
	}
	g.must("DELETE", "/webhooks/board", "")
	if gone := g.call("GET", "/webhooks/board/deliveries", ""); gone.status != 404 {
		t.Errorf("%d", gone.status)
	}
}

// A webhook that is committed just before a crash gets what happened between its
// commit and the first look at it after the restart.
func TestAWebhookBeginsAtItsCommitOverACrash(t *testing.T) {
	dir := t.TempDir()
	g := newGateway(t, dir)
	r := newReceiver(t)
	g.must("PUT", "/settings/alerts", `{"allow_private_webhooks":true}`)
	hook := fmt.Sprintf(`{"url":%q,"types":["job.finished"],"secret":"whsec_%s","enabled":false}`, r.URL, whsec)
	g.must("PUT", "/webhooks/board", hook)
	g.stop()
	missed := switchOnUnseen(t, dir, "board")
	newGateway(t, dir)
	smtptest.Eventually(t, func() bool { return len(r.taken()) > 0 }, "the event arrives")
	if got := r.taken(); !slices.Equal(got, []int64{missed}) {
		t.Errorf("taken %v, want %d", got, missed)
	}
}

// switchOnUnseen commits that a webhook is switched on where no dispatcher sees it,
// lets an event follow and returns its number.
func switchOnUnseen(t *testing.T, dir, name string) (missed int64) {
	t.Helper()
	database, err := persistence.Open(t.Context(), dir, persistence.Options{Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := database.Close(); err != nil {
			t.Error(err)
		}
	}()
	store := database.Configuration()
	var hook config.Item
	newest, err := store.Load(t.Context(), func(i config.Item) error {
		if i.Kind == config.KindWebhook && i.Key == name {
			hook = i
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	hook.Document = bytes.Replace(hook.Document, []byte(`"enabled":false`), []byte(`"enabled":true`), 1)
	hook.ETag, hook.Revision = config.ETagOf(hook.Document), newest+1
	if err := store.Commit(t.Context(), newest, config.Revision{Number: newest + 1, Author: "test", At: time.Now()}, []config.Item{hook}); err != nil {
		t.Fatal(err)
	}
	e := eventlog.New(eventlog.JobFinished, eventlog.Subject{Kind: "job", Key: "1"}, time.Now(), nil)
	if err := database.Events().Append(t.Context(), []eventlog.Event{e}); err != nil {
		t.Fatal(err)
	}
	if missed, err = database.Events().Newest(t.Context()); err != nil {
		t.Fatal(err)
	}
	return missed
}

// Without the word of the administrator no event leaves for this machine.
func TestWebhooksToThisMachineNeedASetting(t *testing.T) {
	g := newGateway(t, t.TempDir())
	r := newReceiver(t)
	g.must("PUT", "/webhooks/board", fmt.Sprintf(`{"url":%q,"secret":"whsec_%s"}`, r.URL, whsec))
	test := decode[struct {
		Delivered bool
		Error     string
	}](t, g.must("POST", "/webhooks/board/test", ""))
	if test.Delivered || !strings.Contains(test.Error, "does not allow") || len(r.taken()) > 0 {
		t.Errorf("%+v %v", test, r.taken())
	}
}
