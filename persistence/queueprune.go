package persistence

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gorm.io/gorm"

	"postern/domain/delivery"
)

// pruneBatch is how many messages are forgotten at a time. The writer waits for
// each batch, so it is small.
const pruneBatch = 200

// longestLife is more than a message may be under way: so much older than its
// last use must a decision be for the attempts that refer to it to be gone.
const longestLife = 32 * 24 * time.Hour

// Prune forgets some of the messages that were finished before the time, with
// their attempts, and returns whether there is more to forget. When none are
// left it goes on with sessions, then with an hour of TLS statistics at a time,
// then with decisions that nothing refers to and destinations that were not seen
// since, gives free pages of the file back, and removes files of bodies that belong
// to no message.
func (q *QueueStore) Prune(ctx context.Context, before time.Time) (more bool, err error) {
	// What was finished before was received before, and its id made before that.
	ids, err := q.finishedBefore(ctx, before)
	if err != nil {
		return false, err
	}
	if len(ids) > 0 {
		err := q.file.write(ctx, func(tx *gorm.DB) error {
			return tx.Exec("DELETE FROM messages WHERE id IN ?", numbers(ids)).Error
		})
		return err == nil, err
	}
	err = q.file.write(ctx, func(tx *gorm.DB) (err error) {
		if more, err = pruneSessions(tx, before); err != nil || more {
			return err
		}
		if more, err = pruneStatistics(tx, before); err != nil || more {
			return err
		}
		if err := pruneDestinations(tx, before); err != nil {
			return err
		}
		if err := pruneReportOnly(tx, before); err != nil {
			return err
		}
		if err := pruneReportSessions(tx, before); err != nil {
			return err
		}
		return tx.Exec("DELETE FROM decisions WHERE used_on < ?", dayOf(before.Add(-longestLife))).Error
	})
	if err == nil && !more {
		more, err = q.file.giveBack(ctx)
	}
	if err == nil && more {
		return true, nil
	}
	return false, errors.Join(err, q.removeOrphans(ctx))
}

func (q *QueueStore) finishedBefore(ctx context.Context, before time.Time) (ids []delivery.MessageID, err error) {
	err = q.file.read(ctx, func(tx *gorm.DB) error {
		ids, err = messageIDs(tx.Raw("SELECT id FROM messages WHERE finished_at IS NOT NULL AND finished_at < ? AND id < ?"+
			" ORDER BY id LIMIT ?", micros(before), int64(firstID(before)), pruneBatch))
		return err
	})
	return ids, err
}

// removeOrphans removes files to which no row refers: a crash left them between
// the file and the commit, or between the commit and the removal.
func (q *QueueStore) removeOrphans(ctx context.Context) error {
	entries, err := os.ReadDir(q.spool.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return unusable(err)
	}
	for _, e := range entries {
		orphan, err := q.isOrphan(ctx, e.Name())
		if err != nil {
			return err
		}
		if orphan {
			_ = os.Remove(filepath.Join(q.spool.dir, e.Name())) // the next sweep tries again
		}
	}
	return nil
}

// isOrphan looks at the messages in use before it looks at the rows: one that is
// stored in between has its row.
func (q *QueueStore) isOrphan(ctx context.Context, name string) (bool, error) {
	id, err := delivery.ParseMessageID(strings.TrimSuffix(name, unfinishedSuffix))
	if err != nil || q.spool.holds(id) {
		return false, nil // not ours, or in use
	}
	var rows int64
	err = q.file.read(ctx, func(tx *gorm.DB) error {
		return tx.Raw("SELECT COUNT(*) FROM messages WHERE id = ? AND in_file = 1 AND finished_at IS NULL", int64(id)).
			Row().Scan(&rows)
	})
	return rows == 0, err
}
