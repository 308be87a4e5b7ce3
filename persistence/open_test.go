package persistence

import (
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"postern/domain"
)

func tryOpen(t testing.TB, dir string) (*Database, error) {
	t.Helper()
	return Open(t.Context(), dir, Options{Logger: slog.New(slog.DiscardHandler)})
}

// openTest opens a data directory that is closed when the test ends.
func openTest(t testing.TB, dir string) *Database {
	t.Helper()
	d, err := tryOpen(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeTest(t, d) })
	return d
}

func closeTest(t testing.TB, d *Database) {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// wantRefused fails the test unless the directory is refused with the reason.
func wantRefused(t *testing.T, dir string, kind domain.Kind, reason string) {
	t.Helper()
	d, err := tryOpen(t, dir)
	if err == nil {
		closeTest(t, d)
		t.Fatalf("%s was opened", dir)
	}
	if domain.KindOf(err) != kind || !strings.Contains(err.Error(), reason) {
		t.Errorf("error %q of kind %s, want one of kind %s with %q", err, domain.KindOf(err), kind, reason)
	}
}

func TestOpenMakesPrivateFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	openTest(t, dir)
	modes := map[string]fs.FileMode{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		name, _ := filepath.Rel(dir, path)
		modes[name] = info.Mode().Perm()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]fs.FileMode{
		".": 0o700, "lock": 0o600, "master.key": 0o600,
		"postern.db": 0o600, "postern.db-wal": 0o600, "postern.db-shm": 0o600,
		"queue.db": 0o600, "queue.db-wal": 0o600, "queue.db-shm": 0o600,
	}
	if diff := cmp.Diff(want, modes); diff != "" {
		t.Errorf("modes (-want +got):\n%s", diff)
	}
}

func TestOpenTakesFilesFromOthers(t *testing.T) {
	dir := t.TempDir()
	closeTest(t, openTest(t, dir))
	path := filepath.Join(dir, configurationName)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	openTest(t, dir)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
}

// The defaults of the driver are none of these.
func TestSettingsOfThePools(t *testing.T) {
	d := openTest(t, t.TempDir())
	for name, f := range map[string]file{"configuration": d.configuration, "queue": d.queue} {
		for pragma, want := range map[string]string{
			"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000", "query_only": "0",
		} {
			var got string
			if err := f.writer.Raw("PRAGMA " + pragma).Scan(&got).Error; err != nil || got != want {
				t.Errorf("%s writer: %s is %q, want %q (error %v)", name, pragma, got, want, err)
			}
		}
		var queryOnly string
		if err := f.reader.Raw("PRAGMA query_only").Scan(&queryOnly).Error; err != nil || queryOnly != "1" {
			t.Errorf("%s reader: query_only is %q, error %v", name, queryOnly, err)
		}
		err := f.reader.Exec("CREATE TABLE x (y)").Error
		if domain.KindOf(translate(err)) != domain.Unavailable {
			t.Errorf("%s reader: a write gets %v", name, err)
		}
	}
}

// A path is not a URI: what has a meaning there must be taken literally.
func TestOpenOddPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a ?mode=memory&b%41#c")
	openTest(t, dir)
	if _, err := os.Stat(filepath.Join(dir, configurationName)); err != nil {
		t.Error(err)
	}
}

func TestOpenAgainKeepsWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	d := openTest(t, dir)
	if err := d.Configuration().Commit(t.Context(), 0, testRevision(1), nil); err != nil {
		t.Fatal(err)
	}
	closeTest(t, d)
	if _, err := os.Stat(filepath.Join(dir, configurationName+"-wal")); err == nil {
		t.Error("closing left the write-ahead log")
	}
	if _, err := openTest(t, dir).Configuration().Revision(t.Context(), 1); err != nil {
		t.Error(err)
	}
}

func TestOpenRefusesSecondProcess(t *testing.T) {
	dir := t.TempDir()
	d := openTest(t, dir)
	wantRefused(t, dir, domain.Conflict, "another process has it open")
	closeTest(t, d)
	openTest(t, dir)
}

func TestOpenRefusesNewerVersion(t *testing.T) {
	const newer = "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)"
	for name, of := range map[string]func(*Database) file{
		configurationName: func(d *Database) file { return d.configuration },
		queueName:         func(d *Database) file { return d.queue },
	} {
		dir := t.TempDir()
		d := openTest(t, dir)
		if err := of(d).writer.Exec(newer).Error; err != nil {
			t.Fatal(err)
		}
		closeTest(t, d)
		wantRefused(t, dir, domain.Conflict, name+": it belongs to a newer version")
	}
}

func TestOpenRefusesDamagedFile(t *testing.T) {
	for _, name := range []string{configurationName, queueName} {
		dir := t.TempDir()
		closeTest(t, openTest(t, dir))
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
			t.Fatal(err)
		}
		wantRefused(t, dir, domain.Internal, name+": the file is damaged or is no database")
	}
}

func TestOpenRefusesDirectoryThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, filepath.Join(file, "data"), domain.Unavailable, "it cannot be created")
}

func TestOpenRefusesDirectoryThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // whom no mode holds back
		dir = "/proc"
	}
	wantRefused(t, dir, domain.Unavailable, "it cannot be written")
}

func TestFailedOpenReleasesTheDirectory(t *testing.T) {
	dir := t.TempDir()
	closeTest(t, openTest(t, dir))
	path := filepath.Join(dir, queueName)
	if err := os.Rename(path, path+".good"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := tryOpen(t, dir); err == nil {
		t.Fatal("a directory was opened as a file")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".good", path); err != nil {
		t.Fatal(err)
	}
	openTest(t, dir)
}

func TestCloseLeavesNothingRunning(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	closeTest(t, openTest(t, t.TempDir()))
	goleak.VerifyNone(t, leaks)
}
