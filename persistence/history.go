package persistence

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"gorm.io/gorm"

	"postern/domain/delivery"
	"postern/domain/policy"
	"postern/domain/session"
	"postern/domain/whatif"
)

var _ whatif.History = (*QueueStore)(nil)

// historyPage is how many rows of the history are read at a time: a reader that
// holds on to the file for long would keep its log from being folded in.
const historyPage = 1000

// Recorded counts sessions and attempts from the time on.
func (q *QueueStore) Recorded(ctx context.Context, since time.Time) (count int, err error) {
	err = q.file.read(ctx, func(tx *gorm.DB) error {
		from := int64(firstID(since))
		return tx.Raw("SELECT (SELECT COUNT(*) FROM sessions WHERE id >= ?) + (SELECT COUNT(*) FROM attempts WHERE id >= ?)", from, from).
			Row().Scan(&count)
	})
	return count, err
}

// EachSession calls yield for the sessions that ended from the time on, oldest
// first, until it returns false.
func (q *QueueStore) EachSession(ctx context.Context, since time.Time, yield func(*session.Record) bool) error {
	for from := int64(firstID(since)); ; {
		var page []session.Record
		err := q.file.read(ctx, func(tx *gorm.DB) (err error) {
			page, err = readSessions(tx, "id >= ? ORDER BY id LIMIT ?", from, historyPage)
			return err
		})
		if err != nil {
			return err
		}
		for i := range page {
			if !yield(&page[i]) {
				return nil
			}
		}
		if len(page) < historyPage {
			return nil
		}
		from = int64(page[len(page)-1].ID) + 1
	}
}

// EachAttempt calls yield for the attempts that were settled from the time on,
// oldest first, until it returns false.
func (q *QueueStore) EachAttempt(ctx context.Context, since time.Time, yield func(*delivery.RecordedAttempt) bool) error {
	known := decisionCache{}
	for from := int64(firstID(since)); ; {
		page, err := q.attemptPage(ctx, from, known)
		if err != nil {
			return err
		}
		for i := range page {
			if !yield(&page[i]) {
				return nil
			}
		}
		if len(page) < historyPage {
			return nil
		}
		from = int64(page[len(page)-1].ID) + 1
	}
}

// decisionCache keeps decisions by their hash: most attempts share a few.
type decisionCache map[decisionHash]policy.Decision

// maxCachedDecisions bounds the memory; beyond it the cache begins anew.
const maxCachedDecisions = 10_000

// attemptPage reads some attempts, as far as a replay needs them.
func (q *QueueStore) attemptPage(ctx context.Context, from int64, known decisionCache) (page []delivery.RecordedAttempt, err error) {
	var hashes []decisionHash
	if len(known) > maxCachedDecisions {
		clear(known)
	}
	err = q.file.read(ctx, func(tx *gorm.DB) error {
		rows, err := tx.Raw("SELECT id, message_id, at, revision, decision, host, address, hosts, results FROM attempts"+
			" WHERE id >= ? ORDER BY id LIMIT ?", from, historyPage).Rows()
		err = scanAll(rows, err, func(r *sql.Rows) error {
			a, hash, err := scanReplayed(r)
			page, hashes = append(page, a), append(hashes, hash)
			return err
		})
		if err != nil {
			return err
		}
		return known.load(tx, hashes)
	})
	for i, hash := range hashes {
		page[i].Decision = known[hash]
	}
	return page, err
}

// load reads the decisions that are not known yet.
func (c decisionCache) load(tx *gorm.DB, hashes []decisionHash) error {
	for _, hash := range hashes {
		if _, ok := c[hash]; ok {
			continue
		}
		var document string
		if err := tx.Raw("SELECT COALESCE((SELECT document FROM decisions WHERE hash = ?), '')", hash[:]).Row().Scan(&document); err != nil {
			return err
		}
		d, err := decisionOf(document)
		if err != nil {
			return err
		}
		c[hash] = d
	}
	return nil
}

func scanReplayed(row scanner) (a delivery.RecordedAttempt, hash decisionHash, err error) {
	var id, message, at int64
	var decision []byte
	var hosts, results string
	if err := row.Scan(&id, &message, &at, &a.Revision, &decision, &a.Host, &a.Address, &hosts, &results); err != nil {
		return a, hash, err
	}
	a.ID, a.Message, a.At = delivery.MessageID(id), delivery.MessageID(message), moment(at)
	copy(hash[:], decision)
	if err := json.Unmarshal([]byte(hosts), &a.Hosts); err != nil {
		return a, hash, err
	}
	a.Results, err = resultsOf(results)
	return a, hash, err
}

// resultsOf reads the column attempts.results.
func resultsOf(column string) (list []delivery.Result, err error) {
	var documents []resultDocument
	if err := json.Unmarshal([]byte(column), &documents); err != nil {
		return nil, err
	}
	for _, d := range documents {
		list = append(list, delivery.Result(d))
	}
	return list, nil
}
