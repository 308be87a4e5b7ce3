package persistence

import (
	"context"
	"database/sql"
	"path/filepath"
	"sync"

	"gorm.io/gorm"

	"postern/domain"
)

// QueueStore keeps the mail that is under way, and the history of the mail that
// was.
//
// What happens for each message is done by multi-row statements that are
// prepared once, in a few fixed sizes, and run on the connection that GORM
// holds: one transaction for many messages. Everything else goes through GORM's
// ordinary raw path.
type QueueStore struct {
	file  file
	spool *spool

	mu         sync.Mutex
	statements *statements // nil until they are needed
	decisions  decisions
}

// Queue returns the store of the queue.
func (d *Database) Queue() *QueueStore {
	return &QueueStore{file: d.queue, spool: newSpool(filepath.Join(d.dir, spoolName))}
}

// Probe makes a small write durable and looks at the free space. The error says
// why messages cannot be stored now (B77).
func (q *QueueStore) Probe(ctx context.Context) error {
	err := q.file.write(ctx, func(tx *gorm.DB) error {
		return tx.Exec("INSERT INTO probes (id, at) VALUES (1, 0) ON CONFLICT (id) DO UPDATE SET at = probes.at + 1").Error
	})
	if err != nil {
		return domain.Wrap(err, "write to the queue")
	}
	return q.spool.checkSpace()
}

// batchSizes are the rows per statement that are prepared, biggest first. Few
// sizes keep the statements few; steps of four keep the executions few.
var batchSizes = [...]int{64, 16, 4, 1}

// batchSQL is a statement for any number of rows: head, the values of each row,
// tail.
type batchSQL struct {
	head, row, tail string
	columns         int
}

// text returns the statement for n rows.
func (b batchSQL) text(n int) string {
	text := make([]byte, 0, len(b.head)+n*(len(b.row)+1)+len(b.tail))
	text = append(text, b.head...)
	for i := range n {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(text, b.row...)
	}
	return string(append(text, b.tail...))
}

// batchStatement is a batchSQL, prepared in each size.
type batchStatement struct {
	columns  int
	prepared [len(batchSizes)]*sql.Stmt
}

func (b batchSQL) prepare(ctx context.Context, pool *sql.DB) (s batchStatement, err error) {
	s.columns = b.columns
	for i, size := range batchSizes {
		if s.prepared[i], err = pool.PrepareContext(ctx, b.text(size)); err != nil {
			return s, err
		}
	}
	return s, nil
}

// each calls do with a statement of this transaction for each part of the rows'
// values. The parts are as big as the prepared sizes allow.
func (s *batchStatement) each(ctx context.Context, tx *sql.Tx, values []any, do func(*sql.Stmt, []any) error) error {
	for i, size := range batchSizes {
		for n := size * s.columns; len(values) >= n && n > 0; values = values[n:] {
			if err := do(tx.StmtContext(ctx, s.prepared[i]), values[:n]); err != nil {
				return err
			}
		}
	}
	return nil
}

// exec runs the statement for rows of values that follow each other.
func (s *batchStatement) exec(ctx context.Context, tx *sql.Tx, values []any) error {
	return s.each(ctx, tx, values, func(stmt *sql.Stmt, part []any) error {
		_, err := stmt.ExecContext(ctx, part...)
		return err
	})
}

// scanAll calls scan for each row and closes the rows.
func scanAll(rows *sql.Rows, err error, scan func(*sql.Rows) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// statements are those that run for each message.
type statements struct {
	insertMessage, insertBody, insertRecipient batchStatement
	insertAttempt, insertDecision, tellSender  batchStatement
	updateRecipient, finishMessage, deleteBody *sql.Stmt
}

// prepared returns the statements. They are prepared outside any transaction:
// the writer has one connection.
func (q *QueueStore) prepared(ctx context.Context) (*statements, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.statements != nil {
		return q.statements, nil
	}
	pool, err := q.file.writer.DB()
	if err != nil {
		return nil, err
	}
	var s statements
	for sqlText, statement := range map[batchSQL]*batchStatement{
		insertMessageSQL: &s.insertMessage, insertBodySQL: &s.insertBody, insertRecipientSQL: &s.insertRecipient,
		insertAttemptSQL: &s.insertAttempt, insertDecisionSQL: &s.insertDecision,
		tellSenderSQL: &s.tellSender,
	} {
		if *statement, err = sqlText.prepare(ctx, pool); err != nil {
			return nil, translate(err)
		}
	}
	for sqlText, statement := range map[string]**sql.Stmt{
		updateRecipientSQL: &s.updateRecipient, finishMessageSQL: &s.finishMessage, deleteBodySQL: &s.deleteBody,
	} {
		if *statement, err = pool.PrepareContext(ctx, sqlText); err != nil {
			return nil, translate(err)
		}
	}
	q.statements = &s
	return q.statements, nil
}
