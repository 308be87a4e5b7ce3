package persistence

import (
	"fmt"
	"reflect"
	"testing"

	"postern/domain/delivery"
)

// BenchmarkQueueRow turns a message into the values of its rows, and back.
func BenchmarkQueueRow(b *testing.B) {
	q := newMail(b)
	m := q.message("body", "berta@d1.example")
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		values := make([]any, 0, 64)
		for b.Loop() {
			row, err := appendMessage(values[:0], m, false)
			if err != nil {
				b.Fatal(err)
			}
			appendRecipients(row, m)
		}
	})
	b.Run("read", func(b *testing.B) {
		row, err := appendMessage(nil, m, false)
		if err != nil {
			b.Fatal(err)
		}
		// In the order of messageColumns, of a message that is not finished.
		stored := storedRow{row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8], int64(0)}
		b.ReportAllocs()
		for b.Loop() {
			got, _, err := q.scanMessage(stored)
			if err != nil {
				b.Fatal(err)
			}
			if got.ID != m.ID {
				b.Fatal(got.ID)
			}
		}
	})
	b.Run("attempt", func(b *testing.B) {
		s := q.settlement(m, delivery.RecipientDelivered, 0, 0)
		b.ReportAllocs()
		values := make([]any, 0, 64)
		for b.Loop() {
			if _, err := appendAttempt(values[:0], 1, &s.Attempt, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// storedRow is a row whose values are those that were written.
type storedRow []any

func (r storedRow) Scan(into ...any) error {
	if len(into) != len(r) {
		return fmt.Errorf("%d values are wanted of %d", len(into), len(r))
	}
	for i := range into {
		reflect.ValueOf(into[i]).Elem().Set(reflect.ValueOf(r[i]))
	}
	return nil
}
