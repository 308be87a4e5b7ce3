package persistence

import (
	"context"
	"database/sql"
	"time"

	"gorm.io/gorm"

	"postern/domain/mailaddr"
	"postern/domain/tlsreport"
)

var _ tlsreport.DayStore = (*QueueStore)(nil)

var addReportSessionsSQL = batchSQL{
	head: "INSERT INTO tls_report_sessions (day, domain, policy, policy_text, failure, mx_host, address, reason, sessions) VALUES ",
	row:  "(?,?,?,?,?,?,?,?,?)",
	tail: " ON CONFLICT (day, domain, policy, policy_text, failure, mx_host, address, reason) DO UPDATE SET" +
		" sessions = tls_report_sessions.sessions + excluded.sessions",
	columns: 9,
}

// AddReportSessions adds the sessions to those that are there, in one transaction (B64).
func (q *QueueStore) AddReportSessions(ctx context.Context, sessions map[tlsreport.DayKey]int64) error {
	var values []any
	for k, n := range sessions {
		values = append(values, micros(k.Day), k.Domain.String(), string(k.Policy), k.PolicyText, string(k.Failure),
			k.MXHost, k.Address, k.Reason, n)
	}
	return q.file.write(ctx, func(tx *gorm.DB) error { return execChunks(tx, addReportSessionsSQL, values) })
}

// ReportSessions returns the sessions of a day with a domain.
func (q *QueueStore) ReportSessions(ctx context.Context, day time.Time, name mailaddr.DomainName) (map[tlsreport.DayKey]int64, error) {
	sessions := map[tlsreport.DayKey]int64{}
	err := q.file.read(ctx, func(tx *gorm.DB) error {
		rows, err := tx.Raw("SELECT policy, policy_text, failure, mx_host, address, reason, sessions FROM tls_report_sessions"+
			" WHERE day = ? AND domain = ?", micros(day), name.String()).Rows()
		return scanAll(rows, err, func(r *sql.Rows) error {
			key, n := tlsreport.DayKey{Day: day, Session: tlsreport.Session{Domain: name}}, int64(0)
			err := r.Scan(&key.Policy, &key.PolicyText, &key.Failure, &key.MXHost, &key.Address, &key.Reason, &n)
			sessions[key] = n
			return err
		})
	})
	return sessions, err
}

// pruneReportSessions forgets days that ended before the time.
func pruneReportSessions(tx *gorm.DB, before time.Time) error {
	return tx.Exec("DELETE FROM tls_report_sessions WHERE day < ?", micros(before.Add(-24*time.Hour))).Error
}
