package persistence

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"postern/domain/delivery"
)

// BenchmarkQueueBatch accepts messages of 4 KiB for twenty destinations in
// batches, and settles in each those of the batch before: what a relay does that
// delivers as fast as it accepts. CPU time is that of the whole process, as the
// wall clock of a batch is the disk's.
func BenchmarkQueueBatch(b *testing.B) {
	for _, size := range []int{4, 9, 32, 128} {
		b.Run(fmt.Sprintf("messages=%d", size), func(b *testing.B) { benchmarkBatches(b, size) })
	}
}

func benchmarkBatches(b *testing.B, size int) {
	q := newMail(b)
	body := strings.Repeat("x", 4<<10)
	var previous []*delivery.Message
	began := cpuTime(b)
	for i := 0; b.Loop(); i++ {
		var batch delivery.Batch
		for j := range size {
			batch.Accepted = append(batch.Accepted, q.message(body, fmt.Sprintf("berta@d%d.example", (i*size+j)%20)))
		}
		for _, m := range previous {
			batch.Settlements = append(batch.Settlements, q.delivered(m))
		}
		if stale := q.write(batch).Stale; len(stale) > 0 {
			b.Fatalf("stale settlements: %v", stale)
		}
		previous = batch.Accepted
	}
	b.ReportMetric(float64((cpuTime(b)-began).Microseconds())/float64(b.N*size), "cpu-µs/message")
}

// delivered is the settlement that ends a message with one recipient.
func (q *mail) delivered(m *delivery.Message) *delivery.Settlement {
	s := q.settlement(m, delivery.RecipientDelivered, 0, 0)
	s.Last = true
	return s
}

func cpuTime(t testing.TB) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
