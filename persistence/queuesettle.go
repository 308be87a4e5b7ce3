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
	// A recipient whose fence is another one was changed by someone else: it
	// stays, and is missing among the rows that are returned.
	updateRecipientSQL = batchSQL{
		head: "WITH progress (message_id, idx, fence, state, waiting, attempts, next_attempt_at, last_outcome) AS (VALUES ",
		row:  "(?,?,?,?,?,?,?,?)",
		tail: ") UPDATE recipients SET state = p.state, waiting = p.waiting, attempts = p.attempts," +
			" next_attempt_at = p.next_attempt_at, last_outcome = p.last_outcome, fence = recipients.fence + 1" +
			" FROM progress AS p WHERE recipients.message_id = p.message_id AND recipients.idx = p.idx" +
			" AND recipients.fence = p.fence RETURNING recipients.message_id, recipients.idx",
		columns: 8,
	}
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
	finishMessageSQL = batchSQL{
		head: "WITH done (id, at) AS (VALUES ",
		row:  "(?,?)",
		tail: ") UPDATE messages SET finished_at = d.at FROM done AS d WHERE messages.id = d.id" +
			" AND messages.finished_at IS NULL AND NOT EXISTS" +
			" (SELECT 1 FROM recipients WHERE message_id = messages.id AND state = 0)" +
			" RETURNING messages.id, messages.in_file",
		columns: 2,
	}
	deleteBodySQL = batchSQL{
		head: "DELETE FROM bodies WHERE message_id IN (VALUES ", row: "(?)", tail: ")", columns: 1,
	}
	tellSenderSQL = batchSQL{
		head: "UPDATE messages SET told = 1 WHERE id IN (VALUES ", row: "(?)", tail: ")", columns: 1,
	}
)

// errStale ends a try to write a batch in which a fence did not hold.
var errStale = errors.New("a settlement is stale")

// settle stores the settlements: first the recipients, whose fences tell which
// settlements hold, then what goes with them.
func (w *batchWrite) settle(ctx context.Context) error {
	held, err := w.updateRecipients(ctx)
	if err != nil {
		return err
	}
	if w.findStale(held) {
		return errStale
	}
	var attempts, finished, told []any
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
			finished = append(finished, int64(s.Attempt.Message), micros(s.At))
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

// recipientKey is the primary key of recipients.
type recipientKey struct {
	message int64
	idx     int
}

// updateRecipients stores the progress and returns the recipients whose fence
// held.
func (w *batchWrite) updateRecipients(ctx context.Context) (held map[recipientKey]bool, err error) {
	var rows []any
	for _, s := range w.live() {
		for i := range s.Progress {
			if rows, err = appendProgress(rows, s.Attempt.Message, &s.Progress[i]); err != nil {
				return nil, err
			}
		}
	}
	held = make(map[recipientKey]bool, len(rows)/updateRecipientSQL.columns)
	err = w.statements.updateRecipient.query(ctx, w.tx, rows, func(r *sql.Rows) error {
		var k recipientKey
		err := r.Scan(&k.message, &k.idx)
		held[k] = true
		return err
	})
	return held, err
}

// findStale marks the settlements of which a fence did not hold and reports
// whether there are any.
func (w *batchWrite) findStale(held map[recipientKey]bool) (found bool) {
	for i, s := range w.batch.Settlements {
		if w.stale[i] {
			continue
		}
		for _, p := range s.Progress {
			key := recipientKey{int64(s.Attempt.Message), p.Recipient}
			if !held[key] {
				w.stale[i], found = true, true
			}
			delete(held, key) // it serves one settlement
		}
	}
	return found
}

// finish ends messages of which no recipient is left to be tried, and drops
// their bodies.
func (w *batchWrite) finish(ctx context.Context, finished []any) error {
	var bodies []any
	err := w.statements.finishMessage.query(ctx, w.tx, finished, func(r *sql.Rows) error {
		var id int64
		var inFile bool
		if err := r.Scan(&id, &inFile); err != nil {
			return err
		}
		if inFile {
			w.finishedFiles = append(w.finishedFiles, delivery.MessageID(id))
		} else {
			bodies = append(bodies, id)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return w.statements.deleteBody.exec(ctx, w.tx, bodies)
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
