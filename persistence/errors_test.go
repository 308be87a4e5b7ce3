package persistence

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/mattn/go-sqlite3"
	"gorm.io/gorm"

	"postern/domain"
)

func TestTranslateByCode(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want domain.Kind
	}{
		"busy":          {sqlite3.Error{Code: sqlite3.ErrBusy}, domain.Unavailable},
		"locked":        {sqlite3.Error{Code: sqlite3.ErrLocked}, domain.Unavailable},
		"full":          {sqlite3.Error{Code: sqlite3.ErrFull}, domain.Unavailable},
		"I/O":           {sqlite3.Error{Code: sqlite3.ErrIoErr}, domain.Unavailable},
		"cannot open":   {sqlite3.Error{Code: sqlite3.ErrCantOpen}, domain.Unavailable},
		"read-only":     {sqlite3.Error{Code: sqlite3.ErrReadonly}, domain.Unavailable},
		"damaged":       {sqlite3.Error{Code: sqlite3.ErrCorrupt}, domain.Internal},
		"syntax":        {sqlite3.Error{Code: sqlite3.ErrError}, domain.Internal},
		"check":         {sqlite3.Error{Code: sqlite3.ErrConstraint, ExtendedCode: sqlite3.ErrConstraintCheck}, domain.Internal},
		"unique":        {sqlite3.Error{Code: sqlite3.ErrConstraint, ExtendedCode: sqlite3.ErrConstraintUnique}, domain.Conflict},
		"not found":     {gorm.ErrRecordNotFound, domain.NotFound},
		"kind given":    {domain.E(domain.Stale, "stale"), domain.Stale},
		"cause unknown": {errors.New("other"), domain.Internal},
	} {
		got := translate(domain.Wrap(tc.err, "attempt"))
		if domain.KindOf(got) != tc.want || !errors.Is(got, tc.err) {
			t.Errorf("%s: %v of kind %s, want %s", name, got, domain.KindOf(got), tc.want)
		}
	}
	if translate(nil) != nil {
		t.Error("no error became one")
	}
}

// What the driver really says.
func TestErrorsOfStatements(t *testing.T) {
	f := openTest(t, t.TempDir()).configuration
	const revision = "INSERT INTO revisions (number, author, comment, at) VALUES (?, 'a', '', 0)"
	exec := func(query string, args ...any) error {
		return f.write(t.Context(), func(tx *gorm.DB) error { return tx.Exec(query, args...).Error })
	}
	if err := exec(revision, 1); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		err  error
		want domain.Kind
	}{
		"primary key": {exec(revision, 1), domain.Conflict},
		"foreign key": {exec("INSERT INTO edits (revision, ordinal, kind, key) VALUES (7, 0, 'k', 'k')"), domain.Conflict},
		"in use":      {exec("INSERT INTO edits (revision, ordinal, kind, key) VALUES (1, 0, 'k', 'k'); DELETE FROM revisions"), domain.Conflict},
		"not null":    {exec(revision, nil), domain.Internal},
		"no row": {f.read(t.Context(), func(tx *gorm.DB) error {
			return tx.Take(&revisionRow{}, "number = 9").Error
		}), domain.NotFound},
		"unknown table": {exec("DELETE FROM nothing"), domain.Internal},
	} {
		if tc.err == nil || domain.KindOf(tc.err) != tc.want {
			t.Errorf("%s: %v of kind %s, want %s", name, tc.err, domain.KindOf(tc.err), tc.want)
		}
	}
}

func TestFullDiskIsUnavailableAndPasses(t *testing.T) {
	f := openTest(t, t.TempDir()).configuration
	fill := func() error {
		return f.write(t.Context(), func(tx *gorm.DB) error {
			return tx.Exec("INSERT INTO revisions (number, author, comment, at) VALUES (1, 'a', ?, 0)", strings.Repeat("x", 1<<20)).Error
		})
	}
	if err := f.writer.Exec("PRAGMA max_page_count = 50").Error; err != nil {
		t.Fatal(err)
	}
	err := fill()
	if domain.KindOf(err) != domain.Unavailable || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("error %v", err)
	}
	if err := f.writer.Exec("PRAGMA max_page_count = 10000").Error; err != nil {
		t.Fatal(err)
	}
	if err := fill(); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func TestContextErrorsStayAsTheyAre(t *testing.T) {
	f := openTest(t, t.TempDir()).configuration
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.write(ctx, func(*gorm.DB) error { return nil }); !errors.Is(err, context.Canceled) || domain.KindOf(err) != domain.Internal {
		t.Errorf("error %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	err := f.read(ctx, func(tx *gorm.DB) error {
		cancel()
		return tx.Exec("SELECT 1").Error
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v of a transaction cut short", err)
	}
}
