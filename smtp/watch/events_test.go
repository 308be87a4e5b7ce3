package watch

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/event"
	"postern/domain/eventlog/eventlogtest"
	"postern/domain/mailaddr"
)

func typesOf(c *eventlogtest.Collector) (list []string) {
	for _, e := range c.Take() {
		list = append(list, string(e.Type)+" "+e.Subject.Key)
	}
	return list
}

// A state is told when it changes, however often it is looked at.
func TestStatesAreEventsWhenTheyChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, bus := new(eventlogtest.Collector), new(event.Bus)
		var status atomic.Pointer[config.Status]
		var broken atomic.Bool
		status.Store(&config.Status{Committed: 1, Applied: 1})
		states := NewStates(log, bus, func() config.Status { return *status.Load() }, func() error {
			if broken.Load() {
				return errors.New("the disk is full")
			}
			return nil
		}, time.Now)
		ctx, end := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			states.Run(ctx)
		}()
		step := func(do func(), want ...string) {
			t.Helper()
			do()
			time.Sleep(10 * time.Second)
			if diff := cmp.Diff(want, typesOf(log)); diff != "" {
				t.Error(diff)
			}
		}
		step(func() {}, "configuration.applied 1")
		stuck := config.Status{Committed: 2, Applied: 1, Problems: []config.Problem{{Part: "listener a", Detail: "taken"}}}
		step(func() { status.Store(&stuck) }, "configuration.stuck 2")
		step(func() { status.Store(&config.Status{Committed: 2, Applied: 2}) }, "configuration.applied 2")
		step(func() { broken.Store(true) }, "queue.unhealthy ")
		step(func() { broken.Store(false) }, "queue.recovered ")
		end()
		<-ended
	})
}

func TestBouncesAreEventsWithoutAddresses(t *testing.T) {
	log := new(eventlogtest.Collector)
	m := &delivery.Message{Recipients: []delivery.Recipient{
		{Address: mailaddr.Mailbox{Local: "ann", Domain: "a.example"}},
		{Address: mailaddr.Mailbox{Local: "bob", Domain: "a.example"}},
		{Address: mailaddr.Mailbox{Local: "eve", Domain: "b.example"}},
	}}
	gone := delivery.Outcome{Status: delivery.Bounced, Code: 550, Enhanced: "5.1.1", Text: "ann is not here"}
	bounces := NewBounces(log)
	bounces.Settled(m, &delivery.Settlement{Progress: []delivery.Progress{{Recipient: 2, State: delivery.RecipientQueued}}})
	bounces.Settled(m, &delivery.Settlement{Progress: []delivery.Progress{
		{Recipient: 0, State: delivery.RecipientBounced, Last: gone},
		{Recipient: 1, State: delivery.RecipientBounced, Last: gone},
		{Recipient: 2, State: delivery.RecipientQueued},
	}})
	events := log.Take()
	if len(events) != 1 {
		t.Fatalf("%+v", events)
	}
	const want = `{"code":550,"domains":{"a.example":2},"enhanced":"5.1.1","recipients":2}`
	if got := string(events[0].Data); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
