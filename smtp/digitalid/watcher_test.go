package digitalid

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postern/domain"
	"postern/domain/certificate"
	"postern/domain/event"
	"postern/domain/eventlog"
)

// double notes which files it was given, and activates them unless it refuses.
type double struct {
	sync.Mutex
	taken   []certificate.DigitalID
	refusal error
	active  certificate.Certificate
	export  string
	exports int
	events  []string
}

func (d *double) TakeDigitalID(_ context.Context, files certificate.DigitalID) (certificate.Certificate, error) {
	d.Lock()
	defer d.Unlock()
	d.taken = append(d.taken, files)
	if d.refusal != nil {
		return certificate.Certificate{}, d.refusal
	}
	d.active.Activation++
	return d.active, nil
}

func (d *double) Active(context.Context) (certificate.Certificate, error) {
	d.Lock()
	defer d.Unlock()
	return d.active, nil
}

// change alters what the double does from now on.
func (d *double) change(alter func()) {
	d.Lock()
	defer d.Unlock()
	alter()
}

func (d *double) counts() (taken, exported int) {
	d.Lock()
	defer d.Unlock()
	return len(d.taken), d.exports
}

func (d *double) last() certificate.DigitalID {
	d.Lock()
	defer d.Unlock()
	return d.taken[len(d.taken)-1]
}

func (d *double) Export(context.Context, string, string, certificate.ExportRequest) (certificate.Export, error) {
	d.Lock()
	defer d.Unlock()
	d.exports++
	return certificate.Export{Data: []byte(d.export)}, nil
}

// PEM of which only the form matters.
const (
	aKey   = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
	aChain = "-----BEGIN CERTIFICATE-----\nBBBB\n-----END CERTIFICATE-----\n"
)

// Append notes an event by its type and data.
func (d *double) Append(e eventlog.Event) {
	d.Lock()
	defer d.Unlock()
	d.events = append(d.events, fmt.Sprintf("%s %s %s", e.Type, e.Subject.Key, e.Data))
}

func (d *double) happened() []string {
	d.Lock()
	defer d.Unlock()
	return slices.Clone(d.events)
}

// bench is a watcher that runs on a folder.
type bench struct {
	*Watcher
	t   *testing.T
	d   *double
	bus *event.Bus
	end func()
}

func start(t *testing.T, dataDir string, d *double, write bool) *bench {
	t.Helper()
	b := &bench{t: t, d: d, bus: &event.Bus{}}
	b.Watcher = New(Config{
		DataDir: dataDir, Certificates: d, Write: func() bool { return write }, Bus: b.bus, Events: d,
		Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.Run(ctx)
	}()
	b.end = func() {
		cancel()
		<-done
	}
	return b
}

// pass lets time go by.
func (b *bench) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (b *bench) wantExports(n int) {
	b.t.Helper()
	if _, exported := b.d.counts(); exported != n {
		b.t.Errorf("%d exports, want %d", exported, n)
	}
}

func (b *bench) wantTaken(n int) {
	b.t.Helper()
	if taken, _ := b.d.counts(); taken != n {
		b.t.Errorf("files were taken %d times, want %d", taken, n)
	}
}

func put(t *testing.T, dataDir, name, text string) {
	t.Helper()
	folder := filepath.Join(dataDir, Folder)
	if err := errors.Join(os.MkdirAll(folder, 0o700), os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, dataDir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dataDir, Folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// B47: files are taken once they have settled, when they change, and not again
// after a restart.
func TestFilesAreTakenOnce(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := &double{}
		put(t, dir, "key.pem", "k1")
		b := start(t, dir, d, false)
		b.pass(500 * time.Millisecond)
		b.wantTaken(0)
		put(t, dir, "cert.pem", "c1") // the tool that writes is slow
		b.pass(time.Second)
		b.wantTaken(0)
		b.pass(time.Second)
		b.wantTaken(1)
		if got := d.last(); got != (certificate.DigitalID{Key: "k1", Certificate: "c1"}) {
			t.Errorf("taken %#v", got)
		}
		b.pass(time.Hour)
		b.wantTaken(1)
		put(t, dir, "tls.pem", "both")
		b.pass(3 * time.Second)
		b.wantTaken(2)
		b.end()

		b = start(t, dir, d, false)
		b.pass(time.Minute)
		b.wantTaken(2)
		b.end()
		put(t, dir, "tls.pem", "another") // while nothing runs
		b = start(t, dir, d, false)
		b.pass(time.Minute)
		b.wantTaken(3)
		b.end()
	})
}

// Kubernetes replaces a whole folder by renaming one symbolic link.
func TestFilesAreFollowedThroughASymlinkSwap(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, Folder)
	for i, version := range []string{"..1", "..2"} {
		err := errors.Join(os.MkdirAll(filepath.Join(folder, version), 0o700),
			os.WriteFile(filepath.Join(folder, version, "key.pem"), fmt.Appendf(nil, "k%d", i), 0o600),
			os.WriteFile(filepath.Join(folder, version, "cert.pem"), fmt.Appendf(nil, "c%d", i), 0o600))
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink("..1", filepath.Join(folder, "..data")),
		os.Symlink("..data/key.pem", filepath.Join(folder, "key.pem")), os.Symlink("..data/cert.pem", filepath.Join(folder, "cert.pem"))); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		d := &double{}
		b := start(t, dir, d, true)
		defer b.end()
		b.pass(2 * time.Second)
		b.wantTaken(1)
		swap := filepath.Join(folder, "..data_tmp")
		if err := errors.Join(os.Symlink("..2", swap), os.Rename(swap, filepath.Join(folder, "..data"))); err != nil {
			t.Fatal(err)
		}
		b.pass(3 * time.Second)
		b.wantTaken(2)
		if got := d.last(); got != (certificate.DigitalID{Key: "k1", Certificate: "c1"}) {
			t.Errorf("taken %#v", got)
		}
		// What somebody keeps there by links is not replaced.
		d.change(func() { d.active.Activation, d.export = 99, aKey+aChain })
		b.bus.Publish(event.CertificateActivated)
		synctest.Wait()
		if !strings.Contains(b.Problem(), "symbolic link") || get(t, dir, "key.pem") != "k1" {
			t.Errorf("%q", b.Problem())
		}
		b.wantExports(0)
	})
}

// What is refused is told, tried again now and then, and forgotten when it is
// mended.
func TestRefusedFiles(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := &double{refusal: domain.E(domain.Invalid, "/key.pem: the private key does not belong")}
		put(t, dir, "key.pem", "bad")
		b := start(t, dir, d, false)
		defer b.end()
		wakes := b.bus.Subscribe(event.CertificatesChanged)
		defer wakes.Close()
		b.pass(2 * time.Second)
		b.wantTaken(1)
		if !strings.Contains(b.Problem(), "does not belong") || len(wakes.C()) != 1 {
			t.Errorf("%q", b.Problem())
		}
		b.pass(50 * time.Second)
		b.wantTaken(1)
		b.pass(20 * time.Second)
		b.wantTaken(2)
		d.change(func() { d.refusal, d.active.ID = nil, "c1" })
		put(t, dir, "key.pem", "good")
		b.pass(3 * time.Second)
		b.wantTaken(3)
		want := []string{ // the second refusal of the same files is no news
			`digital_id.refused  {"problem":"/key.pem: the private key does not belong"}`,
			"digital_id.loaded c1 {}",
		}
		if got := d.happened(); !slices.Equal(got, want) {
			t.Errorf("events %q", got)
		}
		if b.Problem() != "" {
			t.Errorf("%q", b.Problem())
		}
	})
}

// Files that were refused and are gone do not keep those of the active certificate
// from being written.
func TestWriteDoesNotWaitForRefusedFiles(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := &double{refusal: domain.E(domain.Invalid, "no"), active: certificate.Certificate{ID: "c1", Activation: 7}, export: aKey + aChain}
		put(t, dir, "key.pem", "bad")
		b := start(t, dir, d, true)
		defer b.end()
		b.pass(3 * time.Second)
		b.wantTaken(1)
		if err := os.Remove(filepath.Join(dir, Folder, "key.pem")); err != nil {
			t.Fatal(err)
		}
		b.pass(3 * time.Second)
		if got := get(t, dir, "key.pem"); got != aKey {
			t.Errorf("key.pem holds %q", got)
		}
	})
}

func TestUnreadableFiles(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"no regular file": func(path string) error { return os.Mkdir(path, 0o700) },
		"is larger":       func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("x", maxFile+1)), 0o600) },
	} {
		dir := t.TempDir()
		put(t, dir, "cert.pem", "c")
		if err := spoil(filepath.Join(dir, Folder, "key.pem")); err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) {
			d := &double{}
			b := start(t, dir, d, false)
			defer b.end()
			b.pass(3 * time.Second)
			b.wantTaken(0)
			if !strings.HasPrefix(b.Problem(), "key.pem: ") || !strings.Contains(b.Problem(), name) || strings.Contains(b.Problem(), dir) {
				t.Errorf("%q, want %q", b.Problem(), name)
			}
		})
	}
}

// The active certificate is written on activation, for the gateway's user alone,
// and is not taken for news; what a crash cut short is finished.
func TestActiveCertificateIsWritten(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := &double{active: certificate.Certificate{ID: "c1", Activation: 7}, export: aKey + aChain}
		b := start(t, dir, d, true)
		b.pass(2 * time.Second)
		want := map[string]string{"key.pem": aKey, "cert.pem": aChain, "tls.pem": aKey + aChain}
		modes := map[string]os.FileMode{"": 0o700, "key.pem": 0o600, "cert.pem": 0o644, "tls.pem": 0o600}
		for name, text := range want {
			if got := get(t, dir, name); got != text {
				t.Errorf("%s holds %q", name, got)
			}
		}
		for name, mode := range modes {
			if info, err := os.Stat(filepath.Join(dir, Folder, name)); err != nil || info.Mode().Perm() != mode {
				t.Errorf("%q: %v %v", name, info.Mode(), err)
			}
		}
		b.pass(time.Hour)
		b.wantTaken(0)
		if entries, _ := os.ReadDir(filepath.Join(dir, Folder)); len(entries) != 3 {
			t.Errorf("%d files", len(entries))
		}
		b.wantExports(1)
		// Without change, a restart writes and takes nothing.
		b.end()
		b = start(t, dir, d, true)
		b.pass(time.Minute)
		b.end()
		b.wantExports(1)
		// Cut short between two files.
		b.note.Writing = true
		if err := b.note.save(b.notePath); err != nil {
			t.Fatal(err)
		}
		put(t, dir, "tls.pem", "an older one")
		b = start(t, dir, d, true)
		b.pass(2 * time.Second)
		b.end()
		b.wantTaken(0)
		if get(t, dir, "tls.pem") != want["tls.pem"] {
			t.Error("the files are left half written")
		}
		b.wantExports(2)
		note, err := os.ReadFile(filepath.Join(dir, noteName))
		if err != nil || slices.ContainsFunc([]string{"AAAA", "BBBB"}, func(s string) bool { return strings.Contains(string(note), s) }) {
			t.Errorf("%s %v", note, err)
		}
	})
}

func TestNothingIsWrittenUnlessWanted(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := &double{active: certificate.Certificate{ID: "c1", Activation: 7}, export: aKey + aChain}
		b := start(t, dir, d, false)
		defer b.end()
		b.pass(time.Minute)
		if _, err := os.Stat(filepath.Join(dir, Folder)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%v", err)
		}
		b.wantExports(0)
	})
}
