package queue

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"postern/domain/delivery"
)

// slowDisk is a store whose batches cost one sync, and nothing else.
type slowDisk struct {
	Store
	sync    time.Duration
	batches atomic.Int64
}

func (d *slowDisk) Write(context.Context, *delivery.Batch) (delivery.Written, error) {
	d.batches.Add(1)
	time.Sleep(d.sync)
	return delivery.Written{}, nil
}

// deafLedger wants to hear of no message.
type deafLedger struct{}

func (deafLedger) arriving([]*delivery.Message) {}
func (deafLedger) arrived([]*delivery.Message)  {}
func (deafLedger) refused([]*delivery.Message)  {}

// BenchmarkGroupCommit lets 20 sessions store messages on disks of different speed.
// The time is that of one message: with one sync each it would be the sync's.
func BenchmarkGroupCommit(b *testing.B) {
	for _, sync := range []time.Duration{0, 200 * time.Microsecond, 5 * time.Millisecond} {
		b.Run(fmt.Sprintf("sync=%s", sync), func(b *testing.B) { benchmarkGroupCommit(b, sync) })
	}
}

func benchmarkGroupCommit(b *testing.B, sync time.Duration) {
	const sessions = 20
	disk := &slowDisk{sync: sync}
	c := newCommitter(disk, deafLedger{}, &health{store: disk, logger: slog.New(slog.DiscardHandler), look: make(chan struct{}, 1)})
	go c.run()
	body := delivery.BytesBody("4 KiB, say")
	var left atomic.Int64
	left.Store(int64(b.N))
	done := make(chan error, sessions)
	b.ResetTimer()
	for range sessions {
		go func() {
			for left.Add(-1) >= 0 {
				if _, err := c.write(b.Context(), delivery.Batch{Accepted: []*delivery.Message{{Body: body}}}); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range sessions {
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/float64(disk.batches.Load()), "messages/sync")
	close(c.stop)
	<-c.ended
}
