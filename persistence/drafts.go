package persistence

import (
	"context"
	"errors"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"postern/domain"
	"postern/domain/config"
)

var _ config.DraftStore = (*ConfigurationStore)(nil)

type draftRow struct {
	ID        string `gorm:"primaryKey"`
	Comment   string
	Author    string
	CreatedAt int64 `gorm:"autoCreateTime:false"`
	UpdatedAt int64 `gorm:"autoUpdateTime:false"`
	State     string
	Revision  int64
	Edits     int `gorm:"->"` // counted in reading
}

func (draftRow) TableName() string { return "drafts" }

func draftRowOf(d config.Draft) draftRow {
	return draftRow{
		ID: d.ID, Comment: d.Comment, Author: d.Author, CreatedAt: micros(d.CreatedAt), UpdatedAt: micros(d.UpdatedAt),
		State: string(d.State), Revision: d.Revision,
	}
}

func (r draftRow) draft() config.Draft {
	return config.Draft{
		ID: r.ID, Comment: r.Comment, Author: r.Author, CreatedAt: moment(r.CreatedAt), UpdatedAt: moment(r.UpdatedAt),
		State: config.DraftState(r.State), Revision: r.Revision, Edits: r.Edits,
	}
}

// draftColumns are those of a draft with the number of its edits.
const draftColumns = "drafts.*, (SELECT COUNT(*) FROM draft_edits WHERE draft_edits.draft = drafts.id) AS edits"

type draftEditRow struct {
	Draft string `gorm:"primaryKey"`
	Kind  string `gorm:"primaryKey"`
	Key   string `gorm:"primaryKey"`
	Base  string
	After *string
}

func (draftEditRow) TableName() string { return "draft_edits" }

func (r draftEditRow) edit() config.DraftEdit {
	return config.DraftEdit{Kind: config.Kind(r.Kind), Key: r.Key, Base: r.Base, After: rawDocument(r.After)}
}

// PutDraft is [config.DraftStore.PutDraft].
func (s *ConfigurationStore) PutDraft(ctx context.Context, d config.Draft) error {
	return s.file.write(ctx, func(tx *gorm.DB) error {
		row := draftRowOf(d)
		var known int64
		if err := tx.Model(&draftRow{}).Where("id = ?", d.ID).Count(&known).Error; err != nil {
			return err
		}
		if err := tx.Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error; err != nil {
			return err
		}
		if d.State == config.DraftOpen && known > 0 {
			return nil // another comment
		}
		if d.State != config.DraftOpen {
			if err := forgetDraftEdits(tx, d.ID); err != nil {
				return err
			}
		}
		return insertEvents(tx, d.Event())
	})
}

func forgetDraftEdits(tx *gorm.DB, id string) error {
	return tx.Where("draft = ?", id).Delete(&draftEditRow{}).Error
}

// Draft is [config.DraftStore.Draft].
func (s *ConfigurationStore) Draft(ctx context.Context, id string) (config.Draft, error) {
	var row draftRow
	err := s.file.read(ctx, func(tx *gorm.DB) error {
		err := tx.Select(draftColumns).Where("id = ?", id).Take(&row).Error
		if errors.Is(err, gorm.ErrRecordNotFound) {
			return domain.E(domain.NotFound, "there is no draft %q", id)
		}
		return err
	})
	return row.draft(), err
}

// Drafts is [config.DraftStore.Drafts].
func (s *ConfigurationStore) Drafts(ctx context.Context, q config.DraftQuery) ([]config.Draft, error) {
	var rows []draftRow
	err := s.file.read(ctx, func(tx *gorm.DB) error {
		query := tx.Select(draftColumns).Order("id DESC").Limit(q.Limit)
		if q.State != "" {
			query = query.Where("state = ?", string(q.State))
		}
		if q.Before != "" {
			query = query.Where("id < ?", q.Before)
		}
		return query.Find(&rows).Error
	})
	list := make([]config.Draft, len(rows))
	for i, r := range rows {
		list[i] = r.draft()
	}
	return list, err
}

// DraftEdits is [config.DraftStore.DraftEdits].
func (s *ConfigurationStore) DraftEdits(ctx context.Context, id string, q config.DraftEditQuery) ([]config.DraftEdit, error) {
	var rows []draftEditRow
	err := s.file.read(ctx, func(tx *gorm.DB) error {
		query := tx.Where("draft = ?", id).Order("kind, key")
		if q.Refs != nil {
			return findDraftEdits(query, q.Refs, &rows)
		}
		if q.Kind != "" {
			query = query.Where("kind = ? AND key > ?", string(q.Kind), q.After).Limit(q.Limit)
		}
		return query.Find(&rows).Error
	})
	list := make([]config.DraftEdit, len(rows))
	for i, r := range rows {
		list[i] = r.edit()
	}
	return list, err
}

// findDraftEdits reads the edits of the named items, batch by batch.
func findDraftEdits(query *gorm.DB, refs []config.Ref, found *[]draftEditRow) error {
	query = query.Session(&gorm.Session{}) // so that no batch adds to the next
	for batch := range slices.Chunk(refs, refBatch) {
		var rows []draftEditRow
		if err := query.Where(inRefs(batch)).Find(&rows).Error; err != nil {
			return err
		}
		*found = append(*found, rows...)
	}
	return nil
}

// EditDraft is [config.DraftStore.EditDraft].
func (s *ConfigurationStore) EditDraft(ctx context.Context, id string, at time.Time, put []config.DraftEdit, drop []config.Ref) error {
	rows := make([]draftEditRow, len(put))
	for i, e := range put {
		rows[i] = draftEditRow{Draft: id, Kind: string(e.Kind), Key: e.Key, Base: e.Base, After: optionalDocument(e.After)}
	}
	return s.file.write(ctx, func(tx *gorm.DB) error {
		if err := tx.Exec("UPDATE drafts SET updated_at = ? WHERE id = ?", micros(at), id).Error; err != nil {
			return err
		}
		for batch := range slices.Chunk(drop, refBatch) {
			if err := tx.Where("draft = ?", id).Where(inRefs(batch)).Delete(&draftEditRow{}).Error; err != nil {
				return err
			}
		}
		if len(rows) == 0 {
			return nil
		}
		return tx.Clauses(clause.OnConflict{UpdateAll: true}).CreateInBatches(rows, insertBatch).Error
	})
}

// settle ends the draft that a revision comes from, and the wait of the one that
// it takes back.
func settle(tx *gorm.DB, r config.Revision) error {
	if r.Reverts != 0 {
		reverted := map[string]any{"confirmation": string(config.ConfirmationReverted), "reverted_in": r.Number}
		if err := settlePending(tx, r.Reverts, reverted); err != nil {
			return err
		}
		if err := insertEvents(tx, r.RevertedEvent()); err != nil {
			return err
		}
	}
	if r.Draft == "" {
		return nil
	}
	ended := tx.Model(&draftRow{}).Where("id = ? AND state = ?", r.Draft, string(config.DraftOpen)).Updates(map[string]any{
		"state": string(config.DraftCommitted), "revision": r.Number, "updated_at": micros(r.At),
	})
	if ended.Error == nil && ended.RowsAffected != 1 {
		return domain.E(domain.Conflict, "draft %s is not open", r.Draft)
	}
	if err := errors.Join(ended.Error, forgetDraftEdits(tx, r.Draft)); err != nil {
		return err
	}
	var row draftRow
	if err := tx.Where("id = ?", r.Draft).Take(&row).Error; err != nil {
		return err
	}
	return insertEvents(tx, row.draft().Event())
}

func settlePending(tx *gorm.DB, number int64, columns map[string]any) error {
	settled := tx.Model(&revisionRow{}).Where("number = ? AND confirmation = ?", number, string(config.ConfirmationPending)).Updates(columns)
	if settled.Error == nil && settled.RowsAffected != 1 {
		return domain.E(domain.Conflict, "revision %d does not wait to be confirmed", number)
	}
	return settled.Error
}

// Confirm is [config.History.Confirm].
func (s *ConfigurationStore) Confirm(ctx context.Context, number int64, by string, at time.Time) error {
	return s.file.write(ctx, func(tx *gorm.DB) error {
		confirmed := map[string]any{"confirmation": string(config.ConfirmationConfirmed), "settled_by": by}
		if err := settlePending(tx, number, confirmed); err != nil {
			return err
		}
		return insertEvents(tx, config.ConfirmedEvent(number, by, at))
	})
}

// draftPruneBatch bounds how long one pruning holds the writer.
const draftPruneBatch = 500

// PruneDrafts forgets drafts that were committed or discarded before the time, the
// oldest first; those that are open stay.
func (s *ConfigurationStore) PruneDrafts(ctx context.Context, before time.Time) error {
	for {
		var gone int64
		err := s.file.write(ctx, func(tx *gorm.DB) error {
			old := tx.Model(&draftRow{}).Select("id").Order("id").Limit(draftPruneBatch).
				Where("state <> ? AND updated_at < ?", string(config.DraftOpen), micros(before))
			deleted := tx.Where("id IN (?)", old).Delete(&draftRow{})
			gone = deleted.RowsAffected
			return deleted.Error
		})
		if err != nil || gone < draftPruneBatch {
			return err
		}
	}
}
