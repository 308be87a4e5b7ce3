package persistence

import (
	"context"
	"database/sql"

	"gorm.io/gorm"

	"postern/domain/delivery"
)

// Figures counts the messages that are not finished, and finds the oldest.
func (q *QueueStore) Figures(ctx context.Context) (f delivery.QueueFigures, err error) {
	err = q.file.read(ctx, func(tx *gorm.DB) error {
		rows, err := tx.Raw("SELECT held, COUNT(*), MIN(received_at) FROM messages" +
			" WHERE finished_at IS NULL GROUP BY held").Rows()
		return scanAll(rows, err, func(r *sql.Rows) error {
			var held bool
			var messages, oldest int64
			if err := r.Scan(&held, &messages, &oldest); err != nil {
				return err
			}
			if held {
				f.Held = messages
			} else {
				f.Queued = messages
			}
			if received := moment(oldest); f.Oldest.IsZero() || received.Before(f.Oldest) {
				f.Oldest = received
			}
			return nil
		})
	})
	return f, err
}
