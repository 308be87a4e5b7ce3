package persistence

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gorm.io/gorm"

	"postern/domain"
	"postern/domain/audit"
)

// auditFixture is the log on a database, at a time that tests move.
func auditFixture(t *testing.T) (d *Database, log *audit.Service, now *time.Time) {
	t.Helper()
	d = openTest(t, t.TempDir())
	now = new(testTime)
	return d, audit.NewService(d.Audit(), func() time.Time { return *now }), now
}

func beginAudit(t *testing.T, log *audit.Service, operation string) audit.Entry {
	t.Helper()
	e, err := log.Begin(t.Context(), audit.Entry{
		Actor: "ada", From: "192.0.2.1", Interface: audit.REST, RequestID: "r1", Operation: operation, Target: "/a_b%",
		Request: json.RawMessage(`{"a":1}`), Before: json.RawMessage(`{}`), After: json.RawMessage(`null`), Status: 200, Revision: 7,
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func verifyAudit(t *testing.T, log *audit.Service) audit.Verification {
	t.Helper()
	v, err := log.Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestAuditEntriesAreKeptWhole(t *testing.T) {
	_, log, now := auditFixture(t)
	first := beginAudit(t, log, "one")
	*now = now.Add(time.Hour)
	second := beginAudit(t, log, "two")
	for name, tc := range map[string]struct {
		q    audit.Query
		want []audit.Entry
	}{
		"all":           {audit.Query{}, []audit.Entry{second, first}},
		"page":          {audit.Query{Before: 2}, []audit.Entry{first}},
		"limit":         {audit.Query{Limit: 1}, []audit.Entry{second}},
		"operation":     {audit.Query{Operation: "one"}, []audit.Entry{first}},
		"nobody":        {audit.Query{Actor: "eve"}, []audit.Entry{}},
		"since":         {audit.Query{Since: second.At}, []audit.Entry{second}},
		"until":         {audit.Query{Until: second.At}, []audit.Entry{first}},
		"target":        {audit.Query{Target: "/a_b%"}, []audit.Entry{second, first}},
		"no wild cards": {audit.Query{Target: "/%"}, []audit.Entry{}},
		"phase":         {audit.Query{Phase: audit.Finished}, []audit.Entry{}},
	} {
		got, err := log.List(t.Context(), tc.q)
		if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
			t.Errorf("%s: error %v (-want +got):\n%s", name, err, diff)
		}
	}
}

// B73: what is changed by hand in the database shows.
func TestAuditTamperingInTheDatabase(t *testing.T) {
	for statement, broken := range map[string]int64{
		`UPDATE audit_log SET actor = 'eve' WHERE number = 2`:                             2,
		`UPDATE audit_log SET at = at + 1 WHERE number = 3`:                               3,
		`UPDATE audit_log SET hash = x'00' WHERE number = 1`:                              1,
		`DELETE FROM audit_log WHERE number = 2`:                                          2,
		`DELETE FROM audit_log WHERE number >= 3`:                                         3,
		`DELETE FROM audit_log`:                                                           1,
		`UPDATE audit_log SET number = 9 WHERE number = 4`:                                9,
		`DELETE FROM audit_ends`:                                                          0,
		`DELETE FROM audit_log; DELETE FROM audit_ends`:                                   0,
		`UPDATE audit_ends SET sealed = zeroblob(109)`:                                    0,
		`UPDATE audit_log SET after = '{}', request_id = request_id || 'x' WHERE begun=0`: 1,
	} {
		d, log, _ := auditFixture(t)
		for i := range 4 {
			beginAudit(t, log, fmt.Sprint(i))
		}
		err := d.configuration.write(t.Context(), func(tx *gorm.DB) error { return tx.Exec(statement).Error })
		if err != nil {
			t.Fatal(err)
		}
		if v := verifyAudit(t, log); v.Intact() || v.Broken != broken {
			t.Errorf("%s: broken at %d (%s), want %d", statement, v.Broken, v.Reason, broken)
		}
	}
}

func TestAuditWithoutItsEndsTakesNothingMore(t *testing.T) {
	d, log, _ := auditFixture(t)
	beginAudit(t, log, "one")
	err := d.configuration.write(t.Context(), func(tx *gorm.DB) error { return tx.Exec(`DELETE FROM audit_ends`).Error })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := log.Begin(t.Context(), audit.Entry{}); domain.KindOf(err) != domain.Unavailable {
		t.Errorf("error %v", err)
	}
}

// The log begins when its tables are made, in a directory of an older program too,
// which has revisions already.
func TestAuditLogBeginsWithTheUpgrade(t *testing.T) {
	dir := t.TempDir()
	if _, err := loadSealer(dir); err != nil {
		t.Fatal(err)
	}
	old := migratedFile(t, filepath.Join(dir, configurationName), "configuration", auditSchema-1)
	old.exec(t, `INSERT INTO revisions (number, author, comment, at) VALUES (1, 'ada', '', 0)`)
	log := audit.NewService(openTest(t, dir).Audit(), func() time.Time { return testTime })
	beginAudit(t, log, "one")
	if v := verifyAudit(t, log); !v.Intact() {
		t.Errorf("after the upgrade: %s", v.Reason)
	}
}

// An emptied log does not begin anew, not even over a restart.
func TestAnEmptiedAuditLogStaysBroken(t *testing.T) {
	dir, now := t.TempDir(), func() time.Time { return testTime }
	d, err := tryOpen(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	log := audit.NewService(d.Audit(), now)
	if v := verifyAudit(t, log); !v.Intact() {
		t.Errorf("a new log: %s", v.Reason)
	}
	beginAudit(t, log, "one")
	err = d.configuration.write(t.Context(), func(tx *gorm.DB) error {
		return tx.Exec(`INSERT INTO revisions (number, author, comment, at) VALUES (1, 'ada', '', 0); DELETE FROM audit_log; DELETE FROM audit_ends`).Error
	})
	if err != nil {
		t.Fatal(err)
	}
	closeTest(t, d)
	log = audit.NewService(openTest(t, dir).Audit(), now)
	if v := verifyAudit(t, log); v.Intact() {
		t.Error("an emptied log is intact")
	}
	if _, err := log.Begin(t.Context(), audit.Entry{}); domain.KindOf(err) != domain.Unavailable {
		t.Errorf("error %v", err)
	}
}

func TestAuditPrunes(t *testing.T) {
	_, log, now := auditFixture(t)
	for i := range 3 {
		beginAudit(t, log, fmt.Sprint(i))
	}
	*now = now.Add(audit.Keep + time.Second)
	beginAudit(t, log, "young")
	if err := log.Prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	v := verifyAudit(t, log)
	if !v.Intact() || v.Pruned.Number != 3 || v.Entries != 2 || v.Anchor.Number != 5 {
		t.Errorf("verification %+v", v)
	}
	if err := log.Prune(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAuditAppendsFromManySides(t *testing.T) {
	_, log, _ := auditFixture(t)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() { beginAudit(t, log, fmt.Sprint(i)) })
	}
	wg.Wait()
	if v := verifyAudit(t, log); !v.Intact() || v.Entries != 20 {
		t.Errorf("verification %+v", v)
	}
}
