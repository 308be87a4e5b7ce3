package alertmail

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"postern/domain/alert"
	"postern/domain/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stub is a sender that ends as it is told, one end for each try.
type stub struct {
	mu   sync.Mutex
	ends []error
	at   []time.Time
}

func (s *stub) Send(context.Context, policy.AlertRecipient, alert.Alert) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = append(s.at, time.Now())
	if len(s.ends) == 0 {
		return nil
	}
	end := s.ends[0]
	s.ends = s.ends[1:]
	return end
}

// tries are the times of the tries so far.
func (s *stub) tries() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.at)
}

// notebook is a recorder.
type notebook struct {
	mu    sync.Mutex
	notes []string
}

func (n *notebook) Note(_ context.Context, id string, notice alert.Notice) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.notes = append(n.notes, strings.TrimSpace(id+" "+notice.Recipient+" "+notice.State+" "+notice.Detail))
	return nil
}

func (n *notebook) all() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.notes)
}

// dispatch runs a dispatcher in a bubble until the function returns.
func dispatch(t *testing.T, mail, webhook Sender, do func(d *Dispatcher, n *notebook)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d, notes := NewDispatcher(mail, webhook, slog.New(slog.DiscardHandler), time.Now), new(notebook)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			d.Run(ctx, notes)
			close(ended)
		}()
		do(d, notes)
		cancel()
		<-ended
	})
}

func notification(channel policy.AlertChannel, name string) alert.Notification {
	return alert.Notification{Alert: alert.Alert{ID: "1"}, Recipient: policy.AlertRecipient{Name: name, Channel: channel}}
}

func TestTries(t *testing.T) {
	passing, lasting := errors.New("not now"), final{errors.New("never")}
	for name, tc := range map[string]struct {
		ends    []error
		seconds []int // of the tries, from the first
		note    string
	}{
		"at once":      {nil, []int{0}, "1 a sent"},
		"second try":   {[]error{passing}, []int{0, 30}, "1 a sent"},
		"three in all": {[]error{passing, passing, passing}, []int{0, 30, 150}, "1 a failed not now"},
		"final":        {[]error{lasting}, []int{0}, "1 a failed never"},
		"final later":  {[]error{passing, lasting}, []int{0, 30}, "1 a failed never"},
	} {
		sender := &stub{ends: tc.ends}
		dispatch(t, sender, nil, func(d *Dispatcher, n *notebook) {
			d.Notify(notification(policy.ChannelMail, "a"))
			time.Sleep(time.Hour)
			if diff := cmp.Diff([]string{tc.note}, n.all()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
			var seconds []int
			tries := sender.tries()
			for _, at := range tries {
				seconds = append(seconds, int(at.Sub(tries[0]).Seconds()))
			}
			if diff := cmp.Diff(tc.seconds, seconds); diff != "" {
				t.Errorf("%s: tries after (-want +got):\n%s", name, diff)
			}
			if d.Sent()+d.Failed() != 1 {
				t.Errorf("%s: sent %d, failed %d", name, d.Sent(), d.Failed())
			}
		})
	}
}

// A recipient that cannot be reached does not hold up the others.
func TestRecipientsDoNotWaitForEachOther(t *testing.T) {
	dead := &stub{ends: slices.Repeat([]error{errors.New("no answer")}, 100)}
	dispatch(t, dead, new(stub), func(d *Dispatcher, n *notebook) {
		for range 10 {
			d.Notify(notification(policy.ChannelMail, "dead"))
		}
		d.Notify(notification(policy.ChannelWebhook, "alive"))
		time.Sleep(time.Second)
		if diff := cmp.Diff([]string{"1 alive sent"}, n.all()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestFloodIsHeldBack(t *testing.T) {
	sender := new(stub)
	dispatch(t, sender, nil, func(d *Dispatcher, n *notebook) {
		for range burst + 5 {
			d.Notify(notification(policy.ChannelMail, "a"))
		}
		d.Notify(notification(policy.ChannelMail, "b"))
		time.Sleep(time.Second)
		if n := len(sender.tries()); n != burst+1 || d.Failed() != 5 {
			t.Errorf("%d were told, %d held back", n, d.Failed())
		}
		time.Sleep(afterTheBurst)
		d.Notify(notification(policy.ChannelMail, "a"))
		time.Sleep(time.Second)
		if n := len(sender.tries()); n != burst+2 {
			t.Errorf("%d were told a minute later", n)
		}
	})
}

func TestNotifyNeverWaits(t *testing.T) {
	d := NewDispatcher(nil, nil, slog.New(slog.DiscardHandler), time.Now)
	taken := 0
	for i := range maxWaiting + 10 {
		if d.Notify(notification(policy.ChannelMail, strconv.Itoa(i))) {
			taken++
		}
	}
	if taken != maxWaiting || d.Failed() != 10 {
		t.Errorf("%d were taken, %d refused", taken, d.Failed())
	}
}

// What is under way at the stop is neither sent nor failed.
func TestStopIsNoFailure(t *testing.T) {
	notes := new(notebook)
	dispatch(t, &stub{ends: []error{errors.New("not now")}}, nil, func(d *Dispatcher, n *notebook) {
		notes = n
		d.Notify(notification(policy.ChannelMail, "a"))
		time.Sleep(time.Second)
	})
	if len(notes.all()) != 0 {
		t.Errorf("noted: %v", notes.all())
	}
}

// Recipients that reports name share one limit, whatever they are called.
func TestNamedRecipientsShareALimit(t *testing.T) { // B49
	sender := new(stub)
	dispatch(t, sender, nil, func(d *Dispatcher, _ *notebook) {
		for i := range burst + 5 {
			n := notification(policy.ChannelMail, strconv.Itoa(i)+"@example.org")
			n.Named = true
			d.Notify(n)
		}
		d.Notify(notification(policy.ChannelMail, "operator"))
		time.Sleep(time.Second)
		if n := len(sender.tries()); n != burst+1 || d.Failed() != 5 {
			t.Errorf("%d were told, %d held back", n, d.Failed())
		}
	})
}
