package persistence

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"postern/domain"
)

func TestSecretsComeBackAndAreSealedOnDisk(t *testing.T) {
	dir := t.TempDir()
	const password = "correct horse battery staple"
	d := openTest(t, dir)
	id, err := d.Secrets(time.Now).Put(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	again, err := d.Secrets(time.Now).Put(t.Context(), password)
	if err != nil || again == id {
		t.Errorf("the same value again: id %q, %v, want another id than %q", again, err, id)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.db*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if content, err := os.ReadFile(file); err != nil || bytes.Contains(content, []byte(password)) {
			t.Errorf("%s holds the password in clear (%v)", file, err)
		}
	}
	d = openTest(t, dir)
	if got, err := d.Secrets(time.Now).Get(t.Context(), id); err != nil || got != password {
		t.Errorf("after opening again: %v", err)
	}
}

func TestUnknownSecretIsNotFound(t *testing.T) {
	d := openTest(t, t.TempDir())
	if _, err := d.Secrets(time.Now).Get(t.Context(), "nothing"); domain.KindOf(err) != domain.NotFound {
		t.Errorf("got %v", err)
	}
}
