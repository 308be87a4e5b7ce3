package persistence

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"slices"

	"gorm.io/gorm"

	"postern/domain"
	"postern/domain/delivery"
)

// The statements that run for each message that is accepted.
var (
	insertMessageSQL = batchSQL{
		head:    "INSERT INTO messages (id, sender, received_at, size, held, held_reason, told, in_file, envelope) VALUES ",
		row:     "(?,?,?,?,?,?,?,?,?)",
		columns: 9,
	}
	insertBodySQL = batchSQL{
		head:    "INSERT INTO bodies (message_id, body) VALUES ",
		row:     "(?,?)",
		columns: 2,
	}
	insertRecipientSQL = batchSQL{
		head: "INSERT INTO recipients (message_id, idx, address, destination, notify, original, require_tls, waiting, next_attempt_at," +
			" state, attempts, fence, last_outcome) VALUES ",
		row:     "(?,?,?,?,?,?,?,?,?,0,0,0,'')",
		columns: 9,
	}
)

// Write makes a batch durable: one transaction, one sync. Settlements whose
// fence does not hold are found on the way; then the transaction begins again
// without them.
func (q *QueueStore) Write(ctx context.Context, b *delivery.Batch) (written delivery.Written, err error) {
	statements, err := q.prepared(ctx)
	if err != nil {
		return written, domain.Wrap(err, "prepare the queue's statements")
	}
	stale := map[int]bool{}
	for {
		w := &batchWrite{queue: q, statements: statements, batch: b, stale: stale, fresh: map[decisionHash]freshDecision{}}
		err = q.file.write(ctx, func(tx *gorm.DB) error { return w.run(ctx, tx) })
		if errors.Is(err, errStale) {
			continue
		}
		q.spool.written(w.spooled, w.finishedFiles, err, w.complete)
		if err != nil {
			return delivery.Written{}, domain.Wrap(err, "write to the queue")
		}
		q.decisions.keep(w.fresh)
		w.written.Stale = sortedKeys(stale)
		return w.written, nil
	}
}

// batchWrite is one try to write a batch.
type batchWrite struct {
	queue      *QueueStore
	statements *statements
	batch      *delivery.Batch
	stale      map[int]bool // positions of settlements that are left out
	tx         *sql.Tx

	written       delivery.Written
	fresh         map[decisionHash]freshDecision // that this transaction stores
	spooled       []delivery.MessageID           // with bodies in files
	finishedFiles []delivery.MessageID           // whose files are not needed any more
	complete      bool                           // all but the commit is done
}

func (w *batchWrite) run(ctx context.Context, tx *gorm.DB) error {
	w.tx = tx.Statement.ConnPool.(*sql.Tx)
	if err := w.insertMessages(ctx, w.batch.Accepted); err != nil {
		return err
	}
	if err := w.settle(ctx); err != nil {
		return err
	}
	if err := w.change(tx); err != nil {
		return err
	}
	w.complete = true
	return nil
}

// insertMessages stores messages with recipients and bodies.
func (w *batchWrite) insertMessages(ctx context.Context, messages []*delivery.Message) (err error) {
	var rows, bodies, recipients []any
	for _, m := range messages {
		_, inFile := m.Body.(*spooledBody)
		if rows, err = appendMessage(rows, m, inFile); err != nil {
			return err
		}
		recipients = appendRecipients(recipients, m)
		if inFile {
			w.spooled = append(w.spooled, m.ID)
			continue
		}
		body, err := octets(m.Body)
		if err != nil {
			return err
		}
		bodies = append(bodies, int64(m.ID), body)
	}
	if err := w.statements.insertMessage.exec(ctx, w.tx, rows); err != nil {
		return err
	}
	if err := w.statements.insertBody.exec(ctx, w.tx, bodies); err != nil {
		return err
	}
	return w.statements.insertRecipient.exec(ctx, w.tx, recipients)
}

// octets returns a body in one piece.
func octets(b delivery.Body) ([]byte, error) {
	if whole, ok := b.(interface{ Octets() []byte }); ok {
		return whole.Octets(), nil
	}
	r, err := b.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func sortedKeys(set map[int]bool) []int {
	keys := make([]int, 0, len(set))
	for k := range set {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
