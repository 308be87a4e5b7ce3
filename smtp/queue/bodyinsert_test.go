package queue

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"postern/domain/delivery"
)

// A body takes octets in between wherever it is: in memory, on its way to a file
// because of them, and in a file. The budget is given back.
func TestBodiesTakeOctetsInBetween(t *testing.T) {
	for _, size := range []int{0, 100, firstBodyBuffer, maxBodyInMemory - 3, maxBodyInMemory, maxBodyInMemory + 1} {
		content := bytes.Repeat([]byte("x"), size)
		w, _ := newBodyWriter(bodyMemory)
		b := w.budget
		_, err := w.Write(content)
		err = errors.Join(err, w.Insert(int64(size/2), []byte("added")))
		_, last := w.Write([]byte("end"))
		body, finish := w.Finish()
		if err = errors.Join(err, last, finish); err != nil {
			t.Fatal(err)
		}
		r, _ := body.Open()
		got, _ := io.ReadAll(r)
		want := append(slices.Insert(content, size/2, []byte("added")...), "end"...)
		if !bytes.Equal(got, want) || body.Size() != int64(len(want)) {
			t.Errorf("size %d: %d octets, want %d", size, len(got), len(want))
		}
		dropBody(&delivery.Message{Body: body})
		if used := b.used.Load(); used != 0 {
			t.Errorf("size %d: %d octets of the budget are lost", size, used)
		}
	}
}

func TestABodyThatCannotGrowFails(t *testing.T) {
	broken := errors.New("no space left on device")
	w, spool := newBodyWriter(firstBodyBuffer)
	spool.err = broken
	if _, err := w.Write(make([]byte, firstBodyBuffer)); err != nil {
		t.Fatal(err)
	}
	if err := w.Insert(0, []byte("added")); !errors.Is(err, broken) {
		t.Errorf("insert: %v", err)
	}
	if _, err := w.Finish(); !errors.Is(err, broken) {
		t.Errorf("finish: %v", err)
	}
	if used := w.budget.used.Load(); used != 0 {
		t.Errorf("%d octets of the budget are lost", used)
	}
}

func TestNoticesOfFlaggedMailLeaveTheBodyOut(t *testing.T) { // B57
	const content = "Subject: plans\r\n\r\nsecret\r\n"
	recipients := []delivery.Recipient{{Index: 0, RequireTLS: true}, {Index: 1}}
	for _, tc := range []struct {
		envelope bool // the client flagged the message as a whole
		about    []delivery.Recipient
		full     bool
	}{
		{false, recipients[1:], true},
		{false, recipients[:1], false},
		{false, recipients, false},
		{true, recipients[1:], false},
	} {
		m := &delivery.Message{Recipients: recipients, Body: delivery.BytesBody(content)}
		m.Return, m.RequireTLS = "FULL", tc.envelope
		got, full, err := returned(m, actionFailed, tc.about)
		if err != nil || full != tc.full || bytes.Contains(got, []byte("secret")) != tc.full {
			t.Errorf("%+v: full %t, %q, %v", tc, full, got, err)
		}
		if !bytes.Contains(got, []byte("Subject: plans")) {
			t.Errorf("the header is missing: %q", got)
		}
	}
}
