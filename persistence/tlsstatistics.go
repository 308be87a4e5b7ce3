package persistence

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"gorm.io/gorm"

	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/tlsreport"
)

var _ tlsreport.Store = (*QueueStore)(nil)

// statisticsRows is how many rows one statement writes.
const statisticsRows = 200

var addStatisticsSQL = batchSQL{
	head: "INSERT INTO tls_statistics (hour, direction, domain, requirement, result, version, cipher, verification," +
		" connections, messages) VALUES ",
	row: "(?,?,?,?,?,?,?,?,?,?)",
	tail: " ON CONFLICT (hour, direction, domain, requirement, result, version, cipher, verification) DO UPDATE SET" +
		" connections = tls_statistics.connections + excluded.connections," +
		" messages = tls_statistics.messages + excluded.messages",
	columns: 10,
}

// AddTLSStatistics adds the figures to those that are there, and takes over what
// is newer of the destinations, in one transaction (B66, B67).
func (q *QueueStore) AddTLSStatistics(ctx context.Context, s tlsreport.Statistics, seen map[mailaddr.DomainName]delivery.DestinationHistory) error {
	var figures []any
	for k, f := range s {
		figures = append(figures, micros(k.Hour), string(k.Direction), k.Domain, string(k.Requirement), string(k.Result),
			k.Version, k.Cipher, k.Verification, f.Connections, f.Messages)
	}
	histories, err := appendHistories(seen)
	if err != nil {
		return err
	}
	return q.file.write(ctx, func(tx *gorm.DB) error {
		if err := execChunks(tx, addStatisticsSQL, figures); err != nil {
			return err
		}
		return execChunks(tx, seeDestinationSQL, histories)
	})
}

// execChunks runs the statement for rows of values that follow each other.
func execChunks(tx *gorm.DB, statement batchSQL, values []any) error {
	for chunk := range slices.Chunk(values, statisticsRows*statement.columns) {
		if err := tx.Exec(statement.text(len(chunk)/statement.columns), chunk...).Error; err != nil {
			return err
		}
	}
	return nil
}

// groupColumn is the expression by which lines are grouped, and whether it is a
// time.
func groupColumn(g tlsreport.Grouping) (column string, isTime bool) {
	switch g {
	case tlsreport.ByDomain:
		return "domain", false
	case tlsreport.ByHour:
		return "hour", true
	case tlsreport.ByDay:
		return "hour - hour % 86400000000", true
	case tlsreport.ByVersion:
		return "version", false
	case tlsreport.ByCipher:
		return "cipher", false
	case tlsreport.ByVerification:
		return "verification", false
	}
	return "''", false
}

// TLSStatistics hands out the lines of a report in the order of their places,
// until yield returns false (B66).
func (q *QueueStore) TLSStatistics(ctx context.Context, query tlsreport.Query, yield func(tlsreport.Line) bool) error {
	column, isTime := groupColumn(query.GroupBy)
	where, err := statisticsWhere(query, column, isTime)
	if err != nil {
		return err
	}
	return q.file.read(ctx, func(tx *gorm.DB) error {
		rows, err := tx.Raw("SELECT "+column+" AS grp, direction, requirement, result, SUM(connections), SUM(messages)"+
			" FROM tls_statistics WHERE "+where.text()+
			" GROUP BY grp, direction, requirement, result ORDER BY grp, direction, requirement, result", where.values...).Rows()
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			line, err := scanLine(rows, isTime)
			if err != nil {
				return err
			}
			if !yield(line) {
				return nil
			}
		}
		return rows.Err()
	})
}

func statisticsWhere(query tlsreport.Query, column string, isTime bool) (c conditions, err error) {
	c.add("hour >= ? AND hour < ?", micros(query.From), micros(query.To))
	if query.Direction != "" {
		c.add("direction = ?", string(query.Direction))
	}
	if query.Domain != "" {
		c.add("domain = ?", query.Domain)
	}
	if query.After == (tlsreport.Place{}) {
		return c, nil
	}
	var group any = query.After.Group
	if isTime {
		at, err := time.Parse(time.RFC3339, query.After.Group)
		if err != nil {
			return c, err
		}
		group = micros(at)
	}
	c.add("("+column+" > ? OR "+column+" = ? AND direction > ?)", group, group, string(query.After.Direction))
	return c, nil
}

func scanLine(rows *sql.Rows, isTime bool) (l tlsreport.Line, err error) {
	var at int64
	group := any(&l.Group)
	if isTime {
		group = &at
	}
	if err := rows.Scan(group, &l.Direction, &l.Requirement, &l.Result, &l.Connections, &l.Messages); err != nil {
		return l, err
	}
	if isTime {
		l.Group = moment(at).Format(time.RFC3339)
	}
	return l, nil
}

// pruneStatistics forgets the oldest hour before the time, and returns whether
// it found one: an hour at a time holds no lock for long.
func pruneStatistics(tx *gorm.DB, before time.Time) (found bool, err error) {
	deleted := tx.Exec("DELETE FROM tls_statistics WHERE hour = (SELECT MIN(hour) FROM tls_statistics) AND hour < ?",
		micros(before.Truncate(time.Hour)))
	return deleted.RowsAffected > 0, deleted.Error
}
