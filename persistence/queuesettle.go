package persistence

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"postern/domain/delivery"
	"postern/domain/policy"
)

// The statements that run for each delivery.
var (
	insertAttemptSQL = batchSQL{
		head: "INSERT INTO attempts (id, message_id, at, duration_us, revision, decision, host, address," +
			" tls_version, tls_cipher, tls_verified, tls_verification, reused, hosts, results) VALUES ",
		row:     "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
		columns: 15,
	}
	insertDecisionSQL = batchSQL{
		head:    "INSERT INTO decisions (hash, document, used_on) VALUES ",
		row:     "(?,?,?)",
		tail:    " ON CONFLICT (hash) DO UPDATE SET used_on = excluded.used_on",
		columns: 3,
	}
	tellSenderSQL = batchSQL{
		head: "UPDATE messages SET told = 1 WHERE id IN (VALUES ", row: "(?)", tail: ")", columns: 1,
	}
)

// The statements that change one row each. A statement for many rows would join
// them to a list of values, which costs SQLite several times as much.
const (
	// A recipient whose fence is another one was changed by someone else: it
	// stays, and no row is affected.
	updateRecipientSQL = "UPDATE recipients SET state = ?, waiting = ?, attempts = ?, next_attempt_at = ?, last_outcome = ?," +
		" fence = fence + 1 WHERE message_id = ? AND idx = ? AND fence = ?"
	finishMessageSQL = "UPDATE messages SET finished_at = ? WHERE id = ? AND finished_at IS NULL" +
		" AND NOT EXISTS (SELECT 1 FROM recipients WHERE message_id = messages.id AND state = 0)"
	deleteBodySQL = "DELETE FROM bodies WHERE message_id = ?"
)

// errStale ends a try to write a batch in which a fence did not hold.
var errStale = errors.New("a settlement is stale")

// settle stores the settlements: first the recipients, whose fences tell which
// settlements hold, then what goes with them.
func (w *batchWrite) settle(ctx context.Context) error {
	if err := w.updateRecipients(ctx); err != nil {
		return err
	}
	var attempts, told []any
	var finished []finish
	var notices []*delivery.Message
	for _, s := range w.live() {
		hash, err := w.decide(s)
		if err != nil {
			return err
		}
		if attempts, err = appendAttempt(attempts, s.ID, &s.Attempt, hash); err != nil {
			return err
		}
		if s.Last {
			finished = append(finished, finish{s.Attempt.Message, s.At})
		}
		if s.DelayNotice {
			told = append(told, int64(s.Attempt.Message))
		}
		notices = append(notices, s.Notices...)
	}
	if err := w.insertMessages(ctx, notices); err != nil {
		return err
	}
	if err := w.statements.insertAttempt.exec(ctx, w.tx, attempts); err != nil {
		return err
	}
	if err := w.insertDecisions(ctx); err != nil {
		return err
	}
	if err := w.statements.tellSender.exec(ctx, w.tx, told); err != nil {
		return err
	}
	return w.finish(ctx, finished)
}

// live returns the settlements that are not left out.
func (w *batchWrite) live() []*delivery.Settlement {
	list := make([]*delivery.Settlement, 0, len(w.batch.Settlements))
	for i, s := range w.batch.Settlements {
		if !w.stale[i] {
			list = append(list, s)
		}
	}
	return list
}

// updateRecipients stores the progress. It returns errStale where a fence did
// not hold, with the settlement marked.
func (w *batchWrite) updateRecipients(ctx context.Context) (err error) {
	update := w.tx.StmtContext(ctx, w.statements.updateRecipient)
	var stale error
	for i, s := range w.batch.Settlements {
		for j := 0; j < len(s.Progress) && !w.stale[i]; j++ {
			values, err := progressValues(s.Attempt.Message, &s.Progress[j])
			if err != nil {
				return err
			}
			held, err := affected(update.ExecContext(ctx, values...))
			if err != nil {
				return err
			}
			if held == 0 {
				w.stale[i], stale = true, errStale
			}
		}
	}
	return stale
}

// affected returns how many rows a statement has changed.
func affected(result sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// finish is a message that may be done with.
type finish struct {
	message delivery.MessageID
	at      time.Time
}

// finish ends messages of which no recipient is left to be tried, and drops
// their bodies. A body that is no row is a file.
func (w *batchWrite) finish(ctx context.Context, list []finish) error {
	end, drop := w.tx.StmtContext(ctx, w.statements.finishMessage), w.tx.StmtContext(ctx, w.statements.deleteBody)
	for _, f := range list {
		ended, err := affected(end.ExecContext(ctx, micros(f.at), int64(f.message)))
		if err != nil {
			return err
		}
		if ended == 0 {
			continue
		}
		rows, err := affected(drop.ExecContext(ctx, int64(f.message)))
		if err != nil {
			return err
		}
		if rows == 0 {
			w.finishedFiles = append(w.finishedFiles, f.message)
		}
	}
	return nil
}

// decisionHash names a decision's document.
type decisionHash [sha256.Size]byte

// freshDecision is a document that the store may not have yet.
type freshDecision struct {
	document string
	day      int64
}

// decide returns the hash of the settlement's decision, and sees to it that the
// document is stored.
func (w *batchWrite) decide(s *delivery.Settlement) ([]byte, error) {
	document, err := json.Marshal(s.Attempt.Decision)
	if err != nil {
		return nil, err
	}
	hash, day := decisionHash(sha256.Sum256(document)), dayOf(s.At)
	if !w.queue.decisions.has(hash, day) {
		w.fresh[hash] = freshDecision{string(document), day}
	}
	return hash[:], nil
}

func (w *batchWrite) insertDecisions(ctx context.Context) error {
	var rows []any
	for hash, d := range w.fresh {
		rows = append(rows, hash[:], d.document, d.day)
	}
	return w.statements.insertDecision.exec(ctx, w.tx, rows)
}

// dayOf returns the days since 1970 UTC.
func dayOf(t time.Time) int64 { return t.Unix() / 86400 }

// decisions knows which documents are stored with the mark of which day, so
// that most attempts need not store theirs.
type decisions struct {
	mu    sync.Mutex
	day   int64
	known map[decisionHash]struct{}
}

// maxKnownDecisions bounds the memory; beyond it documents are stored anew,
// which is slower and otherwise harmless.
const maxKnownDecisions = 10_000

func (d *decisions) has(hash decisionHash, day int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, known := d.known[hash]
	return known && day == d.day
}

// keep takes note of documents that were stored.
func (d *decisions) keep(stored map[decisionHash]freshDecision) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for hash, s := range stored {
		if s.day != d.day || d.known == nil || len(d.known) >= maxKnownDecisions {
			d.day, d.known = s.day, map[decisionHash]struct{}{}
		}
		d.known[hash] = struct{}{}
	}
}

// decisionOf reads a stored document; none is the zero decision.
func decisionOf(document string) (d policy.Decision, err error) {
	if document != "" {
		err = json.Unmarshal([]byte(document), &d)
	}
	return d, err
}
