package queue

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"postern/domain/delivery"
)

func newBodyWriter(limit int64) (*BodyWriter, *memorySpool) {
	spool := &memorySpool{files: map[delivery.MessageID]*bytes.Buffer{}}
	return &BodyWriter{id: 1, spool: spool, budget: &budget{limit: limit}, health: new(health)}, spool
}

func TestBodyGoesToAFileWhenItGetsBig(t *testing.T) {
	for name, c := range map[string]struct {
		size, piece int
		limit       int64
		inFile      bool
	}{
		"empty":           {0, 1, 1 << 20, false},
		"small":           {5000, 700, 1 << 20, false},
		"at the limit":    {maxBodyInMemory, 4096, 1 << 20, false},
		"over the limit":  {maxBodyInMemory + 1, 4096, 1 << 20, true},
		"in one piece":    {3 * maxBodyInMemory, 3 * maxBodyInMemory, 1 << 20, true},
		"memory is short": {20_000, 1000, 16_000, true},
	} {
		t.Run(name, func(t *testing.T) {
			w, spool := newBodyWriter(c.limit)
			content := strings.Repeat("x", c.size)
			for rest := content; rest != ""; rest = rest[min(c.piece, len(rest)):] {
				if _, err := io.WriteString(w, rest[:min(c.piece, len(rest))]); err != nil {
					t.Fatal(err)
				}
				if used := w.budget.used.Load(); used > c.limit || used > maxBodyInMemory {
					t.Fatalf("%d octets are in memory", used)
				}
			}
			body, err := w.Finish()
			if err != nil {
				t.Fatal(err)
			}
			r, err := body.Open()
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if err != nil || string(got) != content || body.Size() != int64(c.size) {
				t.Errorf("body has %d octets and size %d, %v", len(got), body.Size(), err)
			}
			if (len(spool.files) == 1) != c.inFile {
				t.Errorf("%d files", len(spool.files))
			}
			dropBody(&delivery.Message{Body: body})
			if used := w.budget.used.Load(); used != 0 {
				t.Errorf("%d octets are still taken", used)
			}
		})
	}
}

func TestAbortedBodyLeavesNothing(t *testing.T) {
	for _, size := range []int{0, 1000, 2 * maxBodyInMemory} {
		w, spool := newBodyWriter(1 << 20)
		if _, err := w.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		w.Abort()
		if len(spool.files) > 0 || w.budget.used.Load() != 0 {
			t.Errorf("%d files, %d octets are left of %d", len(spool.files), w.budget.used.Load(), size)
		}
	}
}

func TestBodyRemembersAFailedWrite(t *testing.T) {
	w, spool := newBodyWriter(0)
	spool.err = errors.New("the disk is full")
	if _, err := w.Write([]byte("x")); !errors.Is(err, spool.err) {
		t.Errorf("write says %v", err)
	}
	if _, err := w.Finish(); !errors.Is(err, spool.err) {
		t.Errorf("finish says %v", err)
	}
}
