package persistence

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"gorm.io/gorm"

	"postern/domain"
	"postern/domain/config"
)

var _ config.History = (*ConfigurationStore)(nil)

type revisionRow struct {
	Number       int64 `gorm:"primaryKey;autoIncrement:false"`
	Author       string
	Comment      string
	At           int64
	Draft        string
	Confirmation string
	ConfirmBy    *int64
	SettledBy    string
	RevertedIn   int64
	Reverts      int64
}

func (revisionRow) TableName() string { return "revisions" }

func revisionRowOf(r config.Revision) revisionRow {
	row := revisionRow{
		Number: r.Number, Author: r.Author, Comment: r.Comment, At: micros(r.At), Draft: r.Draft, Reverts: r.Reverts,
	}
	if c := r.Confirmation; c != nil {
		row.Confirmation, row.ConfirmBy = string(c.State), optionalMicros(&c.By)
		row.SettledBy, row.RevertedIn = c.SettledBy, c.RevertedIn
	}
	return row
}

func (r revisionRow) revision() config.Revision {
	made := config.Revision{
		Number: r.Number, Author: r.Author, Comment: r.Comment, At: moment(r.At), Draft: r.Draft, Reverts: r.Reverts,
	}
	if r.ConfirmBy != nil {
		made.Confirmation = &config.Confirmation{
			By: moment(*r.ConfirmBy), State: config.ConfirmationState(r.Confirmation),
			SettledBy: r.SettledBy, RevertedIn: r.RevertedIn,
		}
	}
	return made
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
	row := revisionRowOf(r)
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
func (s *ConfigurationStore) Revisions(ctx context.Context, q config.RevisionQuery) ([]config.Revision, error) {
	var rows []revisionRow
	err := s.file.read(ctx, func(tx *gorm.DB) error {
		return selectRevisions(tx, q).Order(inOrder("number", q.OldestFirst)).Limit(q.Limit).Find(&rows).Error
	})
	list := make([]config.Revision, len(rows))
	for i, r := range rows {
		list[i] = r.revision()
	}
	return list, err
}

// selectRevisions adds the conditions of a query. Numbers and moments rise
// together, so that a narrow time costs little.
func selectRevisions(tx *gorm.DB, q config.RevisionQuery) *gorm.DB {
	if q.Before != 0 {
		tx = tx.Where("number < ?", q.Before)
	}
	if q.After != 0 {
		tx = tx.Where("number > ?", q.After)
	}
	if q.Author != "" {
		tx = tx.Where("author = ?", q.Author)
	}
	if !q.Since.IsZero() {
		tx = tx.Where("at >= ?", micros(q.Since))
	}
	if !q.Until.IsZero() {
		tx = tx.Where("at < ?", micros(q.Until))
	}
	if q.Comment != "" {
		tx = tx.Where(`LOWER(comment) LIKE LOWER(?) ESCAPE '\'`, "%"+likeLiteral.Replace(q.Comment)+"%")
	}
	if q.Confirmation != "" {
		tx = tx.Where("confirmation = ?", string(q.Confirmation))
	}
	return selectEdited(tx, q.Kind, q.Key)
}

// likeLiteral takes the meaning off what LIKE understands.
var likeLiteral = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// selectEdited keeps revisions that edited an item of the kind, with the key.
func selectEdited(tx *gorm.DB, kind config.Kind, key string) *gorm.DB {
	const edited = "EXISTS (SELECT 1 FROM edits WHERE edits.revision = revisions.number AND "
	switch {
	case kind != "" && key != "":
		return tx.Where(edited+"edits.kind = ? AND edits.key = ?)", string(kind), key)
	case kind != "":
		return tx.Where(edited+"edits.kind = ?)", string(kind))
	case key != "":
		return tx.Where(edited+"edits.key = ?)", key)
	}
	return tx
}

// LastEdits is [config.History.LastEdits].
func (s *ConfigurationStore) LastEdits(ctx context.Context, refs []config.Ref) (map[config.Ref]config.Revision, error) {
	found := make(map[config.Ref]config.Revision, len(refs))
	err := s.file.read(ctx, func(tx *gorm.DB) error {
		for batch := range slices.Chunk(refs, refBatch) {
			var rows []struct {
				Made      revisionRow `gorm:"embedded"`
				Kind, Key string
			}
			newest := tx.Table("edits").Select("kind, key, MAX(revision) AS newest").Where(inRefs(batch)).Group("kind, key")
			err := tx.Table("revisions").Select("revisions.*, e.kind, e.key").
				Joins("JOIN (?) AS e ON e.newest = revisions.number", newest).Scan(&rows).Error
			if err != nil {
				return err
			}
			for _, r := range rows {
				found[config.Ref{Kind: config.Kind(r.Kind), Key: r.Key}] = r.Made.revision()
			}
		}
		return nil
	})
	return found, err
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
