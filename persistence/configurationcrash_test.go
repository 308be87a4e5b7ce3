package persistence

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gorm.io/gorm"

	"postern/domain/config"
	"postern/domain/config/configtest"
	"postern/domain/event"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// configService returns the configuration service on the store.
func configService(t *testing.T, s *ConfigurationStore) *config.Service {
	t.Helper()
	svc, err := config.NewService(t.Context(), config.Dependencies{
		Store: s, History: s, Certificates: configtest.Certificates{Active: "good"}, Sockets: configtest.Sockets{},
		Bus: new(event.Bus), Now: func() time.Time { return testTime },
	})
	if err != nil {
		t.Fatal(err)
	}
	return svc
}

func requireTLS(t *testing.T, pattern string) config.Edit {
	t.Helper()
	p, err := mailaddr.ParseHostPattern(pattern)
	if err != nil {
		t.Fatal(err)
	}
	level := policy.TLSRequired
	return config.Edit{Kind: config.KindDestinationControl, Key: pattern, Value: policy.DestinationControl{Pattern: p, TLSLevel: &level}}
}

// crashCopy returns a copy of the data directory as a kill would leave it now: what
// the process has only in memory is not in it.
func crashCopy(t *testing.T, d *Database) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range []string{masterKeyName, configurationName, configurationName + "-wal", queueName, queueName + "-wal"} {
		content, err := os.ReadFile(filepath.Join(d.dir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestCrashBetweenCommitAndPublish(t *testing.T) {
	d := openTest(t, t.TempDir())
	s := configService(t, d.Configuration())
	if err := s.Seed(t.Context(), config.Seed{HostName: "mail.example.com"}); err != nil {
		t.Fatal(err)
	}
	result := configtest.Commit(t, s, requireTLS(t, "example.com"))
	// A commit that no service lives to publish.
	next := testItem(config.KindDestinationControl, "example.com", "", 0)
	next.Document = json.RawMessage(`{"pattern":"example.com","tls_level":"preferred"}`)
	if err := d.Configuration().Commit(t.Context(), result.Revision, testRevision(result.Revision+1), []config.Item{next}); err != nil {
		t.Fatal(err)
	}
	if s.Snapshot().Revision != result.Revision {
		t.Fatal("the commit was published")
	}
	after := configService(t, openTest(t, crashCopy(t, d)).Configuration())
	if got := after.Snapshot().Revision; got != result.Revision+1 {
		t.Errorf("revision %d after the crash, want %d", got, result.Revision+1)
	}
	if c, _ := after.Snapshot().Control("example.com"); c.TLSLevel == nil || *c.TLSLevel != policy.TLSPreferred {
		t.Errorf("control %+v after the crash", c)
	}
	configtest.Commit(t, after, requireTLS(t, "example.net"))
}

func TestCrashWithinTransactionLeavesNothing(t *testing.T) {
	d := openTest(t, t.TempDir())
	s := d.Configuration()
	commitRoutes(t, s, 1, map[string]string{"a.example": "1"})
	var dir string
	undo := errors.New("undo")
	err := s.file.write(t.Context(), func(tx *gorm.DB) error {
		if err := insertRevision(tx, testRevision(2)); err != nil {
			return err
		}
		// So much that SQLite cannot keep it in memory until the commit.
		items := []config.Item{{Kind: config.KindRoute, Key: "a.example"}}
		for i := range 200 {
			items = append(items, testItem(config.KindRoute, fmt.Sprintf("%d.example", i), strings.Repeat("x", 100_000), 2))
		}
		if err := writeItems(tx, items); err != nil {
			return err
		}
		dir = crashCopy(t, d)
		return undo
	})
	if !errors.Is(err, undo) {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, configurationName+"-wal")); err != nil || info.Size() < 1_000_000 {
		t.Fatalf("the transaction did not reach the disk, so that the test shows nothing: %v", err)
	}
	items, newest := loadItems(t, openTest(t, dir).Configuration())
	if diff := cmp.Diff([]config.Item{testItem(config.KindRoute, "a.example", "1", 1)}, items); diff != "" || newest != 1 {
		t.Errorf("revision %d (-want +got):\n%s", newest, diff)
	}
}

func TestRollbackThroughTheStore(t *testing.T) {
	s := configService(t, openTest(t, t.TempDir()).Configuration())
	if err := s.Seed(t.Context(), config.Seed{HostName: "mail.example.com"}); err != nil {
		t.Fatal(err)
	}
	first := configtest.Commit(t, s, requireTLS(t, "example.com"))
	configtest.Commit(t, s, config.Edit{Kind: config.KindDestinationControl, Key: "example.com"}, requireTLS(t, "example.net"))
	if _, err := s.Rollback(t.Context(), first.Revision, config.Act{Author: "ada"}); err != nil {
		t.Fatal(err)
	}
	var keys []string
	items, err := s.List(t.Context(), config.KindDestinationControl, "", 10)
	for _, i := range items {
		keys = append(keys, i.Key)
	}
	if diff := cmp.Diff([]string{"default", "example.com"}, keys); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}
