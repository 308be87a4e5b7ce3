package persistence

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
)

func TestSpooledBodiesTakeOctetsInBetween(t *testing.T) {
	q := newMail(t)
	content := bytes.Repeat([]byte("0123456789abcdef"), 3*spoolBuffer/16+7)
	for _, offset := range []int{0, 1, 100, spoolBuffer, len(content) - 1, len(content)} {
		for _, octets := range []int{1, 50, spoolBuffer + 3} {
			t.Run(fmt.Sprint(offset, " ", octets), func(t *testing.T) {
				m := q.message("", "ben@example.net")
				w, err := q.Spool(m.ID)
				if err != nil {
					t.Fatal(err)
				}
				added := bytes.Repeat([]byte{'+'}, octets)
				for _, step := range []error{second(w.Write(content)), w.Insert(int64(offset), added), second(w.Write([]byte("end")))} {
					if step != nil {
						t.Fatal(step)
					}
				}
				if m.Body, err = w.Finish(); err != nil {
					t.Fatal(err)
				}
				q.accept(m)
				want := append(slices.Insert(slices.Clone(content), offset, added...), "end"...)
				if got := readBody(t, m.Body); got != string(want) || m.Body.Size() != int64(len(want)) {
					t.Errorf("%d octets, size %d, want %d", len(got), m.Body.Size(), len(want))
				}
			})
		}
	}
}

// second drops the count of a write.
func second(_ int, err error) error { return err }
