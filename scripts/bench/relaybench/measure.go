package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
)

const (
	// patience is how long nothing may arrive before a run counts what is missing.
	patience = 30 * time.Second
	// aftermath is what a relay has after the last arrival to write down how its
	// deliveries ended: that belongs to their cost.
	aftermath = 300 * time.Millisecond
	// mostMessages bounds the ledger of a run that has no number of its own.
	mostMessages = 1_000_000
	// flushEvery is how often a relay is asked again to try what waits.
	flushEvery = 5 * time.Second
)

// measurement is what one run of one scenario said about one relay.
type measurement struct {
	Relay    string `json:"relay"`
	Scenario string `json:"scenario"`
	audit

	Seconds    float64 `json:"seconds"`     // from the first DATA to the last arrival
	Rate       float64 `json:"rate"`        // messages a second, end to end
	AcceptRate float64 `json:"accept_rate"` // messages a second, until the last 250
	CPUSeconds float64 `json:"cpu_seconds"` // of the relay's processes
	PerCPU     float64 `json:"per_cpu"`     // messages per CPU second
	PeakMiB    float64 `json:"peak_mib"`    // of the relay's processes
	IdleMiB    float64 `json:"idle_mib"`    // E: before the connections
	KiBEach    float64 `json:"kib_each"`    // E: for each connection
	DrainS     float64 `json:"drain_s"`     // F: next hop up until the last arrival
	FirstError string  `json:"error,omitempty"`
}

// faults says what makes a run worthless.
func (m measurement) faults() error {
	if m.Lost == 0 && m.Altered == 0 && m.Doubled == 0 && m.FirstError == "" {
		return nil
	}
	return fmt.Errorf("%s in %s: %d lost, %d altered, %d doubled; first error: %q", m.Relay, m.Scenario, m.Lost, m.Altered, m.Doubled, m.FirstError)
}

// meter measures relays in front of one sink, one at a time.
type meter struct {
	sink *sink
	runs int
}

// begin opens a new ledger for a load.
func (m *meter) begin(l load, messages int) (*ledger, body) {
	m.runs++
	book := newLedger("r"+strconv.Itoa(m.runs), messages)
	text := newBody(l.size)
	m.sink.clear.Store(!l.secure)
	m.sink.sum.Store(text.sum)
	m.sink.ledger.Store(book)
	m.sink.cut()
	return book, text
}

// flow sends mail for the load's time and waits until all of it has arrived.
func (m *meter) flow(ctx context.Context, r target, l load) measurement {
	if l.messages == 0 {
		l.messages = mostMessages
	}
	book, text := m.begin(l, l.messages)
	stopwatch := watch(r)
	err := l.send(ctx, book, text)
	accepted := time.Since(stopwatch.begun)
	awaitArrivals(ctx, book, nil)
	return stopwatch.stop(book, accepted, err)
}

// accept sends mail that cannot be delivered yet.
func (m *meter) accept(ctx context.Context, r target, l load) (measurement, *ledger) {
	book, text := m.begin(l, l.messages)
	stopwatch := watch(r)
	err := l.send(ctx, book, text)
	result := stopwatch.stop(book, time.Since(stopwatch.begun), err)
	result.PerCPU = ratio(float64(result.Acknowledged), result.CPUSeconds)
	return result, book
}

// drain sends mail while the sink is down, and measures the delivery alone.
func (m *meter) drain(ctx context.Context, r target, l load) (measurement, error) {
	m.sink.down()
	_, book := m.accept(ctx, r, l)
	if err := m.sink.up(); err != nil {
		return measurement{}, err
	}
	stopwatch := watch(r)
	awaitArrivals(ctx, book, func() error { return r.flush(ctx) })
	result := stopwatch.stop(book, 0, nil)
	result.DrainS = result.Seconds
	if missing := l.messages - result.Acknowledged; missing > 0 {
		result.FirstError = fmt.Sprintf("%d messages were not accepted", missing)
	}
	return result, nil
}

// awaitArrivals returns when everything acknowledged has arrived, or nothing has for
// a while. The relay is asked to flush now and again, if there is a way to ask.
func awaitArrivals(ctx context.Context, book *ledger, flush func() error) {
	var flushing sync.WaitGroup
	defer flushing.Wait()
	var asked time.Time
	seen, moved := int64(-1), time.Now()
	for book.arrived.Load() < book.acknowledged.Load() && ctx.Err() == nil && time.Since(moved) < patience {
		if flush != nil && time.Since(asked) > flushEvery {
			asked = time.Now()
			flushing.Go(func() { _ = flush() }) // asked again if it did not help
		}
		if arrived := book.arrived.Load(); arrived != seen {
			seen, moved = arrived, time.Now()
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// watched is a run that is being measured.
type watched struct {
	relay target
	begun time.Time
	cpu   time.Duration
	done  chan struct{}
	peak  <-chan float64
}

func watch(r target) watched {
	done := make(chan struct{})
	return watched{relay: r, begun: time.Now(), cpu: r.processes().cpu(), done: done, peak: r.processes().peakMemory(done)}
}

func (w watched) stop(book *ledger, accepted time.Duration, err error) measurement {
	time.Sleep(aftermath)
	used := w.relay.processes().cpu() - w.cpu
	close(w.done)
	result := measurement{Relay: w.relay.name(), audit: book.audit(), CPUSeconds: used.Seconds(), PeakMiB: <-w.peak}
	if last := book.lastArrival.Load(); last != 0 {
		result.Seconds = time.Unix(0, last).Sub(w.begun).Seconds()
	}
	result.Rate = ratio(float64(result.Arrived), result.Seconds)
	result.AcceptRate = ratio(float64(result.Acknowledged), accepted.Seconds())
	result.PerCPU = ratio(float64(result.Arrived), result.CPUSeconds)
	if err != nil {
		result.FirstError = err.Error()
	}
	return result
}

// idle holds connections open and measures the memory that they take.
func (m *meter) idle(ctx context.Context, r target, count int) (measurement, error) {
	result := measurement{Relay: r.name(), IdleMiB: r.processes().memory()}
	held := make([]*client, count)
	defer func() {
		for _, c := range held {
			if c != nil {
				c.raw.Close()
			}
		}
	}()
	failures := make([]error, count)
	var dialing sync.WaitGroup
	turns := make(chan struct{}, 20)
	for i := range held {
		turns <- struct{}{}
		dialing.Go(func() {
			held[i], failures[i] = dialRelay(ctx, r.address(), true)
			<-turns
		})
	}
	dialing.Wait()
	time.Sleep(time.Second) // what a handshake needed is given back
	result.PeakMiB = r.processes().memory()
	result.KiBEach = (result.PeakMiB - result.IdleMiB) * kib / float64(count)
	return result, errors.Join(failures...)
}
