package persistence

import (
	"context"
	"database/sql"
	"encoding/json"
	"net/netip"
	"time"

	"gorm.io/gorm"

	"postern/domain"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/session"
)

var _ session.Writer = (*QueueStore)(nil)

// sessionColumns are those that addSessionSQL writes and scanSession reads.
const sessionColumns = "id, at, duration_us, listener, client, sender_group, policy, tls_offered, tls_result, tls_version," +
	" tls_cipher, accepted, refused, revision, detail"

var addSessionSQL = batchSQL{
	head:    "INSERT INTO sessions (" + sessionColumns + ", outcome) VALUES ",
	row:     "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
	columns: 16,
}

// sessionDocument is what the column sessions.detail holds.
type sessionDocument struct {
	Names        []mailaddr.DomainName     `json:"names,omitempty"`
	NamesKnown   bool                      `json:"names_known,omitempty"`
	Verified     bool                      `json:"verified,omitempty"`
	Verification string                    `json:"verification,omitempty"`
	Certificate  session.CertificateResult `json:"certificate,omitempty"`
	Senders      []session.Sender          `json:"senders,omitempty"`
	MoreSenders  bool                      `json:"more_senders,omitempty"`
	Refusal      *session.Refusal          `json:"refusal,omitempty"`
}

// AddSessions stores sessions in one transaction.
func (q *QueueStore) AddSessions(ctx context.Context, records []session.Record) error {
	values := make([]any, 0, len(records)*addSessionSQL.columns)
	for i := range records {
		var err error
		if values, err = appendSession(values, &records[i]); err != nil {
			return err
		}
	}
	return q.file.write(ctx, func(tx *gorm.DB) error { return execChunks(tx, addSessionSQL, values) })
}

func appendSession(values []any, r *session.Record) ([]any, error) {
	detail, err := json.Marshal(sessionDocument{
		Names: r.Names, NamesKnown: r.NamesKnown, Verified: r.TLS.Verified, Verification: r.TLS.Verification,
		Certificate: r.Certificate, Senders: r.Senders, MoreSenders: r.MoreSenders, Refusal: r.Refusal,
	})
	if err != nil {
		return nil, err
	}
	return append(values, int64(r.ID), micros(r.At), r.Duration.Microseconds(), r.Listener, addrText(r.Client), r.Group, r.Policy,
		r.Offered, string(r.Result), r.TLS.Version, r.TLS.Cipher, r.Accepted, r.Refused, r.Revision, string(detail),
		string(r.Outcome())), nil
}

// addrText is the stored form of an address; none is empty.
func addrText(addr netip.Addr) string {
	if !addr.IsValid() {
		return ""
	}
	return addr.String()
}

// Sessions returns sessions that match, descending, below the given id, or,
// oldest first, ascending above it; 0 stands for the beginning.
func (q *QueueStore) Sessions(ctx context.Context, f session.Filter, from session.ID, limit int) (list []session.Record, err error) {
	c := sessionConditions(f)
	if from != 0 {
		c.add(beyond("id", f.OldestFirst), int64(from))
	}
	err = q.file.read(ctx, func(tx *gorm.DB) error {
		list, err = readSessions(tx, c.text()+" ORDER BY "+inOrder("id", f.OldestFirst)+" LIMIT ?", c.with(limit)...)
		return err
	})
	return list, err
}

// Session returns one, or an error of kind NotFound.
func (q *QueueStore) Session(ctx context.Context, id session.ID) (r session.Record, err error) {
	err = q.file.read(ctx, func(tx *gorm.DB) error {
		list, err := readSessions(tx, "id = ?", int64(id))
		if err == nil && len(list) == 0 {
			return domain.E(domain.NotFound, "there is no session %s", id)
		}
		if err == nil {
			r = list[0]
		}
		return err
	})
	return r, err
}

func sessionConditions(f session.Filter) (c conditions) {
	c.add("id >= 0")
	for _, equal := range []struct{ column, value string }{
		{"listener", f.Listener}, {"sender_group", f.Group}, {"tls_result", string(f.TLS)}, {"outcome", string(f.Outcome)},
	} {
		if equal.value != "" {
			c.add(equal.column+" = ?", equal.value)
		}
	}
	if f.Client.IsValid() {
		c.add("client = ?", f.Client.String())
	}
	if !f.Since.IsZero() {
		c.add("id >= ?", int64(firstID(f.Since)))
	}
	if !f.Until.IsZero() {
		c.add("id < ?", int64(firstID(f.Until)))
	}
	return c
}

func readSessions(tx *gorm.DB, where string, values ...any) (list []session.Record, err error) {
	rows, err := tx.Raw("SELECT "+sessionColumns+" FROM sessions WHERE "+where, values...).Rows()
	err = scanAll(rows, err, func(r *sql.Rows) error {
		one, err := scanSession(r)
		list = append(list, one)
		return err
	})
	return list, err
}

func scanSession(row scanner) (r session.Record, err error) {
	var id, at, duration int64
	var client, detail string
	if err := row.Scan(&id, &at, &duration, &r.Listener, &client, &r.Group, &r.Policy, &r.Offered, &r.Result,
		&r.TLS.Version, &r.TLS.Cipher, &r.Accepted, &r.Refused, &r.Revision, &detail); err != nil {
		return r, err
	}
	r.ID, r.At, r.Duration = delivery.MessageID(id), moment(at), time.Duration(duration)*time.Microsecond
	if err := r.Client.UnmarshalText([]byte(client)); err != nil {
		return r, err
	}
	var d sessionDocument
	if err := json.Unmarshal([]byte(detail), &d); err != nil {
		return r, err
	}
	r.Names, r.NamesKnown, r.Certificate = d.Names, d.NamesKnown, d.Certificate
	r.TLS.Verified, r.TLS.Verification = d.Verified, d.Verification
	r.Senders, r.MoreSenders, r.Refusal = d.Senders, d.MoreSenders, d.Refusal
	return r, nil
}

// pruneSessions forgets some sessions that ended before the time, and returns
// whether it found any.
func pruneSessions(tx *gorm.DB, before time.Time) (found bool, err error) {
	deleted := tx.Exec("DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE id < ? ORDER BY id LIMIT ?)",
		int64(firstID(before)), pruneBatch)
	return deleted.RowsAffected > 0, deleted.Error
}
