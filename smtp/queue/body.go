package queue

import (
	"slices"
	"sync/atomic"

	"postern/domain/delivery"
)

// maxBodyInMemory is the size above which a body goes to a file. Smaller ones
// live in the database row.
const maxBodyInMemory = 128 << 10

// firstBodyBuffer is what a body takes of the budget to begin with.
const firstBodyBuffer = 8 << 10

// BodyWriter collects a body in memory and moves to a file when it gets too big
// for that, or when all bodies together do. What it holds in memory is bounded,
// whatever the size of the message.
type BodyWriter struct {
	id     delivery.MessageID
	spool  Spooler
	budget *budget
	health *health
	buf    []byte
	file   delivery.BodyWriter // nil while in memory
	err    error
}

var _ delivery.BodyWriter = (*BodyWriter)(nil)

// Write adds octets. An error stays: the body cannot be finished any more.
func (w *BodyWriter) Write(p []byte) (int, error) {
	if w.err == nil {
		w.err = w.write(p)
	}
	if w.err != nil {
		return 0, w.err
	}
	return len(p), nil
}

func (w *BodyWriter) write(p []byte) error {
	if w.file == nil && w.grow(len(w.buf)+len(p)) {
		w.buf = append(w.buf, p...)
		return nil
	}
	if w.file == nil {
		if err := w.moveToFile(); err != nil {
			return err
		}
	}
	if err := w.health.Accepting(); err != nil {
		return err // B77
	}
	w.health.stored(int64(len(p)))
	_, err := w.file.Write(p)
	return err
}

// Insert puts octets between those written before, at the offset.
func (w *BodyWriter) Insert(offset int64, p []byte) error {
	if w.err == nil {
		w.err = w.insert(offset, p)
	}
	return w.err
}

func (w *BodyWriter) insert(offset int64, p []byte) error {
	if w.file == nil && w.grow(len(w.buf)+len(p)) {
		w.buf = slices.Insert(w.buf, int(offset), p...)
		return nil
	}
	if w.file == nil {
		if err := w.moveToFile(); err != nil {
			return err
		}
	}
	w.health.stored(int64(len(p)))
	return w.file.Insert(offset, p)
}

// grow makes room in memory for n octets, if they may be there.
func (w *BodyWriter) grow(n int) bool {
	if n <= cap(w.buf) {
		return true
	}
	if n > maxBodyInMemory {
		return false
	}
	size := min(max(n, 2*cap(w.buf), firstBodyBuffer), maxBodyInMemory)
	if !w.budget.take(size - cap(w.buf)) {
		return false
	}
	w.buf = append(make([]byte, 0, size), w.buf...)[:len(w.buf):size]
	return true
}

func (w *BodyWriter) moveToFile() (err error) {
	if w.file, err = w.spool.Spool(w.id); err != nil {
		return err
	}
	_, err = w.file.Write(w.buf)
	w.release()
	return err
}

func (w *BodyWriter) release() {
	w.budget.give(cap(w.buf))
	w.buf = nil
}

// Written returns what was written so far, where it is.
func (w *BodyWriter) Written() (delivery.Body, error) {
	switch {
	case w.err != nil:
		return nil, w.err
	case w.file != nil:
		return w.file.Written()
	}
	return delivery.BytesBody(w.buf), nil
}

// Finish returns the body.
func (w *BodyWriter) Finish() (delivery.Body, error) {
	if w.err != nil {
		w.Abort()
		return nil, w.err
	}
	if w.file != nil {
		return w.file.Finish()
	}
	body := &memoryBody{BytesBody: w.buf, budget: w.budget}
	body.taken.Store(int64(cap(w.buf)))
	w.buf = nil
	return body, nil
}

// Abort forgets what was written.
func (w *BodyWriter) Abort() {
	w.release()
	if w.file != nil {
		w.file.Abort()
		w.file = nil
	}
}

// memoryBody is a body whose octets count against the budget until it is
// dropped.
type memoryBody struct {
	delivery.BytesBody
	budget *budget
	taken  atomic.Int64
}

// drop gives back the memory's share of the budget. The octets stay readable
// for those who still have them.
func (b *memoryBody) drop() { b.budget.give(int(b.taken.Swap(0))) }

// dropBody gives back what a message's body takes of the budget.
func dropBody(m *delivery.Message) {
	if body, ok := m.Body.(*memoryBody); ok {
		body.drop()
	}
}

// budget bounds the octets that all bodies in memory take.
type budget struct {
	limit int64
	used  atomic.Int64
}

// take takes n octets, if they are there.
func (b *budget) take(n int) bool {
	if b.used.Add(int64(n)) > b.limit {
		b.used.Add(int64(-n))
		return false
	}
	return true
}

func (b *budget) give(n int) { b.used.Add(int64(-n)) }

// crowded reports whether more than half is taken: what waits for delivery then
// leaves the rest to what is being received.
func (b *budget) crowded() bool { return b.used.Load() > b.limit/2 }
