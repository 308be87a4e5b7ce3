package persistence

import (
	"database/sql"
	"slices"
	"time"

	"gorm.io/gorm"

	"postern/domain"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
)

// changeBatch is how many messages one statement of a change deals with.
const changeBatch = 500

// change does the actions of administrators. They are rare, and so go through
// GORM.
func (w *batchWrite) change(tx *gorm.DB) error {
	w.written.Waiting = map[mailaddr.DomainName]int{}
	for _, c := range w.batch.Changes {
		var changed []delivery.MessageID
		for ids := range slices.Chunk(c.Messages, changeBatch) {
			part, err := w.changeSome(tx, c, ids)
			if err != nil {
				return err
			}
			changed = append(changed, part...)
		}
		w.written.Changed = append(w.written.Changed, changed)
	}
	return nil
}

func (w *batchWrite) changeSome(tx *gorm.DB, c delivery.Change, ids []delivery.MessageID) ([]delivery.MessageID, error) {
	switch c.Action {
	case delivery.ActionHold:
		return w.hold(tx, ids, c.HeldReason)
	case delivery.ActionRelease:
		return w.letGo(tx, ids, c.At)
	case delivery.ActionRetry:
		return w.retry(tx, ids, c.At)
	case delivery.ActionDelete:
		return w.remove(tx, ids, c.At)
	}
	return nil, domain.E(domain.Invalid, "%q is no action on messages", string(c.Action))
}

func (w *batchWrite) hold(tx *gorm.DB, ids []delivery.MessageID, reason string) ([]delivery.MessageID, error) {
	changed, err := messageIDs(tx.Raw("UPDATE messages SET held = 1, held_reason = ?"+
		" WHERE id IN ? AND finished_at IS NULL AND held = 0 RETURNING id", reason, numbers(ids)))
	if err != nil || len(changed) == 0 {
		return nil, err
	}
	_, err = w.reschedule(tx, -1, "UPDATE recipients SET waiting = 0, next_attempt_at = 0, fence = fence + 1"+
		" WHERE message_id IN ? AND waiting = 1 RETURNING message_id, destination", numbers(changed))
	return changed, err
}

func (w *batchWrite) letGo(tx *gorm.DB, ids []delivery.MessageID, at time.Time) ([]delivery.MessageID, error) {
	changed, err := messageIDs(tx.Raw("UPDATE messages SET held = 0, held_reason = ''"+
		" WHERE id IN ? AND finished_at IS NULL AND held = 1 RETURNING id", numbers(ids)))
	if err != nil || len(changed) == 0 {
		return nil, err
	}
	_, err = w.reschedule(tx, 1, "UPDATE recipients SET waiting = 1, next_attempt_at = ?, fence = fence + 1"+
		" WHERE message_id IN ? AND state = 0 RETURNING message_id, destination", micros(at), numbers(changed))
	return changed, err
}

func (w *batchWrite) retry(tx *gorm.DB, ids []delivery.MessageID, at time.Time) ([]delivery.MessageID, error) {
	return w.reschedule(tx, 0, "UPDATE recipients SET next_attempt_at = ?, fence = fence + 1"+
		" WHERE message_id IN ? AND waiting = 1 RETURNING message_id, destination", micros(at), numbers(ids))
}

// remove ends messages without a word to the sender.
func (w *batchWrite) remove(tx *gorm.DB, ids []delivery.MessageID, at time.Time) ([]delivery.MessageID, error) {
	// Those that wait are counted first, then all are ended.
	if _, err := w.reschedule(tx, -1, "UPDATE recipients SET waiting = 0, next_attempt_at = 0"+
		" WHERE message_id IN ? AND waiting = 1 RETURNING message_id, destination", numbers(ids)); err != nil {
		return nil, err
	}
	changed, err := messageIDs(tx.Raw("UPDATE recipients SET state = ?, fence = fence + 1"+
		" WHERE message_id IN ? AND state = 0 RETURNING message_id", int(delivery.RecipientDeleted), numbers(ids)))
	if err != nil {
		return nil, err
	}
	finished := make([]finish, len(changed))
	for i, id := range changed {
		finished[i] = finish{id, at}
	}
	return changed, w.finish(tx.Statement.Context, finished)
}

// reschedule runs a statement that returns message and destination of each
// recipient it changed, counts by which number those that wait have grown, and
// returns the messages.
func (w *batchWrite) reschedule(tx *gorm.DB, each int, sqlText string, values ...any) ([]delivery.MessageID, error) {
	var ids []delivery.MessageID
	rows, err := tx.Raw(sqlText, values...).Rows()
	err = scanAll(rows, err, func(r *sql.Rows) error {
		var id int64
		var destination string
		if err := r.Scan(&id, &destination); err != nil {
			return err
		}
		ids = append(ids, delivery.MessageID(id))
		w.written.Waiting[mailaddr.DomainName(destination)] += each
		return nil
	})
	return distinct(ids), err
}

// messageIDs runs a query for ids.
func messageIDs(query *gorm.DB) (ids []delivery.MessageID, err error) {
	rows, err := query.Rows()
	err = scanAll(rows, err, func(r *sql.Rows) error {
		var id int64
		err := r.Scan(&id)
		ids = append(ids, delivery.MessageID(id))
		return err
	})
	return distinct(ids), err
}

func distinct(ids []delivery.MessageID) []delivery.MessageID {
	slices.Sort(ids)
	return slices.Compact(ids)
}

// numbers returns ids as the database has them.
func numbers(ids []delivery.MessageID) []int64 {
	list := make([]int64, len(ids))
	for i, id := range ids {
		list[i] = int64(id)
	}
	return list
}
