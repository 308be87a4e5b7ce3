package persistence

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"gorm.io/gorm"

	"postern/domain"
	"postern/domain/config"
)

const purposeSecret purpose = "configuration secret"

// SecretStore keeps the secrets that configuration documents refer to. Only
// sealed values reach the database.
type SecretStore struct {
	file   file
	sealer *sealer
	now    func() time.Time
}

var _ config.Secrets = (*SecretStore)(nil)

// Secrets returns the store of the secrets.
func (d *Database) Secrets(now func() time.Time) *SecretStore {
	return &SecretStore{d.configuration, d.sealer, now}
}

type secretRow struct {
	ID        string `gorm:"primaryKey"`
	Sealed    []byte
	CreatedAt int64 `gorm:"autoCreateTime:false"`
}

func (secretRow) TableName() string { return "secrets" }

// Put is [config.Secrets.Put]. The id tells nothing about the value.
func (s *SecretStore) Put(ctx context.Context, value string) (string, error) {
	id := rand.Text()
	sealed, err := s.sealer.seal(purposeSecret, id, []byte(value))
	if err != nil {
		return "", domain.Wrap(err, "seal a secret")
	}
	row := secretRow{ID: id, Sealed: sealed, CreatedAt: micros(s.now())}
	return id, s.file.write(ctx, func(tx *gorm.DB) error { return tx.Create(&row).Error })
}

// Get is [config.Secrets.Get].
func (s *SecretStore) Get(ctx context.Context, id string) (string, error) {
	var row secretRow
	err := s.file.read(ctx, func(tx *gorm.DB) error { return tx.Where("id = ?", id).Take(&row).Error })
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return "", domain.E(domain.NotFound, "there is no secret %q", id)
	}
	if err != nil {
		return "", err
	}
	value, err := s.sealer.open(purposeSecret, id, row.Sealed)
	if err != nil {
		return "", domain.Wrap(err, "open a secret")
	}
	return string(value), nil
}
