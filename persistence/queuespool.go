package persistence

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"gorm.io/gorm"

	"postern/domain"
	"postern/domain/delivery"
)

// spoolName is the folder of the bodies that are too big for a row.
const spoolName = "spool"

// unfinishedSuffix marks a file that is being written.
const unfinishedSuffix = ".part"

// minFreeSpace is what a disk must have left, in octets, for messages to be
// accepted. It is there for settlements, which make room, and for the
// configuration.
const minFreeSpace = 64 << 20

// spool is the folder of bodies, one file a message, named after it. A file is
// durable before the transaction that refers to it begins; a file to which no
// row refers is an orphan.
type spool struct {
	dir string

	mu sync.Mutex
	// busy are messages whose bodies are being received or written down: their
	// files are no orphans yet.
	busy map[delivery.MessageID]struct{}
}

func newSpool(dir string) *spool {
	return &spool{dir: dir, busy: map[delivery.MessageID]struct{}{}}
}

func (s *spool) path(id delivery.MessageID) string { return filepath.Join(s.dir, id.String()) }

func (s *spool) hold(id delivery.MessageID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy[id] = struct{}{}
}

func (s *spool) release(id delivery.MessageID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.busy, id)
}

func (s *spool) holds(id delivery.MessageID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, busy := s.busy[id]
	return busy
}

// checkSpace returns an error when the disk has too little room.
func (s *spool) checkSpace() error {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(s.dir), &fs); err != nil {
		return unusable(err)
	}
	if free := uint64(fs.Bavail) * uint64(fs.Bsize); free < minFreeSpace {
		return domain.E(domain.Unavailable, "the disk has only %d MiB left, fewer than %d", free>>20, minFreeSpace>>20)
	}
	return nil
}

// written lets go of the files of a batch. Those of messages that were not
// stored are removed, unless the commit itself failed: then the rows may be
// there after all, and the next sweep finds out.
func (s *spool) written(spooled, finished []delivery.MessageID, err error, complete bool) {
	for _, id := range spooled {
		if err != nil && !complete {
			_ = os.Remove(s.path(id)) // the sweep would take it otherwise
		}
		s.release(id)
	}
	if err != nil {
		return
	}
	for _, id := range finished {
		_ = os.Remove(s.path(id)) // as above
	}
}

// spoolBuffer gathers small writes.
const spoolBuffer = 64 << 10

// Spool returns a writer to the file for the body of a message.
func (q *QueueStore) Spool(id delivery.MessageID) (delivery.BodyWriter, error) {
	s := q.spool
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, unusable(err)
	}
	s.hold(id)
	f, err := os.OpenFile(s.path(id)+unfinishedSuffix, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		s.release(id)
		return nil, unusable(err)
	}
	return &spoolWriter{spool: s, id: id, file: f, buffer: bufio.NewWriterSize(f, spoolBuffer)}, nil
}

// spoolWriter writes a body to its file.
type spoolWriter struct {
	spool  *spool
	id     delivery.MessageID
	file   *os.File
	buffer *bufio.Writer
	size   int64
}

// Write adds octets.
func (w *spoolWriter) Write(p []byte) (int, error) {
	n, err := w.buffer.Write(p)
	w.size += int64(n)
	if err != nil {
		return n, unusable(err)
	}
	return n, nil
}

// Insert moves what stands behind the offset on, from the end of the file
// backwards, and writes the octets into the gap.
func (w *spoolWriter) Insert(offset int64, p []byte) error {
	err := w.buffer.Flush()
	if err == nil {
		err = shift(w.file, offset, w.size, int64(len(p)))
	}
	if err == nil {
		_, err = w.file.WriteAt(p, offset)
	}
	if err == nil {
		w.size += int64(len(p))
		_, err = w.file.Seek(w.size, io.SeekStart) // where Write goes on
	}
	if err != nil {
		return unusable(err)
	}
	return nil
}

// shift moves the octets from begin to end of a file on by a distance.
func shift(f *os.File, begin, end, by int64) error {
	chunk := make([]byte, spoolBuffer)
	for end > begin {
		part := chunk[:min(end-begin, int64(len(chunk)))]
		end -= int64(len(part))
		if _, err := f.ReadAt(part, end); err != nil {
			return err
		}
		if _, err := f.WriteAt(part, end+by); err != nil {
			return err
		}
	}
	return nil
}

// Written returns what was written so far. It is not durable yet.
func (w *spoolWriter) Written() (delivery.Body, error) {
	if err := w.buffer.Flush(); err != nil {
		return nil, unusable(err)
	}
	return fileBody{path: w.spool.path(w.id) + unfinishedSuffix, size: w.size}, nil
}

// Finish makes the file durable, name included.
func (w *spoolWriter) Finish() (delivery.Body, error) {
	path := w.spool.path(w.id)
	err := errors.Join(w.buffer.Flush(), w.file.Sync(), w.file.Close())
	if err == nil {
		err = os.Rename(path+unfinishedSuffix, path)
	}
	if err == nil {
		err = syncDirectory(w.spool.dir)
	}
	if err != nil {
		w.remove()
		return nil, unusable(err)
	}
	return &spooledBody{fileBody{path: path, size: w.size}}, nil
}

// Abort removes the file.
func (w *spoolWriter) Abort() {
	_ = w.file.Close() // what it holds is not wanted
	w.remove()
}

func (w *spoolWriter) remove() {
	path := w.spool.path(w.id)
	_, _ = os.Remove(path+unfinishedSuffix), os.Remove(path) // the sweep would take them otherwise
	w.spool.release(w.id)
}

// fileBody is a body in a file.
type fileBody struct {
	path string
	size int64
}

// Size returns the length in octets.
func (b fileBody) Size() int64 { return b.size }

// Open opens the file.
func (b fileBody) Open() (io.ReadCloser, error) {
	f, err := os.Open(b.path)
	if err != nil {
		return nil, unusable(err)
	}
	return f, nil
}

// spooledBody is a body in a file to which no row refers yet.
type spooledBody struct{ fileBody }

// rowBody is a body in the table bodies.
type rowBody struct {
	queue *QueueStore
	id    delivery.MessageID
	size  int64
}

// Size returns the length in octets.
func (b rowBody) Size() int64 { return b.size }

// Open reads the row.
func (b rowBody) Open() (io.ReadCloser, error) {
	var body []byte
	err := b.queue.file.read(context.Background(), func(tx *gorm.DB) error {
		return tx.Raw("SELECT body FROM bodies WHERE message_id = ?", int64(b.id)).Row().Scan(&body)
	})
	if err != nil {
		return nil, domain.Wrap(err, "read the body of message %s", b.id)
	}
	return io.NopCloser(bytes.NewReader(body)), nil
}

// body returns the body of a stored message.
func (q *QueueStore) body(id delivery.MessageID, size int64, inFile bool) delivery.Body {
	if inFile {
		return fileBody{path: q.spool.path(id), size: size}
	}
	return rowBody{queue: q, id: id, size: size}
}
