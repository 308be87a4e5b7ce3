package persistence

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain/delivery"
)

func TestLargeBodiesAreFiles(t *testing.T) {
	q := newMail(t)
	content := strings.Repeat("0123456789abcdef", 20_000)
	m := q.message("", "ben@example.net")
	w, err := q.Spool(m.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatal(err)
	}
	if m.Body, err = w.Finish(); err != nil {
		t.Fatal(err)
	}
	m.Size = m.Body.Size()
	q.accept(m)
	if got := readBody(t, q.waiting("example.net", noon).Messages[0].Body); got != content {
		t.Errorf("body has %d octets", len(got))
	}
	if n := q.count("SELECT COUNT(*) FROM bodies"); n != 0 {
		t.Errorf("%d bodies are in rows", n)
	}
	q.write(delivery.Batch{Settlements: []*delivery.Settlement{q.settlement(m, delivery.RecipientDelivered, 0, 0)}})
	q.wantFiles()
}

// A body can be read before it is finished, and written on (B34).
func TestUnfinishedBodiesCanBeRead(t *testing.T) {
	q := newMail(t)
	w, err := q.Spool(q.ids.Next(noon, 0))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"one ", "one two "} {
		if _, err := io.WriteString(w, want[len(want)-4:]); err != nil {
			t.Fatal(err)
		}
		body, err := w.Written()
		if err != nil {
			t.Fatal(err)
		}
		if got := readBody(t, body); got != want || body.Size() != int64(len(want)) {
			t.Errorf("%q of %d octets, want %q", got, body.Size(), want)
		}
	}
	w.Abort()
	q.wantFiles()
}

// wantFiles fails the test unless the spool holds exactly the files.
func (q *mail) wantFiles(names ...string) {
	q.t.Helper()
	entries, err := os.ReadDir(q.spool.dir)
	if err != nil {
		q.t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if diff := cmp.Diff(names, got); diff != "" {
		q.t.Errorf("files (-want +got):\n%s", diff)
	}
}

// spooled stores a body in a file.
func (q *mail) spooled(id delivery.MessageID) delivery.Body {
	q.t.Helper()
	w, err := q.Spool(id)
	if err != nil {
		q.t.Fatal(err)
	}
	if _, err := w.Write([]byte("body")); err != nil {
		q.t.Fatal(err)
	}
	body, err := w.Finish()
	if err != nil {
		q.t.Fatal(err)
	}
	return body
}

func TestFilesOfRefusedMessagesAreRemoved(t *testing.T) {
	q := newMail(t)
	there, m := q.message("x", "ben@example.net"), q.message("x", "ben@example.net")
	q.accept(there)
	m.Body = q.spooled(m.ID)
	q.wantFiles(m.ID.String())
	if _, err := q.Write(t.Context(), &delivery.Batch{Accepted: []*delivery.Message{m, there}}); err == nil {
		t.Fatal("a message was stored twice")
	}
	q.wantFiles()

	w, err := q.Spool(m.ID)
	if err != nil {
		t.Fatal(err)
	}
	w.Abort()
	q.wantFiles()
}

func TestOrphansAreRemoved(t *testing.T) {
	dir := t.TempDir()
	before := &mail{QueueStore: openTest(t, dir).Queue(), t: t}
	kept, orphan := before.message("x", "ben@example.net"), before.message("x", "ben@example.net")
	kept.Body = before.spooled(kept.ID)
	before.accept(kept)
	before.spooled(orphan.ID)
	if _, err := before.Spool(before.ids.Next(noon, 0)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, spoolName, "lost+found"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before.prune(noon) // all are in use
	if entries, _ := os.ReadDir(before.spool.dir); len(entries) != 4 {
		t.Errorf("%d files are left", len(entries))
	}
	after := &mail{QueueStore: &QueueStore{file: before.file, spool: newSpool(before.spool.dir)}, t: t}
	after.prune(noon) // as after a restart
	after.wantFiles(kept.ID.String(), "lost+found")
}

// prune forgets what was over before the time, and returns in how many steps.
func (q *mail) prune(before time.Time) (steps int) {
	q.t.Helper()
	for more := true; more; steps++ {
		var err error
		if more, err = q.Prune(q.t.Context(), before); err != nil {
			q.t.Fatal(err)
		}
	}
	return steps
}

func TestPruneForgetsFinishedMessages(t *testing.T) {
	q := newMail(t)
	var batch, settled delivery.Batch
	for range pruneBatch + 10 {
		m := q.message("x", "ben@example.net")
		batch.Accepted = append(batch.Accepted, m)
		settled.Settlements = append(settled.Settlements, q.settlement(m, delivery.RecipientDelivered, 0, 0))
	}
	open := q.message("x", "ben@example.net")
	q.accept(append(batch.Accepted, open)...)
	q.write(settled)
	if steps := q.prune(noon); steps != 1 {
		t.Errorf("%d steps, though nothing is old enough", steps)
	}
	if steps := q.prune(noon.Add(time.Hour)); steps != 3 {
		t.Errorf("%d steps", steps)
	}
	for table, want := range map[string]int{"messages": 1, "recipients": 1, "bodies": 1, "attempts": 0, "decisions": 1} {
		if n := q.count("SELECT COUNT(*) FROM " + table); n != want {
			t.Errorf("%s has %d rows, want %d", table, n, want)
		}
	}
	q.prune(noon.Add(60 * 24 * time.Hour))
	if n := q.count("SELECT COUNT(*) FROM decisions"); n != 0 {
		t.Errorf("%d decisions are left", n)
	}
}
