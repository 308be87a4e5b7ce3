package persistence

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"postern/domain"
	"postern/domain/config"
)

// Rows per statement. SQLite takes at most 32766 values in one, PostgreSQL
// 65535.
const (
	insertBatch = 500
	refBatch    = 500
)

// ConfigurationStore keeps the configuration: the items as they are now, and
// the revisions with what each of them did.
type ConfigurationStore struct{ file file }

var _ config.Store = (*ConfigurationStore)(nil)

// Configuration returns the store of the configuration.
func (d *Database) Configuration() *ConfigurationStore {
	return &ConfigurationStore{d.configuration}
}

type itemRow struct {
	Kind     string `gorm:"primaryKey"`
	Key      string `gorm:"primaryKey"`
	Document string
	ETag     string `gorm:"column:etag"`
	Revision int64
}

func (itemRow) TableName() string { return "items" }

func itemRowOf(i config.Item) itemRow {
	return itemRow{string(i.Kind), i.Key, string(i.Document), i.ETag, i.Revision}
}

func (r itemRow) item() config.Item {
	return config.Item{
		Kind: config.Kind(r.Kind), Key: r.Key, Document: json.RawMessage(r.Document),
		ETag: r.ETag, Revision: r.Revision,
	}
}

// Load is [config.Store.Load]. Items are read one at a time, in the order of
// kind and key.
func (s *ConfigurationStore) Load(ctx context.Context, yield func(config.Item) error) (revision int64, err error) {
	err = s.file.read(ctx, func(tx *gorm.DB) error {
		if revision, err = newestRevision(tx); err != nil {
			return err
		}
		rows, err := tx.Raw("SELECT kind, key, document, etag, revision FROM items ORDER BY kind, key").Rows()
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var r itemRow
			if err := rows.Scan(&r.Kind, &r.Key, &r.Document, &r.ETag, &r.Revision); err != nil {
				return err
			}
			if err := yield(r.item()); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	return revision, err
}

// newestRevision returns the newest number; 0 where there is none.
func newestRevision(tx *gorm.DB) (number int64, err error) {
	err = tx.Raw("SELECT COALESCE(MAX(number), 0) FROM revisions").Scan(&number).Error
	return number, err
}

// Current is [config.Store.Current].
func (s *ConfigurationStore) Current(ctx context.Context, refs []config.Ref) (map[config.Ref]config.Item, error) {
	found := make(map[config.Ref]config.Item, len(refs))
	err := s.file.read(ctx, func(tx *gorm.DB) error {
		for batch := range slices.Chunk(refs, refBatch) {
			var rows []itemRow
			if err := tx.Where(inRefs(batch)).Find(&rows).Error; err != nil {
				return err
			}
			for _, r := range rows {
				item := r.item()
				found[config.Ref{Kind: item.Kind, Key: item.Key}] = item
			}
		}
		return nil
	})
	return found, err
}

// inRefs is the condition that a row is one of the named items, in a form that
// both SQLite and PostgreSQL look up by the primary key.
func inRefs(refs []config.Ref) clause.Expr {
	values := make([]any, 0, 2*len(refs))
	for _, r := range refs {
		values = append(values, string(r.Kind), r.Key)
	}
	return gorm.Expr("(kind, key) IN (VALUES "+strings.Repeat("(?,?),", len(refs)-1)+"(?,?))", values...)
}

// Items is [config.Store.Items].
func (s *ConfigurationStore) Items(ctx context.Context, k config.Kind, after string, limit int) ([]config.Item, error) {
	var rows []itemRow
	err := s.file.read(ctx, func(tx *gorm.DB) error {
		return tx.Where("kind = ? AND key > ?", string(k), after).Order("key").Limit(limit).Find(&rows).Error
	})
	items := make([]config.Item, len(rows))
	for i, r := range rows {
		items[i] = r.item()
	}
	return items, err
}

// Commit is [config.Store.Commit].
func (s *ConfigurationStore) Commit(ctx context.Context, base int64, r config.Revision, items []config.Item) error {
	return s.file.write(ctx, func(tx *gorm.DB) error {
		newest, err := newestRevision(tx)
		if err != nil {
			return err
		}
		if newest != base {
			return domain.E(domain.Stale, "the newest revision is %d, not %d: read again and repeat the change", newest, base)
		}
		if err := settle(tx, r); err != nil {
			return err
		}
		if err := insertRevision(tx, r); err != nil {
			return err
		}
		if err := writeItems(tx, items); err != nil {
			return err
		}
		if err := insertEvents(tx, r.Event()); err != nil {
			return err
		}
		return beginWebhooks(tx, items)
	})
}

// writeItems writes the items that have a document and deletes the others.
func writeItems(tx *gorm.DB, items []config.Item) error {
	var written []itemRow
	var deleted []config.Ref
	for _, item := range items {
		if item.Document == nil {
			deleted = append(deleted, config.Ref{Kind: item.Kind, Key: item.Key})
			continue
		}
		written = append(written, itemRowOf(item))
	}
	for batch := range slices.Chunk(deleted, refBatch) {
		if err := tx.Where(inRefs(batch)).Delete(&itemRow{}).Error; err != nil {
			return err
		}
	}
	if len(written) == 0 {
		return nil
	}
	return tx.Clauses(clause.OnConflict{UpdateAll: true}).CreateInBatches(written, insertBatch).Error
}
