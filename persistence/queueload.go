package persistence

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"gorm.io/gorm"

	"postern/domain/delivery"
	"postern/domain/mailaddr"
)

// Backlog counts what waits, by destination.
func (q *QueueStore) Backlog(ctx context.Context) (backlog []delivery.Backlog, err error) {
	err = q.file.read(ctx, func(tx *gorm.DB) error {
		rows, err := tx.Raw("SELECT destination, COUNT(*), MIN(next_attempt_at) FROM recipients" +
			" WHERE waiting = 1 GROUP BY destination").Rows()
		return scanAll(rows, err, func(r *sql.Rows) error {
			var b delivery.Backlog
			var destination string
			var next int64
			if err := r.Scan(&destination, &b.Recipients, &next); err != nil {
				return err
			}
			b.Destination, b.Next = mailaddr.DomainName(destination), moment(next)
			backlog = append(backlog, b)
			return nil
		})
	})
	return backlog, err
}

const waitingFor = "SELECT message_id FROM recipients WHERE waiting = 1 AND destination = ?"

// Waiting loads messages that wait for a destination, in the order in which
// they are to be tried.
func (q *QueueStore) Waiting(ctx context.Context, query delivery.WaitingQuery) (page delivery.WaitingPage, err error) {
	destination := query.Destination.String()
	err = q.file.read(ctx, func(tx *gorm.DB) error {
		c := &collector{skip: query.Skip, limit: query.Limit}
		err := c.collect(tx.Raw(waitingFor+" AND next_attempt_at <= ? ORDER BY next_attempt_at, message_id",
			destination, micros(query.Due)))
		if err == nil && !c.more {
			err = c.collect(tx.Raw(waitingFor+" AND next_attempt_at > ? ORDER BY next_attempt_at, message_id",
				destination, micros(query.Horizon)))
		}
		if err != nil {
			return err
		}
		page.More = c.more
		if page.Next, err = nextAfter(tx, destination, query.Due, query.Horizon); err != nil {
			return err
		}
		page.Messages, err = q.load(tx, c.ids)
		return err
	})
	return page, err
}

// nextAfter returns the earliest next attempt that is not due yet.
func nextAfter(tx *gorm.DB, destination string, due, horizon time.Time) (time.Time, error) {
	var next sql.NullInt64
	err := tx.Raw("SELECT MIN(next_attempt_at) FROM recipients"+
		" WHERE waiting = 1 AND destination = ? AND next_attempt_at > ? AND next_attempt_at <= ?",
		destination, micros(due), micros(horizon)).Row().Scan(&next)
	if err != nil || !next.Valid {
		return time.Time{}, err
	}
	return moment(next.Int64), nil
}

// Overdue loads messages that wait for a destination beyond their time. The id
// of a message is made before it is received whole: an id that is too young
// spares the look at the message.
func (q *QueueStore) Overdue(ctx context.Context, query delivery.OverdueQuery) (page delivery.WaitingPage, err error) {
	expired, untold := micros(query.Expired), micros(query.Untold)
	below := query.Expired
	if query.Untold.After(below) {
		below = query.Untold
	}
	err = q.file.read(ctx, func(tx *gorm.DB) error {
		c := &collector{skip: query.Skip, limit: query.Limit}
		err := c.collect(tx.Raw("SELECT r.message_id FROM recipients r JOIN messages m ON m.id = r.message_id"+
			" WHERE r.waiting = 1 AND r.destination = ? AND r.message_id < ?"+
			" AND (m.received_at < ? OR m.told = 0 AND m.received_at < ?)",
			query.Destination.String(), int64(firstID(below)), expired, untold))
		if err != nil {
			return err
		}
		page.More = c.more
		page.Messages, err = q.load(tx, c.ids)
		return err
	})
	return page, err
}

// firstID returns the lowest id that can be made at the time.
func firstID(t time.Time) delivery.MessageID { return new(delivery.IDSource).Next(t, 0) }

// collector gathers ids of messages, each once, up to a limit.
type collector struct {
	skip  func(delivery.MessageID) bool
	limit int
	ids   []delivery.MessageID
	seen  map[delivery.MessageID]struct{}
	more  bool // the limit cut the answer
}

// collect adds the ids that the query returns.
func (c *collector) collect(query *gorm.DB) error {
	rows, err := query.Rows()
	if err != nil {
		return err
	}
	defer rows.Close()
	for !c.more && rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return err
		}
		c.add(delivery.MessageID(id))
	}
	return rows.Err()
}

func (c *collector) add(id delivery.MessageID) {
	if _, seen := c.seen[id]; seen {
		return
	}
	if c.seen == nil {
		c.seen = map[delivery.MessageID]struct{}{}
	}
	c.seen[id] = struct{}{}
	switch {
	case c.skip != nil && c.skip(id):
	case len(c.ids) == c.limit:
		c.more = true
	default:
		c.ids = append(c.ids, id)
	}
}

// loadBatch is how many messages one statement loads.
const loadBatch = 250

// load reads messages with their recipients, in the order of the ids.
func (q *QueueStore) load(tx *gorm.DB, ids []delivery.MessageID) ([]delivery.Queued, error) {
	list := make([]delivery.Queued, 0, len(ids))
	for batch := range slices.Chunk(ids, loadBatch) {
		found, err := q.loadSome(tx, batch)
		if err != nil {
			return nil, err
		}
		for _, id := range batch {
			if m := found[id]; m != nil {
				list = append(list, *m)
			}
		}
	}
	return list, nil
}

func (q *QueueStore) loadSome(tx *gorm.DB, ids []delivery.MessageID) (map[delivery.MessageID]*delivery.Queued, error) {
	found := make(map[delivery.MessageID]*delivery.Queued, len(ids))
	rows, err := tx.Raw("SELECT "+messageColumns+" FROM messages WHERE id IN ?", numbers(ids)).Rows()
	err = scanAll(rows, err, func(r *sql.Rows) error {
		m, _, err := q.scanMessage(r)
		if err == nil {
			found[m.ID] = &delivery.Queued{Message: m}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	rows, err = tx.Raw("SELECT "+recipientColumns+" FROM recipients WHERE message_id IN ? ORDER BY message_id, idx", numbers(ids)).Rows()
	return found, scanAll(rows, err, func(r *sql.Rows) error {
		id, recipient, fence, err := scanRecipient(r)
		if m := found[id]; m != nil && err == nil {
			m.Recipients, m.Fences = append(m.Recipients, recipient), append(m.Fences, fence)
		}
		return err
	})
}
