package persistence

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// readers is how many connections of a file read side by side.
const readers = 4

// file is one SQLite file, opened as two pools.
type file struct {
	writer *gorm.DB // one connection
	reader *gorm.DB // several, which cannot write
}

// openFile opens the file, creating it for its owner only. SQLite gives the
// companions (-wal, -shm) the mode of the file they belong to.
func openFile(path string) (file, error) {
	if err := createPrivate(path); err != nil {
		return file{}, err
	}
	writer, err := openPool(writerDSN(path), 1)
	if err != nil {
		return file{}, err
	}
	// The log is folded into the file four times as seldom as SQLite would: what
	// was written again in the meantime, as most of a queue is, is copied once.
	// A log that a burst has made longer than usual is cut back.
	for _, pragma := range []string{"wal_autocheckpoint = 4000", "journal_size_limit = 67108864"} {
		if err := writer.Exec("PRAGMA " + pragma).Error; err != nil {
			return file{}, errors.Join(translate(err), closePool(writer))
		}
	}
	reader, err := openPool(readerDSN(path), readers)
	if err != nil {
		return file{}, errors.Join(err, closePool(writer))
	}
	return file{writer: writer, reader: reader}, nil
}

// writerDSN names the file for writing. Transactions take the write lock when
// they begin: one that reads first and then finds the lock taken could only
// fail, busy timeout or not.
func writerDSN(path string) string {
	return dsn(path, url.Values{
		"_txlock":       {"immediate"},
		"_foreign_keys": {"1"},
		"_busy_timeout": {"5000"},
		"_journal_mode": {"WAL"},
		"_synchronous":  {"FULL"},
		"_auto_vacuum":  {"incremental"}, // of a new file: see [file.giveBack]
		"_cache_size":   {"-8000"},       // KiB, where they are used: a batch finds its pages
	})
}

func readerDSN(path string) string {
	return dsn(path, url.Values{
		"mode":          {"ro"},
		"_query_only":   {"1"},
		"_txlock":       {"deferred"},
		"_busy_timeout": {"5000"},
	})
}

// dsn is a URI, so that a path may hold a question mark or a space.
func dsn(path string, settings url.Values) string {
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: settings.Encode()}
	return u.String()
}

// openPool opens a pool that keeps its connections for good. Prepared
// statements are not left to GORM: its cache waits for a connection while
// another goroutine that holds the only one may wait for the cache, and
// statements that it prepares inside a transaction are prepared anew in the
// next one anyway.
func openPool(dsn string, connections int) (*gorm.DB, error) {
	db, err := gorm.Open(sqlite.Open(dsn), &gorm.Config{
		Logger:                 logger.Discard,
		NowFunc:                func() time.Time { return time.Time{} }, // the clock is the caller's
		SkipDefaultTransaction: true,
	})
	if err != nil {
		if db != nil {
			err = errors.Join(err, closePool(db))
		}
		return nil, translate(err)
	}
	pool, err := db.DB()
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)
	return db, nil
}

func closePool(db *gorm.DB) error {
	pool, err := db.DB()
	if err != nil {
		return err
	}
	return pool.Close()
}

// close closes the readers first: the last connection to go folds the
// write-ahead log into the file, and only the writer can.
func (f file) close() error {
	return errors.Join(closePool(f.reader), closePool(f.writer))
}

// write runs the function in a transaction that commits if it returns nil. An
// error of the commit itself leaves open whether the transaction took effect.
func (f file) write(ctx context.Context, do func(tx *gorm.DB) error) error {
	return translate(ended(ctx, f.writer.WithContext(ctx).Transaction(do)))
}

// read runs the function in a transaction that sees the file as of one moment.
func (f file) read(ctx context.Context, do func(tx *gorm.DB) error) error {
	return translate(ended(ctx, f.reader.WithContext(ctx).Transaction(do, &sql.TxOptions{ReadOnly: true})))
}

// ended returns the context's error for a transaction that was rolled back
// because the context ended: database/sql may only say that it is done.
func ended(ctx context.Context, err error) error {
	if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// createPrivate makes an empty file with mode 0600 if there is none, and takes
// an existing one from group and others.
func createPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return unusable(err)
	}
	return errors.Join(f.Chmod(0o600), f.Close(), syncDirectory(filepath.Dir(path)))
}

// syncDirectory makes the names in a directory durable.
func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
