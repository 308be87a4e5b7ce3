package persistence

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"postern/domain"
	"postern/domain/idempotency"
)

const purposeReply purpose = "reply of an idempotency key"

// IdempotencyStore keeps the replies to requests that may be repeated, sealed: a
// reply may hold a secret that is shown once.
type IdempotencyStore struct {
	file   file
	sealer *sealer
}

var _ idempotency.Store = (*IdempotencyStore)(nil)

// Idempotency returns the store of idempotency keys.
func (d *Database) Idempotency() *IdempotencyStore {
	return &IdempotencyStore{d.configuration, d.sealer}
}

type idempotencyRow struct {
	Caller    string `gorm:"primaryKey"`
	Operation string `gorm:"primaryKey"`
	Key       string `gorm:"primaryKey"`
	Digest    []byte
	CreatedAt int64 `gorm:"autoCreateTime:false"`
	Reply     []byte
}

func (idempotencyRow) TableName() string { return "idempotency_keys" }

// sealID binds a sealed reply to its key. Lengths keep two keys from being one
// text.
func sealID(k idempotency.Key) string {
	return strconv.Itoa(len(k.Caller)) + "," + strconv.Itoa(len(k.Operation)) + "," + k.Caller + k.Operation + k.Text
}

func ofKey(tx *gorm.DB, k idempotency.Key) *gorm.DB {
	return tx.Where("caller = ? AND operation = ? AND key = ?", k.Caller, k.Operation, k.Text)
}

// Claim is [idempotency.Store.Claim].
func (s *IdempotencyStore) Claim(ctx context.Context, k idempotency.Key, c idempotency.Claim, oldest time.Time) (earlier idempotency.Claim, claimed bool, err error) {
	err = s.file.write(ctx, func(tx *gorm.DB) error {
		var row idempotencyRow
		err := ofKey(tx, k).Where("created_at >= ?", micros(oldest)).Take(&row).Error
		if err == nil {
			earlier, err = s.claim(k, row)
			return err
		}
		if !errors.Is(err, gorm.ErrRecordNotFound) {
			return err
		}
		var keys int64
		err = tx.Model(&idempotencyRow{}).Where("caller = ? AND created_at >= ?", k.Caller, micros(oldest)).Count(&keys).Error
		if err != nil {
			return err
		}
		if keys >= idempotency.MaxKeys {
			return domain.E(domain.Exhausted, "more than %d idempotency keys within a day", idempotency.MaxKeys)
		}
		claimed = true
		row = idempotencyRow{Caller: k.Caller, Operation: k.Operation, Key: k.Text, Digest: c.Digest, CreatedAt: micros(c.At)}
		return tx.Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error // over one that has aged out
	})
	return earlier, claimed && err == nil, err
}

func (s *IdempotencyStore) claim(k idempotency.Key, row idempotencyRow) (idempotency.Claim, error) {
	c := idempotency.Claim{Digest: row.Digest, At: moment(row.CreatedAt)}
	if row.Reply == nil {
		return c, nil
	}
	plain, err := s.sealer.open(purposeReply, sealID(k), row.Reply)
	if err != nil {
		return c, domain.Wrap(err, "open a kept reply")
	}
	c.Reply = new(idempotency.Reply)
	return c, domain.Wrap(json.Unmarshal(plain, c.Reply), "read a kept reply")
}

// Settle is [idempotency.Store.Settle].
func (s *IdempotencyStore) Settle(ctx context.Context, k idempotency.Key, r *idempotency.Reply) error {
	if r == nil {
		return s.file.write(ctx, func(tx *gorm.DB) error { return ofKey(tx, k).Delete(&idempotencyRow{}).Error })
	}
	plain, err := json.Marshal(r)
	if err != nil {
		return err
	}
	sealed, err := s.sealer.seal(purposeReply, sealID(k), plain)
	if err != nil {
		return domain.Wrap(err, "seal a reply")
	}
	return s.file.write(ctx, func(tx *gorm.DB) error {
		return ofKey(tx.Model(&idempotencyRow{}), k).Update("reply", sealed).Error
	})
}

// Prune is [idempotency.Store.Prune].
func (s *IdempotencyStore) Prune(ctx context.Context, before time.Time) error {
	return s.file.write(ctx, func(tx *gorm.DB) error {
		return tx.Where("created_at < ?", micros(before)).Delete(&idempotencyRow{}).Error
	})
}
