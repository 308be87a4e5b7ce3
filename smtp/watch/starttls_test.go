package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postern/domain/alert"
	"postern/domain/delivery"
	"postern/domain/event"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/domain/tlsreport"
)

func meeting(domain string, result delivery.TLSResult) tlsreport.Connection {
	return tlsreport.Connection{Domain: domain, Host: "mx." + domain, Requirement: tlsreport.Preferred, Result: result}
}

// What the store remembers is evidence after a restart.
func TestPartners(t *testing.T) { // B62
	synctest.Test(t, func(t *testing.T) {
		j := newJournal("starttls_dropped:open.example")
		d := NewDeliveries(j, slog.New(slog.DiscardHandler))
		p := NewPartners(map[mailaddr.DomainName]delivery.LastTLS{
			"good.example": {Host: "mx.good.example", Result: delivery.TLSSuccess},
			"bare.example": {Host: "mx.bare.example", Result: delivery.TLSClear},
			"open.example": {Host: "mx.open.example", Result: delivery.TLSClear},
		}, d.Find, time.Now)
		running(t, d.Run, func() {
			p.CountConnection(meeting("bare.example", delivery.TLSClear))
			p.CountConnection(meeting("new.example", delivery.TLSClear))
			p.CountConnection(meeting("good.example", delivery.TLSClear))
			p.CountConnection(meeting("good.example", delivery.TLSClear))
			time.Sleep(2 * settle)
			j.want(t, "raise starttls_dropped:good.example 1")
			p.CountConnection(meeting("good.example", delivery.TLSSuccess))
			time.Sleep(2 * settle)
			j.want(t, "resolve starttls_dropped:good.example")
			// An alert of before the restart ends too.
			p.CountConnection(meeting("open.example", delivery.TLSSuccess))
			time.Sleep(2 * settle)
			j.want(t, "resolve starttls_dropped:open.example")
		})
	})
}

func TestPartnersAreBounded(t *testing.T) {
	p := NewPartners(nil, func(alert.Finding) {}, time.Now)
	for i := range MaxPartners + 100 {
		p.CountConnection(meeting(fmt.Sprintf("d%d.example", i), delivery.TLSClear))
	}
	if len(p.known) != MaxPartners {
		t.Errorf("%d are known", len(p.known))
	}
}

// counted stands for the statistics.
type counted struct {
	mu     sync.Mutex
	clear  map[tlsreport.Direction]int64
	err    error
	asked  []tlsreport.Query
	bounds policy.PlaintextShare
}

func (c *counted) set(do func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	do()
}

// totals says that one message went under TLS beside those in clear.
func (c *counted) totals(_ context.Context, q tlsreport.Query) ([]tlsreport.Summary, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, q)
	return []tlsreport.Summary{{Direction: q.Direction, MessagesEncrypted: 1, MessagesUnencrypted: c.clear[q.Direction]}}, c.err
}

// times returns how often it was asked.
func (c *counted) times() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.asked)
}

func (c *counted) share() policy.PlaintextShare {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bounds
}

func TestPlaintextShareIsWatched(t *testing.T) { // B62
	synctest.Test(t, func(t *testing.T) {
		c := &counted{clear: map[tlsreport.Direction]int64{tlsreport.Incoming: 1, tlsreport.Outgoing: 1}}
		j, bus := newJournal(), new(event.Bus)
		conditions := NewConditions(j, bus, slog.New(slog.DiscardHandler), PlaintextShare(c.totals, c.share, time.Now))
		running(t, conditions.Run, func() {
			synctest.Wait()
			j.want(t)
			if n := c.times(); n != 0 {
				t.Errorf("without a bound it asks %d times", n)
			}
			// A changed bound is judged at once, one direction by itself.
			c.set(func() {
				c.bounds.Outgoing = policy.ShareBound{Enabled: true, AbovePercent: 40, MinMessages: 1, WindowHours: 2}
			})
			bus.Publish(event.ConfigurationApplied)
			synctest.Wait()
			j.want(t, "raise plaintext_share:outgoing 0")
			if q := c.asked[0]; len(c.asked) != 1 || q.Direction != tlsreport.Outgoing || q.From.After(time.Now().Add(-2*time.Hour)) || !q.To.After(time.Now()) {
				t.Errorf("it asks %v", c.asked)
			}
			// Figures that change are seen within a minute, and asked for no more often.
			c.set(func() { c.clear[tlsreport.Outgoing] = 0 })
			time.Sleep(shareInterval + lookInterval + time.Second)
			if got := c.times(); got != 2 {
				t.Errorf("asked %d times", got)
			}
			j.mu.Lock()
			last := j.told[len(j.told)-1]
			j.told = nil
			j.mu.Unlock()
			if last != "resolve plaintext_share:outgoing" {
				t.Errorf("last told: %s", last)
			}
			// What cannot be summed is no news.
			c.set(func() { c.clear[tlsreport.Outgoing], c.err = 5, errors.New("the disk is gone") })
			time.Sleep(2 * shareInterval)
			j.want(t)
		})
	})
}
