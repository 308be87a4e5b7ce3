package main

import (
	"sync/atomic"
	"time"
)

// entry is what is known of one message; times in nanoseconds since 1970, 0: not
// yet.
type entry struct {
	sent, acknowledged, arrived atomic.Int64
	copies, altered             atomic.Int32
}

// ledger has an entry for every message of one run. Load and sink write to it at
// the same time.
type ledger struct {
	run     string // told apart from the messages of other runs
	entries []entry

	acknowledged, arrived, strangers atomic.Int64
	lastArrival                      atomic.Int64
}

func newLedger(run string, size int) *ledger {
	return &ledger{run: run, entries: make([]entry, size)}
}

// beginning notes that the DATA command of a message goes out.
func (l *ledger) beginning(seq int) { l.entries[seq].sent.Store(time.Now().UnixNano()) }

// acknowledge notes the relay's 250.
func (l *ledger) acknowledge(seq int) {
	l.entries[seq].acknowledged.Store(time.Now().UnixNano())
	l.acknowledged.Add(1)
}

// arrive notes that the sink has all of a message.
func (l *ledger) arrive(run string, seq int, intact bool) {
	if run != l.run || seq < 0 || seq >= len(l.entries) {
		l.strangers.Add(1)
		return
	}
	e, now := &l.entries[seq], time.Now().UnixNano()
	if !intact {
		e.altered.Add(1)
	}
	if e.copies.Add(1) > 1 {
		return
	}
	e.arrived.Store(now)
	l.arrived.Add(1)
	l.lastArrival.Store(now)
}

// audit is the sum of a ledger.
type audit struct {
	Acknowledged int `json:"acknowledged"`
	Arrived      int `json:"arrived"`
	Lost         int `json:"lost"`    // acknowledged and never arrived
	Doubled      int `json:"doubled"` // arrived more than once
	Altered      int `json:"altered"` // arrived with another body

	Reply latency `json:"reply"` // DATA to 250
	Lag   latency `json:"lag"`   // 250 to arrival
}

// audit sums up; it is called when load and sink are done.
func (l *ledger) audit() audit {
	var a audit
	var replies, lags []time.Duration
	for i := range l.entries {
		e := &l.entries[i]
		sent, acknowledged, arrived := e.sent.Load(), e.acknowledged.Load(), e.arrived.Load()
		if arrived != 0 {
			a.Arrived++
		}
		if e.copies.Load() > 1 {
			a.Doubled++
		}
		if e.altered.Load() > 0 {
			a.Altered++
		}
		if acknowledged == 0 {
			continue
		}
		a.Acknowledged++
		replies = append(replies, time.Duration(acknowledged-sent))
		if arrived == 0 {
			a.Lost++
			continue
		}
		// The next hop may have a message before its client reads the 250.
		lags = append(lags, time.Duration(max(0, arrived-acknowledged)))
	}
	a.Reply, a.Lag = latencyOf(replies), latencyOf(lags)
	return a
}
