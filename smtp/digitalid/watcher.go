// Package digitalid follows the digital ID files (B47): key.pem, cert.pem and
// tls.pem in a folder of the data directory, by which tools that know nothing of
// the API hand the gateway a certificate, and may be handed the active one.
//
// The files are an instruction when they change, not while they lie there: what
// was taken once is not taken again, so that a certificate activated later by
// somebody else stays active over a restart. What was taken last is kept in a note
// beside the folder.
//
// Files are written by people and tools one after the other. Therefore they are
// looked at every second, and judged when two looks found the same. Looking rather
// than being told works on every file system, and through symbolic links that are
// replaced far away, as in volumes of Kubernetes.
package digitalid

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"postern/domain"
	"postern/domain/certificate"
	"postern/domain/event"
	"postern/domain/eventlog"
	"postern/smtp/reply"
)

// How often files are looked at, and how soon what failed is tried again: a
// certificate becomes valid, a disk has room, TLSA records are published.
const (
	lookInterval  = time.Second
	retryInterval = time.Minute
	// settleTime is a little less than an interval, since ticks are not exact.
	settleTime = lookInterval * 9 / 10
)

// maxProblemOctets bounds the text of a problem.
const maxProblemOctets = 500

// The names of the folder and of the note in the data directory.
const (
	Folder   = "digital-id"
	noteName = "digital-id.json"
)

// Certificates is where certificates come and go; [certificate.Service] is one.
type Certificates interface {
	TakeDigitalID(ctx context.Context, files certificate.DigitalID) (certificate.Certificate, error)
	Active(ctx context.Context) (certificate.Certificate, error)
	Export(ctx context.Context, author, id string, r certificate.ExportRequest) (certificate.Export, error)
}

// Events keeps what happened; [eventlog.Log] does.
type Events interface {
	Append(e eventlog.Event)
}

// Config is what a [Watcher] is built on. All fields are required.
type Config struct {
	DataDir      string
	Certificates Certificates
	Write        func() bool // whether the active certificate is to be written
	Bus          *event.Bus
	Events       Events
	Log          *slog.Logger
	Now          func() time.Time
}

// Watcher follows the files while it runs.
type Watcher struct {
	Config
	folder, notePath string

	note    note
	seen    string    // digest of what the last look found
	since   time.Time // when it was found first
	refused string    // digest of what was refused
	retry   time.Time // when files that were refused are tried again
	rewrite time.Time // when a write that failed is

	mu      sync.Mutex
	problem string
}

// New returns a watcher of the files in the data directory.
func New(c Config) *Watcher {
	return &Watcher{Config: c, folder: filepath.Join(c.DataDir, Folder), notePath: filepath.Join(c.DataDir, noteName)}
}

// Problem says why the files are not taken or not written; empty: nothing is wrong.
func (w *Watcher) Problem() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.problem
}

// Run follows the files until the context ends.
func (w *Watcher) Run(ctx context.Context) {
	var err error
	if w.note, err = readNote(w.notePath); err != nil {
		w.Log.WarnContext(ctx, "note on the digital ID files not read", "error", err.Error())
	}
	wake := w.Bus.Subscribe(event.CertificateActivated, event.ConfigurationApplied)
	defer wake.Close()
	ticker := time.NewTicker(lookInterval)
	defer ticker.Stop()
	for {
		if problem, known := w.look(ctx); known && ctx.Err() == nil {
			w.report(ctx, problem)
		}
		select {
		case <-ctx.Done():
			return
		case <-wake.C():
		case <-ticker.C:
		}
	}
}

// look takes what is new and writes what is to be written. It returns what is
// wrong; known is false where that cannot be told yet, or was told before.
func (w *Watcher) look(ctx context.Context) (problem string, known bool) {
	files, err := readFiles(w.folder)
	if err != nil {
		w.seen = ""
		return err.Error(), true
	}
	if !w.settled(digest(files)) {
		return "", false
	}
	finishWriting := w.note.Writing && w.Write()
	if files != (certificate.DigitalID{}) && w.seen != w.note.Contents && !finishWriting {
		return w.take(ctx, files)
	}
	return w.write(ctx)
}

// settled reports whether the files have been the same for a while.
func (w *Watcher) settled(digest string) bool {
	now := w.Now()
	if digest != w.seen {
		w.seen, w.since = digest, now
		return false
	}
	return now.Sub(w.since) >= settleTime
}

// take hands in files that are not those taken last.
func (w *Watcher) take(ctx context.Context, files certificate.DigitalID) (problem string, known bool) {
	if w.seen == w.refused && w.Now().Before(w.retry) {
		return "", false
	}
	c, err := w.Certificates.TakeDigitalID(ctx, files)
	if err == nil {
		w.Log.InfoContext(ctx, "certificate of the digital ID files is active", "certificate", c.ID)
		w.Events.Append(eventlog.New(eventlog.DigitalIDLoaded, eventlog.Subject{Kind: "certificate", Key: c.ID}, w.Now(), nil))
		w.note = note{Contents: w.seen, Activation: c.Activation}
		err = w.note.save(w.notePath)
	} else {
		w.tellRefusal(err)
	}
	if err != nil {
		w.refused, w.retry = w.seen, w.Now().Add(retryInterval)
		return detail(err), true
	}
	w.refused, w.retry = "", time.Time{}
	return "", true
}

// tellRefusal writes an event of files that are refused, once for the same files.
func (w *Watcher) tellRefusal(err error) {
	if w.seen != w.refused {
		w.Events.Append(eventlog.New(eventlog.DigitalIDRefused, eventlog.Subject{}, w.Now(), map[string]any{"problem": detail(err)}))
	}
}

// write brings the files to the active certificate, where that is wanted and they
// do not stand for it already.
func (w *Watcher) write(ctx context.Context) (problem string, known bool) {
	if !w.Write() {
		return "", true
	}
	active, err := w.Certificates.Active(ctx)
	switch {
	case err == nil && active.Activation == w.note.Activation && !w.note.Writing:
		return "", true
	case err == nil && w.Now().Before(w.rewrite):
		return "", false
	case err == nil:
		err = w.replace(ctx, active)
	}
	if err != nil {
		w.rewrite = w.Now().Add(retryInterval)
		return "not written: " + detail(err), true
	}
	w.rewrite = time.Time{}
	return "", true
}

// replace writes the files. The note goes first, so that our own work is never
// taken for that of somebody else.
func (w *Watcher) replace(ctx context.Context, active certificate.Certificate) error {
	if err := checkReplaceable(w.folder); err != nil {
		return err
	}
	export, err := w.Certificates.Export(ctx, certificate.DigitalIDAuthor, active.ID, certificate.ExportRequest{
		As: certificate.FormatPEM, Unencrypted: true,
	})
	if err != nil {
		return err
	}
	files := split(export.Data)
	w.note = note{Contents: digest(files), Activation: active.Activation, Writing: true}
	if err := w.note.save(w.notePath); err != nil {
		return err
	}
	if err := writeFiles(w.folder, files); err != nil {
		return err
	}
	w.note.Writing = false
	return w.note.save(w.notePath)
}

// report keeps what is wrong, and wakes whoever raises alerts of it.
func (w *Watcher) report(ctx context.Context, problem string) {
	w.mu.Lock()
	changed := w.problem != problem
	w.problem = problem
	w.mu.Unlock()
	if !changed {
		return
	}
	if problem != "" {
		w.Log.WarnContext(ctx, "digital ID files", "problem", problem)
	}
	w.Bus.Publish(event.CertificatesChanged)
}

// detail is an error in words for an administrator: causes may hold paths.
func detail(err error) string {
	if domain.KindOf(err) == domain.Internal {
		err = cause(err)
	}
	return reply.Quote(err.Error(), maxProblemOctets)
}
