package persistence

import (
	"context"
	"database/sql"
	"fmt"

	"gorm.io/gorm"
)

const (
	// slackPages is how many free pages a file may keep, of 4 KiB each: the next
	// messages use them. More are given back when they are a quarter of the file.
	slackPages = 4096
	// shrinkPages is how many pages are given back at a time. The writer waits for
	// each step, so they are few.
	shrinkPages = 512
)

// giveBack makes the file smaller by some of its free pages where it has many, and
// returns whether there are more. A file that was made before files could shrink
// reuses its free pages and stays as it is.
func (f file) giveBack(ctx context.Context) (more bool, err error) {
	free, total, err := f.pages(ctx)
	if err != nil || free <= slackPages || free*4 < total {
		return false, err
	}
	err = f.write(ctx, func(tx *gorm.DB) error {
		// Each row that is read gives one page back.
		rows, err := tx.Raw(fmt.Sprintf("PRAGMA incremental_vacuum(%d)", shrinkPages)).Rows()
		return scanAll(rows, err, func(*sql.Rows) error { return nil })
	})
	if err != nil {
		return false, err
	}
	left, _, err := f.pages(ctx)
	return left < free && left > slackPages, err
}

// pages returns how many pages of the file are free, and how many there are.
func (f file) pages(ctx context.Context) (free, total int64, err error) {
	err = f.read(ctx, func(tx *gorm.DB) error {
		if err := tx.Raw("PRAGMA freelist_count").Row().Scan(&free); err != nil {
			return err
		}
		return tx.Raw("PRAGMA page_count").Row().Scan(&total)
	})
	return free, total, err
}
