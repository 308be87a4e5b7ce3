package persistence

import (
	"context"
	"encoding/json"
	"errors"

	"gorm.io/gorm"

	"postern/domain"
	"postern/domain/acme"
)

// ACMEStore keeps the accounts at certification authorities and the renewal (B48).
type ACMEStore struct{ file file }

var _ acme.StateStore = (*ACMEStore)(nil)

// ACME returns the store of accounts and renewal.
func (d *Database) ACME() *ACMEStore { return &ACMEStore{d.configuration} }

type acmeAccountRow struct {
	Directory   string `gorm:"primaryKey"`
	URL         string
	KeySecretID string
	CreatedAt   int64 `gorm:"autoCreateTime:false"`
}

func (acmeAccountRow) TableName() string { return "acme_accounts" }

// Account is [acme.StateStore.Account].
func (s *ACMEStore) Account(ctx context.Context, directory string) (acme.Account, error) {
	var row acmeAccountRow
	err := s.file.read(ctx, func(tx *gorm.DB) error { return tx.Where("directory = ?", directory).Take(&row).Error })
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return acme.Account{}, domain.E(domain.NotFound, "there is no ACME account yet at %q", directory)
	}
	return acme.Account{Directory: row.Directory, URL: row.URL, KeySecretID: row.KeySecretID, CreatedAt: moment(row.CreatedAt)}, err
}

// PutAccount is [acme.StateStore.PutAccount].
func (s *ACMEStore) PutAccount(ctx context.Context, a acme.Account) error {
	row := acmeAccountRow{a.Directory, a.URL, a.KeySecretID, micros(a.CreatedAt)}
	return s.file.write(ctx, func(tx *gorm.DB) error { return tx.Save(&row).Error })
}

// theRenewal is the id of the one row of acme_renewal.
const theRenewal = 1

type acmeRenewalRow struct {
	ID            int `gorm:"primaryKey"`
	CertificateID string
	Directory     string
	Names         string
	RenewAt       int64
	Failures      int
	NextTry       int64
}

func (acmeRenewalRow) TableName() string { return "acme_renewal" }

// Renewal is [acme.StateStore.Renewal].
func (s *ACMEStore) Renewal(ctx context.Context) (acme.Renewal, error) {
	var row acmeRenewalRow
	err := s.file.read(ctx, func(tx *gorm.DB) error { return tx.Where("id = ?", theRenewal).Take(&row).Error })
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return acme.Renewal{}, nil
	}
	if err != nil {
		return acme.Renewal{}, err
	}
	r := acme.Renewal{
		CertificateID: row.CertificateID, Directory: row.Directory,
		RenewAt: moment(row.RenewAt), Failures: row.Failures, NextTry: moment(row.NextTry),
	}
	return r, domain.Wrap(json.Unmarshal([]byte(row.Names), &r.Names), "read the names of the ACME renewal")
}

// PutRenewal is [acme.StateStore.PutRenewal].
func (s *ACMEStore) PutRenewal(ctx context.Context, r acme.Renewal) error {
	names, err := json.Marshal(r.Names)
	if err != nil {
		return err
	}
	row := acmeRenewalRow{
		ID: theRenewal, CertificateID: r.CertificateID, Directory: r.Directory, Names: string(names),
		RenewAt: micros(r.RenewAt), Failures: r.Failures, NextTry: micros(r.NextTry),
	}
	return s.file.write(ctx, func(tx *gorm.DB) error { return tx.Save(&row).Error })
}
