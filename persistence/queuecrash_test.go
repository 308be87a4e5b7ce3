package persistence

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"postern/domain"
	"postern/domain/delivery"
)

// crashDirVariable tells the test binary that it is the child of
// TestKilledWriterLosesNothing.
const crashDirVariable = "POSTERN_TEST_CRASH_DIR"

func TestKilledWriterLosesNothing(t *testing.T) {
	// B74: the child says the ids of what is durable, and is killed at some
	// moment.
	if dir := os.Getenv(crashDirVariable); dir != "" {
		writeForever(t, dir)
	}
	dir := t.TempDir()
	said := map[delivery.MessageID]bool{}
	for range 4 {
		for _, id := range runAndKill(t, dir, 20+rand.IntN(200)) {
			said[id] = true
		}
		checkAfterCrash(t, dir, said)
	}
}

// runAndKill starts the child, kills it after it has said some lines, and
// returns the ids that it said.
func runAndKill(t *testing.T, dir string, lines int) (ids []delivery.MessageID) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledWriterLosesNothing$", "-test.v")
	child.Env = append(os.Environ(), crashDirVariable+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			break // a line that was cut is not said
		}
		if text, ok := strings.CutPrefix(line, "durable "); ok {
			id, err := delivery.ParseMessageID(strings.TrimSpace(text))
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		if len(ids) == lines {
			_ = child.Process.Kill() // the rest of its words is read too
		}
	}
	if err := child.Wait(); err == nil || len(ids) < lines {
		t.Fatalf("the child ended by itself after %d messages", len(ids))
	}
	return ids
}

// writeForever stores messages, large and small, settles some of them, and says
// what is durable.
func writeForever(t *testing.T, dir string) {
	d, err := Open(t.Context(), dir, Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	q := &mail{QueueStore: d.Queue(), t: t}
	shift := rand.IntN(1 << 20) // so that ids differ between runs
	for n := shift; ; n++ {
		m := q.message(strings.Repeat("x", 3000), "ben@example.net")
		m.ID += delivery.MessageID(n) << 10
		if n%10 == 0 {
			m.Body = q.spooled(m.ID)
		}
		q.accept(m)
		fmt.Printf("durable %s\n", m.ID)
		if n%3 == 0 {
			q.write(delivery.Batch{Settlements: []*delivery.Settlement{q.crashSettlement(m)}})
		}
	}
}

func (q *mail) crashSettlement(m *delivery.Message) *delivery.Settlement {
	s := q.settlement(m, delivery.RecipientDelivered, 0, 0)
	s.ID = m.ID
	return s
}

// checkAfterCrash opens what the child has left.
func checkAfterCrash(t *testing.T, dir string, said map[delivery.MessageID]bool) {
	t.Helper()
	d, err := tryOpen(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer closeTest(t, d)
	q := &mail{QueueStore: d.Queue(), t: t}
	for id := range said {
		m, err := q.Message(t.Context(), id)
		if err != nil {
			t.Fatalf("message %s is lost: %v", id, err)
		}
		if !m.Recipients[0].State.Final() && int64(len(readBody(t, m.Body))) != m.Size {
			t.Errorf("the body of message %s is cut", id)
		}
	}
	q.prune(noon)
	files, err := os.ReadDir(q.spool.dir)
	if err != nil {
		t.Fatal(err)
	}
	if rows := q.count("SELECT COUNT(*) FROM messages WHERE in_file = 1 AND finished_at IS NULL"); rows != len(files) {
		t.Errorf("%d files for %d messages", len(files), rows)
	}
}

func TestFullDisk(t *testing.T) {
	// B77: the error says so, nothing is stored in part, and settlements that
	// make room let it mend.
	q := newMail(t)
	var kept []*delivery.Message
	fill := func() error {
		for range 2000 {
			m := q.message(strings.Repeat("x", 20_000), "ben@example.net")
			if _, err := q.Write(t.Context(), &delivery.Batch{Accepted: []*delivery.Message{m}}); err != nil {
				return err
			}
			kept = append(kept, m)
		}
		return nil
	}
	pages := q.count("PRAGMA page_count")
	q.limitPages(pages + 500)
	if err := fill(); domain.KindOf(err) != domain.Unavailable || !strings.Contains(err.Error(), "full") {
		t.Fatalf("after %d messages: %v", len(kept), err)
	}
	if n := q.count("SELECT COUNT(*) FROM messages"); n != len(kept) {
		t.Errorf("%d messages are there, %d were stored", n, len(kept))
	}
	for _, m := range kept {
		q.write(delivery.Batch{Settlements: []*delivery.Settlement{q.settlement(m, delivery.RecipientDelivered, 0, 0)}})
	}
	q.accept(q.message("x", "ben@example.net"))
	if err := q.Probe(t.Context()); err != nil {
		t.Errorf("probe: %v", err)
	}
}

// limitPages bounds the size of the file.
func (q *mail) limitPages(n int) {
	q.t.Helper()
	if err := q.file.writer.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", n)).Error; err != nil {
		q.t.Fatal(err)
	}
}

func TestProbeOfAClosedFile(t *testing.T) {
	d := openTest(t, t.TempDir())
	q := d.Queue()
	if err := q.Probe(context.Background()); err != nil {
		t.Errorf("probe: %v", err)
	}
	if err := d.queue.close(); err != nil {
		t.Fatal(err)
	}
	d.closers = d.closers[:len(d.closers)-1]
	if err := q.Probe(context.Background()); err == nil {
		t.Error("a closed file is fine")
	}
}

// failingBody cannot be read.
type failingBody struct{}

func (failingBody) Size() int64                  { return 1 }
func (failingBody) Open() (io.ReadCloser, error) { return nil, io.ErrUnexpectedEOF }

func TestUnreadableBodyIsNotStored(t *testing.T) {
	q := newMail(t)
	m := q.message("x", "ben@example.net")
	m.Body = failingBody{}
	if _, err := q.Write(t.Context(), &delivery.Batch{Accepted: []*delivery.Message{m}}); err == nil {
		t.Error("a message without a body was stored")
	}
	if n := q.count("SELECT COUNT(*) FROM messages"); n != 0 {
		t.Errorf("%d messages are there", n)
	}
}
