package persistence

import (
	"context"
	"encoding/json"
	"errors"

	"gorm.io/gorm"

	"postern/domain"
	"postern/domain/config"
)

var _ config.History = (*ConfigurationStore)(nil)

type revisionRow struct {
	Number  int64 `gorm:"primaryKey;autoIncrement:false"`
	Author  string
	Comment string
	At      int64
}

func (revisionRow) TableName() string { return "revisions" }

func (r revisionRow) revision() config.Revision {
	return config.Revision{Number: r.Number, Author: r.Author, Comment: r.Comment, At: moment(r.At)}
}

type editRow struct {
	Revision int64 `gorm:"primaryKey;autoIncrement:false"`
	Ordinal  int64 `gorm:"primaryKey;autoIncrement:false"`
	Kind     string
	Key      string
	Before   *string
	After    *string
}

func (editRow) TableName() string { return "edits" }

func (r editRow) edit() config.RecordedEdit {
	return config.RecordedEdit{
		Kind: config.Kind(r.Kind), Key: r.Key, Before: rawDocument(r.Before), After: rawDocument(r.After),
	}
}

// optionalDocument stores no document as NULL.
func optionalDocument(d json.RawMessage) *string {
	if d == nil {
		return nil
	}
	return new(string(d))
}

func rawDocument(d *string) json.RawMessage {
	if d == nil {
		return nil
	}
	return json.RawMessage(*d)
}

// insertRevision writes a revision with its edits.
func insertRevision(tx *gorm.DB, r config.Revision) error {
	row := revisionRow{Number: r.Number, Author: r.Author, Comment: r.Comment, At: micros(r.At)}
	if err := tx.Create(&row).Error; err != nil || len(r.Edits) == 0 {
		return err
	}
	edits := make([]editRow, len(r.Edits))
	for i, e := range r.Edits {
		edits[i] = editRow{
			Revision: r.Number, Ordinal: int64(i), Kind: string(e.Kind), Key: e.Key,
			Before: optionalDocument(e.Before), After: optionalDocument(e.After),
		}
	}
	return tx.CreateInBatches(edits, insertBatch).Error
}

// Revision is [config.History.Revision].
func (s *ConfigurationStore) Revision(ctx context.Context, number int64) (config.Revision, error) {
	var row revisionRow
	var edits []editRow
	err := s.file.read(ctx, func(tx *gorm.DB) error {
		err := tx.Where("number = ?", number).Take(&row).Error
		if errors.Is(err, gorm.ErrRecordNotFound) {
			return domain.E(domain.NotFound, "there is no revision %d", number)
		}
		if err != nil {
			return err
		}
		return tx.Where("revision = ?", number).Order("ordinal").Find(&edits).Error
	})
	if err != nil {
		return config.Revision{}, err
	}
	r := row.revision()
	r.Edits = recordedEdits(edits)
	return r, nil
}

// Revisions is [config.History.Revisions].
func (s *ConfigurationStore) Revisions(ctx context.Context, before int64, limit int) ([]config.Revision, error) {
	var rows []revisionRow
	err := s.file.read(ctx, func(tx *gorm.DB) error {
		query := tx.Order("number DESC").Limit(limit)
		if before != 0 {
			query = query.Where("number < ?", before)
		}
		return query.Find(&rows).Error
	})
	list := make([]config.Revision, len(rows))
	for i, r := range rows {
		list[i] = r.revision()
	}
	return list, err
}

// StateAt is [config.History.StateAt]. The first edit of an item after the
// revision is the one that no other edit after the revision precedes.
func (s *ConfigurationStore) StateAt(ctx context.Context, number int64) ([]config.RecordedEdit, error) {
	const query = `SELECT * FROM edits AS e WHERE e.revision > ? AND NOT EXISTS (
		SELECT 1 FROM edits AS p WHERE p.kind = e.kind AND p.key = e.key AND p.revision > ? AND p.revision < e.revision
	) ORDER BY e.revision, e.ordinal`
	var rows []editRow
	err := s.file.read(ctx, func(tx *gorm.DB) error {
		return tx.Raw(query, number, number).Scan(&rows).Error
	})
	return recordedEdits(rows), err
}

func recordedEdits(rows []editRow) []config.RecordedEdit {
	edits := make([]config.RecordedEdit, len(rows))
	for i, r := range rows {
		edits[i] = r.edit()
	}
	return edits
}
