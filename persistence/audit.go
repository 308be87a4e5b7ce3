package persistence

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"postern/domain"
	"postern/domain/audit"
)

const purposeAuditEnds purpose = "ends of the audit log"

// AuditStore keeps the audit log (B73).
type AuditStore struct {
	file   file
	sealer *sealer
}

var _ audit.Store = (*AuditStore)(nil)

// Audit returns the store of the audit log.
func (d *Database) Audit() *AuditStore { return &AuditStore{d.configuration, d.sealer} }

type auditRow struct {
	Number    int64 `gorm:"primaryKey;autoIncrement:false"`
	At        int64
	Phase     string
	Begun     int64
	Actor     string
	Source    string
	Interface string
	RequestID string
	Operation string
	Target    string
	Status    int
	Count     int64
	Revision  int64
	Request   string
	Before    string
	After     string
	Hash      []byte
}

func (auditRow) TableName() string { return "audit_log" }

type auditEndsRow struct {
	ID     int64 `gorm:"primaryKey;autoIncrement:false"`
	Sealed []byte
}

func (auditEndsRow) TableName() string { return "audit_ends" }

func auditRowOf(e audit.Entry) auditRow {
	return auditRow{
		Number: e.Number, At: micros(e.At), Phase: string(e.Phase), Begun: e.Begun,
		Actor: e.Actor, Source: e.From, Interface: string(e.Interface), RequestID: e.RequestID,
		Operation: e.Operation, Target: e.Target, Status: e.Status, Count: e.Count, Revision: e.Revision,
		Request: string(e.Request), Before: string(e.Before), After: string(e.After), Hash: e.Hash[:],
	}
}

func (r auditRow) entry() audit.Entry {
	e := audit.Entry{
		Number: r.Number, At: moment(r.At), Phase: audit.Phase(r.Phase), Begun: r.Begun,
		Actor: r.Actor, From: r.Source, Interface: audit.Interface(r.Interface), RequestID: r.RequestID,
		Operation: r.Operation, Target: r.Target, Status: r.Status, Count: r.Count, Revision: r.Revision,
		Request: document(r.Request), Before: document(r.Before), After: document(r.After),
	}
	copy(e.Hash[:], r.Hash) // a hash of another length matches nothing
	return e
}

// document is the stored form of an optional document; empty is none.
func document(text string) json.RawMessage {
	if text == "" {
		return nil
	}
	return json.RawMessage(text)
}

// Append is [audit.Store.Append].
func (s *AuditStore) Append(ctx context.Context, chain func(audit.Ends) (audit.Entry, audit.Ends)) (entry audit.Entry, err error) {
	err = s.file.write(ctx, func(tx *gorm.DB) error {
		ends, err := s.ends(tx)
		if err != nil {
			return err
		}
		entry, ends = chain(ends)
		row := auditRowOf(entry)
		if err := tx.Create(&row).Error; err != nil {
			return err
		}
		return s.setEnds(tx, ends)
	})
	return entry, err
}

// auditSchema is the version of the schema with which the audit log came.
const auditSchema = 9

// found lets the chain begin, when its tables were just made: in a new directory, or
// in one of an older program. From then on its ends are there: a log that is empty
// was emptied.
func (s *AuditStore) found(ctx context.Context) error {
	return s.file.write(ctx, func(tx *gorm.DB) error { return s.setEnds(tx, audit.Ends{}) })
}

// ends reads the ends of the chain. That they are gone is Invalid, whether there
// are entries or not.
func (s *AuditStore) ends(tx *gorm.DB) (ends audit.Ends, err error) {
	var row auditEndsRow
	err = tx.Where("id = 1").Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return ends, domain.E(domain.Invalid, "the ends of the audit log are gone")
	}
	if err != nil {
		return ends, err
	}
	plain, err := s.sealer.open(purposeAuditEnds, "1", row.Sealed)
	if err != nil || binary.Size(ends) != len(plain) {
		return ends, &domain.Error{Kind: domain.Invalid, Detail: "the ends of the audit log were altered", Err: err}
	}
	_, err = binary.Decode(plain, binary.BigEndian, &ends)
	return ends, err
}

func (s *AuditStore) setEnds(tx *gorm.DB, ends audit.Ends) error {
	plain, err := binary.Append(nil, binary.BigEndian, ends)
	if err != nil {
		return err
	}
	sealed, err := s.sealer.seal(purposeAuditEnds, "1", plain)
	if err != nil {
		return err
	}
	return tx.Clauses(clause.OnConflict{UpdateAll: true}).Create(&auditEndsRow{1, sealed}).Error
}

// Entries is [audit.Store.Entries].
func (s *AuditStore) Entries(ctx context.Context, q audit.Query) ([]audit.Entry, error) {
	var rows []auditRow
	err := s.file.read(ctx, func(tx *gorm.DB) error {
		order := "number DESC"
		if q.OldestFirst {
			order = "number"
		}
		return selectAudit(tx, q).Order(order).Limit(q.Limit).Find(&rows).Error
	})
	list := make([]audit.Entry, len(rows))
	for i, r := range rows {
		list[i] = r.entry()
	}
	return list, err
}

func selectAudit(tx *gorm.DB, q audit.Query) *gorm.DB {
	if q.After > 0 {
		tx = tx.Where("number > ?", q.After)
	}
	if q.Before > 0 {
		tx = tx.Where("number < ?", q.Before)
	}
	for column, value := range map[string]string{
		"actor": q.Actor, "operation": q.Operation, "source": q.From, "phase": string(q.Phase),
	} {
		if value != "" {
			tx = tx.Where(column+" = ?", value)
		}
	}
	if q.Target != "" {
		tx = tx.Where(`target LIKE ? ESCAPE '\'`, strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(q.Target)+"%")
	}
	if !q.Since.IsZero() {
		tx = tx.Where("at >= ?", micros(q.Since))
	}
	if !q.Until.IsZero() {
		tx = tx.Where("at < ?", micros(q.Until))
	}
	return tx
}

// Walk is [audit.Store.Walk].
func (s *AuditStore) Walk(ctx context.Context, ends func(audit.Ends), each func(audit.Entry) error) error {
	return s.file.read(ctx, func(tx *gorm.DB) error {
		known, err := s.ends(tx)
		if err != nil {
			return err
		}
		ends(known)
		rows, err := tx.Model(&auditRow{}).Order("number").Rows()
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var r auditRow
			if err := tx.ScanRows(rows, &r); err != nil {
				return err
			}
			if err := each(r.entry()); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}

// auditPruneBatch bounds how long one pruning holds the writer.
const auditPruneBatch = 5000

// Prune is [audit.Store.Prune]. It removes from the lower end only, up to the
// first entry that is young enough: a clock that was set back makes no gap.
func (s *AuditStore) Prune(ctx context.Context, before time.Time) (removed int64, err error) {
	for {
		n, err := s.pruneSome(ctx, before)
		removed += n
		if err != nil || n < auditPruneBatch {
			return removed, err
		}
	}
}

func (s *AuditStore) pruneSome(ctx context.Context, before time.Time) (removed int64, err error) {
	err = s.file.write(ctx, func(tx *gorm.DB) error {
		ends, err := s.ends(tx)
		if err != nil {
			return err
		}
		var rows []auditRow
		if err := tx.Select("number", "at", "hash").Order("number").Limit(auditPruneBatch).Find(&rows).Error; err != nil {
			return err
		}
		for _, r := range rows {
			if r.At >= micros(before) || r.Number != ends.Pruned.Number+1 {
				break // what does not fit stays, for [audit.Service.Verify] to name
			}
			ends.Pruned = audit.End{Number: r.Number, Hash: r.entry().Hash}
			removed++
		}
		if removed == 0 {
			return nil
		}
		if err := tx.Where("number <= ?", ends.Pruned.Number).Delete(&auditRow{}).Error; err != nil {
			return err
		}
		return s.setEnds(tx, ends)
	})
	return removed, err
}
