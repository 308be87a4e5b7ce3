package persistence

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"postern/domain"
	"postern/domain/delivery"
)

// Select returns the ids of unfinished messages that match, ascending, above
// the given one.
func (q *QueueStore) Select(ctx context.Context, f delivery.MessageFilter, above delivery.MessageID, limit int) (ids []delivery.MessageID, err error) {
	err = q.file.read(ctx, func(tx *gorm.DB) error {
		ids, err = selectOpen(tx, f, above, limit)
		return err
	})
	return ids, err
}

// Messages returns unfinished messages that match, with their recipients,
// ascending, above the given id, or, newest first, descending below it. Bodies
// stay on disk.
func (q *QueueStore) Messages(ctx context.Context, f delivery.MessageFilter, above delivery.MessageID, limit int) (list []*delivery.Message, err error) {
	err = q.file.read(ctx, func(tx *gorm.DB) error {
		ids, err := selectOpen(tx, f, above, limit)
		if err != nil {
			return err
		}
		loaded, err := q.load(tx, ids)
		for _, m := range loaded {
			list = append(list, m.Message)
		}
		return err
	})
	return list, err
}

func selectOpen(tx *gorm.DB, f delivery.MessageFilter, above delivery.MessageID, limit int) ([]delivery.MessageID, error) {
	var c conditions
	order := "m.id"
	c.add("m.finished_at IS NULL")
	if f.NewestFirst {
		order = "m.id DESC"
		c.add("(? = 0 OR m.id < ?)", int64(above), int64(above))
	} else {
		c.add("m.id > ?", int64(above))
	}
	if f.State != "" {
		c.add("m.held = ?", f.State == delivery.StateHeld)
	}
	if f.Sender != nil {
		c.add("m.sender = ?", f.Sender.String())
	}
	if !f.ReceivedAfter.IsZero() {
		c.add("m.received_at > ?", micros(f.ReceivedAfter))
	}
	if !f.ReceivedBefore.IsZero() {
		c.add("m.received_at < ?", micros(f.ReceivedBefore))
	}
	if f.RecipientDomain != "" {
		c.add("EXISTS (SELECT 1 FROM recipients r WHERE r.message_id = m.id AND r.destination = ? AND r.state = 0)",
			f.RecipientDomain.String())
	}
	ids, err := messageIDs(tx.Raw("SELECT m.id FROM messages m WHERE "+c.text()+" ORDER BY "+order+" LIMIT ?", c.with(limit)...))
	if f.NewestFirst {
		slices.Reverse(ids) // which come in ascending order, whatever the page
	}
	return ids, err
}

// conditions are joined by AND.
type conditions struct {
	parts  []string
	values []any
}

func (c *conditions) add(part string, values ...any) {
	c.parts, c.values = append(c.parts, part), append(c.values, values...)
}

func (c *conditions) text() string { return strings.Join(c.parts, " AND ") }

func (c *conditions) with(values ...any) []any { return append(c.values, values...) }

// Message returns a message, finished or not, with its recipients. The body of
// a finished one is nil.
func (q *QueueStore) Message(ctx context.Context, id delivery.MessageID) (m *delivery.Message, err error) {
	err = q.file.read(ctx, func(tx *gorm.DB) error {
		found, err := q.loadSome(tx, []delivery.MessageID{id})
		if err == nil && found[id] == nil {
			return domain.E(domain.NotFound, "there is no message %s", id)
		}
		if err == nil {
			m = found[id].Message
		}
		return err
	})
	return m, err
}

// Attempts returns the attempts at a message, ascending, above the given id.
func (q *QueueStore) Attempts(ctx context.Context, id, above delivery.MessageID, limit int) ([]delivery.RecordedAttempt, error) {
	return q.attempts(ctx, "a.message_id = ? AND a.id > ? ORDER BY a.id LIMIT ?", int64(id), int64(above), limit)
}

// LatestAttempts returns the attempts at a message, descending from the newest.
func (q *QueueStore) LatestAttempts(ctx context.Context, id delivery.MessageID, limit int) ([]delivery.RecordedAttempt, error) {
	return q.attempts(ctx, "a.message_id = ? ORDER BY a.id DESC LIMIT ?", int64(id), limit)
}

func (q *QueueStore) attempts(ctx context.Context, where string, values ...any) (list []delivery.RecordedAttempt, err error) {
	err = q.file.read(ctx, func(tx *gorm.DB) error {
		rows, err := tx.Raw("SELECT a.id, a.message_id, a.at, a.duration_us, a.revision, COALESCE(d.document, ''),"+
			" a.host, a.address, a.tls_version, a.tls_cipher, a.tls_verified, a.tls_verification, a.reused, a.hosts, a.results"+
			" FROM attempts a LEFT JOIN decisions d ON d.hash = a.decision WHERE "+where, values...).Rows()
		return scanAll(rows, err, func(r *sql.Rows) error {
			a, err := scanAttempt(r)
			list = append(list, a)
			return err
		})
	})
	return list, err
}

func scanAttempt(row scanner) (a delivery.RecordedAttempt, err error) {
	var id, message, at, duration int64
	var decision, hosts, results string
	if err := row.Scan(&id, &message, &at, &duration, &a.Revision, &decision, &a.Host, &a.Address,
		&a.TLS.Version, &a.TLS.Cipher, &a.TLS.Verified, &a.TLS.Verification, &a.Reused, &hosts, &results); err != nil {
		return a, err
	}
	a.ID, a.Message = delivery.MessageID(id), delivery.MessageID(message)
	a.At, a.Duration = moment(at), time.Duration(duration)*time.Microsecond
	if a.Decision, err = decisionOf(decision); err != nil {
		return a, err
	}
	if err := json.Unmarshal([]byte(hosts), &a.Hosts); err != nil {
		return a, err
	}
	a.Results, err = resultsOf(results)
	return a, err
}

// Deliveries returns finished messages that match, with their recipients,
// descending, below the given id, or, oldest first, ascending above it; 0 stands
// for the beginning.
func (q *QueueStore) Deliveries(ctx context.Context, f delivery.DeliveryFilter, from delivery.MessageID, limit int) (list []delivery.FinishedMessage, err error) {
	err = q.file.read(ctx, func(tx *gorm.DB) error {
		query := finishedQuery(f, from)
		where := query.text() + " ORDER BY " + inOrder("m.id", f.OldestFirst) + " LIMIT ?"
		if list, err = q.finished(tx, where, query.with(limit)); err != nil {
			return err
		}
		return q.fillRecipients(tx, list)
	})
	return list, err
}

// finishedQuery goes by the schedule's index where a destination is asked for:
// final recipients stand there in the order of their messages.
func finishedQuery(f delivery.DeliveryFilter, from delivery.MessageID) (c conditions) {
	c.add("m.finished_at IS NOT NULL")
	if from != 0 {
		c.add(beyond("m.id", f.OldestFirst), int64(from))
	}
	if !f.FinishedAfter.IsZero() {
		c.add("m.finished_at > ?", micros(f.FinishedAfter))
	}
	if !f.FinishedBefore.IsZero() {
		c.add("m.finished_at < ?", micros(f.FinishedBefore))
	}
	if f.RecipientDomain != "" {
		c.add("m.id IN (SELECT message_id FROM recipients WHERE waiting = 0 AND destination = ? AND next_attempt_at = 0)",
			f.RecipientDomain.String())
	}
	return c
}

func (q *QueueStore) finished(tx *gorm.DB, where string, values []any) (list []delivery.FinishedMessage, err error) {
	rows, err := tx.Raw("SELECT "+messageColumns+" FROM messages m WHERE "+where, values...).Rows()
	err = scanAll(rows, err, func(r *sql.Rows) error {
		m, finishedAt, err := q.scanMessage(r)
		list = append(list, delivery.FinishedMessage{Message: m, FinishedAt: finishedAt})
		return err
	})
	return list, err
}

func (q *QueueStore) fillRecipients(tx *gorm.DB, list []delivery.FinishedMessage) error {
	ids := make([]delivery.MessageID, len(list))
	for i, m := range list {
		ids[i] = m.ID
	}
	loaded, err := q.load(tx, ids)
	for i, m := range loaded {
		list[i].Message = m.Message
	}
	return err
}
