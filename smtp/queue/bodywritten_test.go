package queue

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// What was written can be read before the body is finished, wherever it is, and
// a body that is given up gives its memory back (B34).
func TestBodiesAreReadBeforeTheyAreFinished(t *testing.T) {
	for _, size := range []int{0, 100, maxBodyInMemory, maxBodyInMemory + 1} {
		content := bytes.Repeat([]byte("x"), size)
		w, _ := newBodyWriter(bodyMemory)
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			body, err := w.Written()
			if err != nil {
				t.Fatal(err)
			}
			r, openErr := body.Open()
			got, err := io.ReadAll(r)
			if err = errors.Join(openErr, err); err != nil || !bytes.Equal(got, content) || body.Size() != int64(size) {
				t.Errorf("size %d: %d octets, %v", size, len(got), err)
			}
		}
		w.Abort()
		if used := w.budget.used.Load(); used != 0 {
			t.Errorf("size %d: %d octets of the budget are lost", size, used)
		}
	}
}
