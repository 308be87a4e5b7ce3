package persistence

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"gorm.io/gorm"

	"postern/domain/delivery"
	"postern/domain/mailaddr"
)

// seeDestinationSQL takes over the newer of two results, and of two errors.
var seeDestinationSQL = batchSQL{
	head: "INSERT INTO destinations (domain, tls_at, tls_host, tls_result, tls_version, tls_cipher, tls_verified," +
		" tls_verification, tls_detail, error_at, error_outcome) VALUES ",
	row: "(?,?,?,?,?,?,?,?,?,?,?)",
	tail: " ON CONFLICT (domain) DO UPDATE SET" +
		newerBy("tls_at", "tls_host", "tls_result", "tls_version", "tls_cipher", "tls_verified", "tls_verification", "tls_detail") +
		"," + newerBy("error_at", "error_outcome"),
	columns: 11,
}

// newerBy sets columns to those of the row with the later time.
func newerBy(at string, columns ...string) (assignments string) {
	for _, c := range append(columns, at) {
		if assignments != "" {
			assignments += ","
		}
		assignments += " " + c + " = CASE WHEN excluded." + at + " > destinations." + at +
			" THEN excluded." + c + " ELSE destinations." + c + " END"
	}
	return assignments
}

// appendHistories returns the rows for seeDestinationSQL.
func appendHistories(seen map[mailaddr.DomainName]delivery.DestinationHistory) (values []any, err error) {
	for domain, h := range seen {
		outcome, err := json.Marshal(h.Error.Outcome)
		if err != nil {
			return nil, err
		}
		values = append(values, domain.String(), microsOrZero(h.TLS.At), h.TLS.Host, string(h.TLS.Result), h.TLS.TLS.Version, h.TLS.TLS.Cipher,
			h.TLS.TLS.Verified, h.TLS.TLS.Verification, h.TLS.Detail, microsOrZero(h.Error.At), string(outcome))
	}
	return values, nil
}

func microsOrZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return micros(t)
}

func momentOrZero(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return moment(micros)
}

// heldRecipients are the recipients of held messages that are not settled. The
// cross join has SQLite begin with the messages, of which few are held.
const heldRecipients = " FROM messages m CROSS JOIN recipients r" +
	" WHERE m.held = 1 AND m.finished_at IS NULL AND r.message_id = m.id AND r.state = 0"

// DestinationNames returns the destinations that have mail or were seen within
// the history, ascending, above the given one (B67).
func (q *QueueStore) DestinationNames(ctx context.Context, above mailaddr.DomainName, limit int) (names []mailaddr.DomainName, err error) {
	err = q.file.read(ctx, func(tx *gorm.DB) error {
		rows, err := tx.Raw("SELECT destination FROM recipients WHERE waiting = 1 AND destination > ?"+
			" UNION SELECT r.destination"+heldRecipients+" AND r.destination > ?"+
			" UNION SELECT domain FROM destinations WHERE domain > ?"+
			" ORDER BY 1 LIMIT ?", above.String(), above.String(), above.String(), limit).Rows()
		return scanAll(rows, err, func(r *sql.Rows) error {
			var name string
			err := r.Scan(&name)
			names = append(names, mailaddr.DomainName(name))
			return err
		})
	})
	return names, err
}

// DestinationRecords returns what is counted and remembered of the destinations;
// those of which nothing is are missing (B67).
func (q *QueueStore) DestinationRecords(ctx context.Context, names []mailaddr.DomainName) (map[mailaddr.DomainName]delivery.DestinationRecord, error) {
	records := map[mailaddr.DomainName]delivery.DestinationRecord{}
	if len(names) == 0 {
		return records, nil
	}
	err := q.file.read(ctx, func(tx *gorm.DB) error {
		if err := addWaiting(tx, names, records); err != nil {
			return err
		}
		if err := addHeld(tx, names, records); err != nil {
			return err
		}
		return addHistories(tx, names, records)
	})
	return records, err
}

// addWaiting counts by two indexes: all that wait, and those that wait again.
func addWaiting(tx *gorm.DB, names []mailaddr.DomainName, records map[mailaddr.DomainName]delivery.DestinationRecord) error {
	rows, err := tx.Raw("SELECT destination, COUNT(*), MIN(next_attempt_at) FROM recipients"+
		" WHERE waiting = 1 AND destination IN ? GROUP BY destination", names).Rows()
	err = scanAll(rows, err, func(r *sql.Rows) error {
		name, count, next, err := scanCount(r)
		record := records[name]
		record.Queued, record.Next = count, momentOrZero(next)
		records[name] = record
		return err
	})
	if err != nil {
		return err
	}
	rows, err = tx.Raw("SELECT destination, COUNT(*), 0 FROM recipients"+
		" WHERE waiting = 1 AND attempts > 0 AND destination IN ? GROUP BY destination", names).Rows()
	return scanAll(rows, err, func(r *sql.Rows) error {
		name, count, _, err := scanCount(r)
		record := records[name]
		record.Queued, record.Deferred = record.Queued-count, count
		records[name] = record
		return err
	})
}

func addHeld(tx *gorm.DB, names []mailaddr.DomainName, records map[mailaddr.DomainName]delivery.DestinationRecord) error {
	rows, err := tx.Raw("SELECT r.destination, COUNT(*), 0"+heldRecipients+" AND r.destination IN ? GROUP BY r.destination", names).Rows()
	return scanAll(rows, err, func(r *sql.Rows) error {
		name, count, _, err := scanCount(r)
		record := records[name]
		record.Held = count
		records[name] = record
		return err
	})
}

func scanCount(row scanner) (name mailaddr.DomainName, count int, next int64, err error) {
	var text string
	err = row.Scan(&text, &count, &next)
	return mailaddr.DomainName(text), count, next, err
}

func addHistories(tx *gorm.DB, names []mailaddr.DomainName, records map[mailaddr.DomainName]delivery.DestinationRecord) error {
	rows, err := tx.Raw("SELECT domain, tls_at, tls_host, tls_result, tls_version, tls_cipher, tls_verified,"+
		" tls_verification, tls_detail, error_at, error_outcome FROM destinations WHERE domain IN ?", names).Rows()
	return scanAll(rows, err, func(r *sql.Rows) error {
		var name, outcome string
		var tlsAt, errorAt int64
		var h delivery.DestinationHistory
		if err := r.Scan(&name, &tlsAt, &h.TLS.Host, &h.TLS.Result, &h.TLS.TLS.Version, &h.TLS.TLS.Cipher, &h.TLS.TLS.Verified,
			&h.TLS.TLS.Verification, &h.TLS.Detail, &errorAt, &outcome); err != nil {
			return err
		}
		h.TLS.At, h.Error.At = momentOrZero(tlsAt), momentOrZero(errorAt)
		record := records[mailaddr.DomainName(name)]
		record.DestinationHistory = h
		err := json.Unmarshal([]byte(outcome), &record.Error.Outcome)
		records[mailaddr.DomainName(name)] = record
		return err
	})
}

// pruneDestinations forgets destinations that were not seen since the time.
func pruneDestinations(tx *gorm.DB, before time.Time) error {
	return tx.Exec("DELETE FROM destinations WHERE tls_at < ? AND error_at < ?", micros(before), micros(before)).Error
}

// LatestTLS returns what became of TLS with the destinations that were seen last,
// at most so many (B62).
func (q *QueueStore) LatestTLS(ctx context.Context, limit int) (map[mailaddr.DomainName]delivery.LastTLS, error) {
	latest := map[mailaddr.DomainName]delivery.LastTLS{}
	err := q.file.read(ctx, func(tx *gorm.DB) error {
		rows, err := tx.Raw("SELECT domain, tls_at, tls_host, tls_result, tls_version FROM destinations"+
			" WHERE tls_at > 0 ORDER BY tls_at DESC LIMIT ?", limit).Rows()
		return scanAll(rows, err, func(r *sql.Rows) error {
			var name string
			var at int64
			var last delivery.LastTLS
			err := r.Scan(&name, &at, &last.Host, &last.Result, &last.TLS.Version)
			last.At = moment(at)
			latest[mailaddr.DomainName(name)] = last
			return err
		})
	})
	return latest, err
}
