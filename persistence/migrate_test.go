package persistence

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gorm.io/gorm"
)

// fileAt is a file whose schema is of an older version.
func fileAt(t *testing.T, schema string, version int64) file {
	t.Helper()
	return migratedFile(t, filepath.Join(t.TempDir(), "old.db"), schema, version)
}

func migratedFile(t *testing.T, path, schema string, version int64) file {
	t.Helper()
	f, err := openFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.close(); err != nil {
			t.Error(err)
		}
	})
	provider, err := f.migrationProvider(schema)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f file) exec(t *testing.T, statement string, values ...any) {
	t.Helper()
	if err := f.write(t.Context(), func(tx *gorm.DB) error { return tx.Exec(statement, values...).Error }); err != nil {
		t.Fatal(err)
	}
}

func (f file) texts(t *testing.T, query string) (texts []string) {
	t.Helper()
	if err := f.read(t.Context(), func(tx *gorm.DB) error { return tx.Raw(query).Scan(&texts).Error }); err != nil {
		t.Fatal(err)
	}
	return texts
}

// Core profiles become server profiles of type core, with their history; those
// whose name is taken get another, and stay the ones that inspect.
func TestCoreProfilesBecomeServerProfiles(t *testing.T) {
	f := fileAt(t, "configuration", 5)
	f.exec(t, "INSERT INTO revisions (number, author, comment, at) VALUES (1, 'a', '', 0)")
	const (
		relay   = `{"name":"shared","type":"smtp","uris":["smtps://a.example"]}`
		shared  = `{"name":"shared","uris":["https://b.example"],"rule":"\u003cmail\u003e"}`
		old     = `{"name":"only","uris":["https://c.example"]}`
		only    = `{"name":"only","uris":["https://d.example"]}`
		before  = `{"enabled":false,"profile":""}`
		inspect = `{"enabled":true,"profile":"shared"}`
	)
	for i, e := range []struct {
		kind, key     string
		before, after any
	}{
		{"server_profile", "shared", nil, relay},
		{"core_profile", "shared", nil, shared},
		{"core_profile", "only", old, only},
		{"core_profile", "gone", `{"name":"gone","uris":[]}`, nil},
		{"settings", "inspection", before, inspect},
	} {
		f.exec(t, "INSERT INTO edits (revision, ordinal, kind, key, before, after) VALUES (1, ?, ?, ?, ?, ?)", i, e.kind, e.key, e.before, e.after)
		if e.after != nil {
			f.exec(t, "INSERT INTO items (kind, key, document, etag, revision) VALUES (?, ?, ?, '', 1)", e.kind, e.key, e.after)
		}
	}

	if _, err := f.migrate(t.Context(), "configuration", slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`server_profile only {"name":"only","type":"core","uris":["https://d.example"]}`,
		`server_profile shared ` + relay,
		`server_profile shared-core {"name":"shared-core","type":"core","uris":["https://b.example"],"rule":"\u003cmail\u003e"}`,
		`settings inspection {"enabled":true,"profile":"shared-core"}`,
	}
	if diff := cmp.Diff(want, f.texts(t, "SELECT kind || ' ' || key || ' ' || document FROM items ORDER BY kind, key")); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	want = []string{
		`server_profile shared - ` + relay,
		`server_profile shared-core - {"name":"shared-core","type":"core","uris":["https://b.example"],"rule":"\u003cmail\u003e"}`,
		`server_profile only {"name":"only","type":"core","uris":["https://c.example"]} {"name":"only","type":"core","uris":["https://d.example"]}`,
		`server_profile gone {"name":"gone","type":"core","uris":[]} -`,
		`settings inspection ` + before + ` {"enabled":true,"profile":"shared-core"}`,
	}
	const edits = "SELECT kind || ' ' || key || ' ' || COALESCE(before, '-') || ' ' || COALESCE(after, '-') FROM edits ORDER BY ordinal"
	if diff := cmp.Diff(want, f.texts(t, edits)); diff != "" {
		t.Errorf("edits (-want +got):\n%s", diff)
	}
}
