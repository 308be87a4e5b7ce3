package queue

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"postern/domain"
)

// How often the store is probed: so seldom while all is well, so often while it
// is not.
const (
	probeInterval    = 5 * time.Second
	recoveryInterval = time.Second
)

// probeAfter is how many octets may be stored before the disk is looked at out
// of turn: a small part of the room that is kept free.
const probeAfter = 4 << 20

// health knows whether messages can be stored (B77). A failed write makes it
// bad at once; only a probe, which looks at the free space too, makes it good
// again.
type health struct {
	store  Store
	logger *slog.Logger

	unseen atomic.Int64  // octets stored since the last look
	look   chan struct{} // asks for a look

	mu  sync.Mutex
	err error // nil: well
}

// stored takes note of octets that went to the disk.
func (h *health) stored(octets int64) {
	if h.unseen.Add(octets) < probeAfter {
		return
	}
	h.unseen.Store(0)
	select {
	case h.look <- struct{}{}:
	default: // it is asked for already
	}
}

// Accepting returns nil while messages can be stored, else why not.
func (h *health) Accepting() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// wrote takes note of how a write ended.
func (h *health) wrote(err error) {
	if err != nil && domain.KindOf(err) == domain.Unavailable {
		h.set(err)
	}
}

func (h *health) set(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case err != nil && h.err == nil:
		h.logger.Error("spool unhealthy", slog.Any("error", err))
	case err == nil && h.err != nil:
		h.logger.Info("spool healthy again")
	}
	h.err = err
}

// run probes until the context ends.
func (h *health) run(ctx context.Context) {
	for {
		err := h.store.Probe(ctx)
		if ctx.Err() != nil {
			return
		}
		h.set(err)
		pause := probeInterval
		if err != nil {
			pause = recoveryInterval
		}
		if !h.wait(ctx, pause) {
			return
		}
	}
}

// wait lasts until the next look is due; false when the context ended first.
func (h *health) wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-h.look:
		return true
	case <-ctx.Done():
		return false
	}
}

// sleep waits; false when the context ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
