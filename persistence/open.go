// Package persistence keeps what must survive: it is the only room that knows
// the database.
//
// A data directory holds two SQLite files. postern.db has the configuration
// with its revisions, the certificates and the accounts; queue.db has the mail
// and its history. They are apart because a burst of mail must not hold up an
// administrator, and because a backup values them differently. Beside them lie
// the master key that seals the secrets, and a lock that keeps a second process
// out.
//
// SQLite has one writer at a time, so each file is opened as two pools: one
// connection that writes, and a few that can only read. In WAL mode readers see
// the state as of their first statement and never wait for the writer.
// Synchronous FULL means that a commit which returned is on the disk.
//
// Every statement runs in a transaction of [file.write] or [file.read], which
// translate the driver's errors into the kinds of [domain.Error]. Ids and the
// clock come from the caller, never from the database; moments are integers,
// microseconds since 1970 UTC.
package persistence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"postern/domain"
)

// The files of a data directory.
const (
	configurationName = "postern.db"
	queueName         = "queue.db"
)

// Database is an open data directory. It is safe for concurrent use; the
// stores made from it are views of it and need no closing.
type Database struct {
	configuration file // postern.db
	queue         file // queue.db
	sealer        *sealer
	dir           string // absolute
	closers       []func() error
}

// Options are what a data directory needs from outside. All are required.
type Options struct {
	Logger *slog.Logger
}

// Open opens the data directory, creating what is missing, and brings both
// files to this program's version. It refuses, with the reason, a directory
// that another process has open, that cannot be written, or that a newer
// version of the program has written (domain.Unavailable or domain.Conflict).
func Open(ctx context.Context, dir string, options Options) (*Database, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find the data directory %s: %w", dir, err)
	}
	d := &Database{dir: absolute}
	if err := d.open(ctx, options.Logger); err != nil {
		return nil, errors.Join(domain.Wrap(err, "open the data directory %s", absolute), d.Close())
	}
	return d, nil
}

// open does the steps of Open; what it opened before a failed one is left for
// Close.
func (d *Database) open(ctx context.Context, log *slog.Logger) error {
	if err := makeDirectory(d.dir); err != nil {
		return err
	}
	unlock, err := lockDirectory(d.dir)
	if err != nil {
		return err
	}
	d.closers = append(d.closers, unlock)
	if d.sealer, err = loadSealer(d.dir); err != nil {
		return err
	}
	from, err := d.openFile(ctx, &d.configuration, configurationName, "configuration", log)
	if err != nil {
		return err
	}
	if from < auditSchema {
		if err := d.Audit().found(ctx); err != nil {
			return domain.Wrap(err, "begin the audit log")
		}
	}
	_, err = d.openFile(ctx, &d.queue, queueName, "queue", log)
	return err
}

// openFile opens one file and migrates it; it returns the version of the schema
// that the file had.
func (d *Database) openFile(ctx context.Context, f *file, name, schema string, log *slog.Logger) (from int64, err error) {
	opened, err := openFile(filepath.Join(d.dir, name))
	if err != nil {
		return 0, domain.Wrap(err, "%s", name)
	}
	*f = opened
	d.closers = append(d.closers, f.close)
	from, err = f.migrate(ctx, schema, log.With("file", name))
	return from, domain.Wrap(err, "%s", name)
}

// Close closes both files, folding their write-ahead logs in, and gives the
// directory free. Work under way fails; call it last.
func (d *Database) Close() error {
	var errs []error
	for i := len(d.closers) - 1; i >= 0; i-- {
		errs = append(errs, d.closers[i]())
	}
	d.closers = nil
	return errors.Join(errs...)
}

// makeDirectory creates the directory, for its owner only, and proves that a
// file can be made in it: SQLite says much less clearly why it cannot.
func makeDirectory(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return &domain.Error{Kind: domain.Unavailable, Detail: "it cannot be created", Err: err}
	}
	probe, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return &domain.Error{Kind: domain.Unavailable, Detail: "it cannot be written", Err: err}
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}
