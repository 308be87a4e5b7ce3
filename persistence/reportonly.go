package persistence

import (
	"context"
	"database/sql"
	"time"

	"gorm.io/gorm"

	"postern/domain/reportonly"
)

var _ reportonly.Store = (*QueueStore)(nil)

var addReportOnlySQL = batchSQL{
	head: "INSERT INTO report_only (day, kind, name, refused, untold, first_at, last_at, example, detail) VALUES ",
	row:  "(?,?,?,?,?,?,?,?,?)",
	tail: " ON CONFLICT (day, kind, name) DO UPDATE SET refused = report_only.refused + excluded.refused," +
		" untold = report_only.untold + excluded.untold," +
		" first_at = CASE WHEN report_only.first_at = 0 OR excluded.first_at > 0 AND excluded.first_at < report_only.first_at" +
		" THEN excluded.first_at ELSE report_only.first_at END," +
		" example = CASE WHEN excluded.last_at > report_only.last_at THEN excluded.example ELSE report_only.example END," +
		" detail = CASE WHEN excluded.last_at > report_only.last_at THEN excluded.detail ELSE report_only.detail END," +
		" last_at = CASE WHEN excluded.last_at > report_only.last_at THEN excluded.last_at ELSE report_only.last_at END",
	columns: 9,
}

// AddReportOnly adds the figures to those that are there (B72).
func (q *QueueStore) AddReportOnly(ctx context.Context, figures map[reportonly.Key]reportonly.Figures) error {
	var values []any
	for k, f := range figures {
		values = append(values, micros(k.Day), string(k.Kind), k.Name, f.Refused, f.Untold,
			microsOrZero(f.FirstAt), microsOrZero(f.LastAt), f.Example, f.Detail)
	}
	return q.file.write(ctx, func(tx *gorm.DB) error { return execChunks(tx, addReportOnlySQL, values) })
}

// ReportOnly returns figures, the newest day first, then by kind and name.
func (q *QueueStore) ReportOnly(ctx context.Context, query reportonly.Query) (list []reportonly.Line, err error) {
	var c conditions
	c.add("day >= 0")
	if query.Kind != "" {
		c.add("kind = ?", string(query.Kind))
	}
	if query.Name != "" {
		c.add("name = ?", query.Name)
	}
	if after := query.After; after != (reportonly.Key{}) {
		day := micros(after.Day)
		c.add("(day < ? OR day = ? AND (kind > ? OR kind = ? AND name > ?))", day, day, string(after.Kind), string(after.Kind), after.Name)
	}
	err = q.file.read(ctx, func(tx *gorm.DB) error {
		rows, err := tx.Raw("SELECT day, kind, name, refused, untold, first_at, last_at, example, detail FROM report_only WHERE "+
			c.text()+" ORDER BY day DESC, kind, name LIMIT ?", c.with(query.Limit)...).Rows()
		return scanAll(rows, err, func(r *sql.Rows) error {
			var l reportonly.Line
			var day, first, last int64
			err := r.Scan(&day, &l.Kind, &l.Name, &l.Refused, &l.Untold, &first, &last, &l.Example, &l.Detail)
			l.Day, l.FirstAt, l.LastAt = moment(day), momentOrZero(first), momentOrZero(last)
			list = append(list, l)
			return err
		})
	})
	return list, err
}

// pruneReportOnly forgets days that ended before the time.
func pruneReportOnly(tx *gorm.DB, before time.Time) error {
	return tx.Exec("DELETE FROM report_only WHERE day < ?", micros(before.Add(-24*time.Hour))).Error
}
