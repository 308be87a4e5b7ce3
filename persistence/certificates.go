package persistence

import (
	"context"
	"errors"

	"gorm.io/gorm"

	"postern/domain"
	"postern/domain/certificate"
	"postern/domain/eventlog"
)

// CertificateStore keeps certificates, and their private keys sealed in a table
// of their own.
type CertificateStore struct {
	file   file
	sealer *sealer
}

var (
	_ certificate.Store     = (*CertificateStore)(nil)
	_ certificate.Editor    = (*CertificateStore)(nil)
	_ certificate.KeyReader = (*CertificateStore)(nil)
)

// Certificates returns the store of the certificates.
func (d *Database) Certificates() *CertificateStore {
	return &CertificateStore{d.configuration, d.sealer}
}

type privateKeyRow struct {
	CertificateID string `gorm:"primaryKey"`
	Sealed        []byte
}

func (privateKeyRow) TableName() string { return "private_keys" }

// Insert is [certificate.Store.Insert].
func (s *CertificateStore) Insert(ctx context.Context, c certificate.Certificate, key certificate.PrivateKey) error {
	row, err := certificateRowOf(c)
	if err != nil {
		return err
	}
	sealed, err := s.sealKey(c.ID, key)
	if err != nil {
		return err
	}
	return s.file.write(ctx, func(tx *gorm.DB) error {
		if err := tx.Create(&row).Error; err != nil {
			return err
		}
		if err := tx.Create(&privateKeyRow{c.ID, sealed}).Error; err != nil {
			return err
		}
		return insertEvents(tx, c.Event(eventlog.CertificateCreated, certificate.Act{Author: c.CreatedBy, At: c.CreatedAt}))
	})
}

func (s *CertificateStore) sealKey(id string, key certificate.PrivateKey) ([]byte, error) {
	der, err := key.Reveal()
	if err != nil {
		return nil, err
	}
	defer clear(der)
	return s.sealer.seal(purposeCertificateKey, id, der)
}

// Get is [certificate.Store.Get].
func (s *CertificateStore) Get(ctx context.Context, id string) (c certificate.Certificate, err error) {
	err = s.file.read(ctx, func(tx *gorm.DB) error {
		c, err = takeCertificate(tx, id)
		return err
	})
	return c, err
}

func takeCertificate(tx *gorm.DB, id string) (certificate.Certificate, error) {
	var row certificateRow
	err := tx.Where("id = ?", id).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return certificate.Certificate{}, noCertificate(id)
	}
	if err != nil {
		return certificate.Certificate{}, err
	}
	return row.certificate()
}

func noCertificate(id string) error {
	return domain.E(domain.NotFound, "there is no certificate %q", id)
}

// List is [certificate.Store.List].
func (s *CertificateStore) List(ctx context.Context, q certificate.Query) ([]certificate.Certificate, error) {
	var rows []certificateRow
	err := s.file.read(ctx, func(tx *gorm.DB) error {
		query := tx.Where("id > ?", q.After).Order(inOrder("id", !q.NewestFirst)).Limit(q.Limit)
		if q.Before != "" {
			query = query.Where("id < ?", q.Before)
		}
		if q.State != "" {
			query = query.Where("state = ?", string(q.State))
		}
		if q.Staged {
			query = query.Where("staged_at IS NOT NULL")
		}
		return query.Find(&rows).Error
	})
	if err != nil {
		return nil, err
	}
	list := make([]certificate.Certificate, len(rows))
	for i, row := range rows {
		if list[i], err = row.certificate(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Activate is [certificate.Store.Activate]. The active certificate always has
// the highest activation number and is never deleted, so the next one is one
// more than the highest there is.
func (s *CertificateStore) Activate(ctx context.Context, id string, act certificate.Act) (c certificate.Certificate, err error) {
	err = s.file.write(ctx, func(tx *gorm.DB) error {
		var last int64
		if err := tx.Raw("SELECT COALESCE(MAX(activation), 0) FROM certificates").Scan(&last).Error; err != nil {
			return err
		}
		// B41: one is active. The one before goes first, since an index holds the rule.
		if err := tx.Exec("UPDATE certificates SET state = ? WHERE state = ?",
			string(certificate.Inactive), string(certificate.Active)).Error; err != nil {
			return err
		}
		if err := tx.Model(&certificateRow{}).Where("id = ?", id).Updates(map[string]any{
			"state":        string(certificate.Active),
			"activation":   last + 1,
			"activated_at": micros(act.At),
			"activated_by": act.Author,
			"staged_at":    nil, // what was to come has come
		}).Error; err != nil {
			return err
		}
		if c, err = takeCertificate(tx, id); err != nil { // NotFound undoes the whole
			return err
		}
		return insertEvents(tx, c.Event(eventlog.CertificateActivated, act))
	})
	return c, err
}

// Delete is [certificate.Store.Delete]. The key goes with its certificate.
func (s *CertificateStore) Delete(ctx context.Context, id string, act certificate.Act) error {
	return s.file.write(ctx, func(tx *gorm.DB) error {
		c, err := takeCertificate(tx, id)
		if err != nil {
			return err
		}
		if c.State == certificate.Active { // B46
			return domain.E(domain.Conflict, "certificate %q is active: activate another one first", id)
		}
		if err := tx.Where("id = ?", id).Delete(&certificateRow{}).Error; err != nil {
			return err
		}
		return insertEvents(tx, c.Event(eventlog.CertificateDeleted, act))
	})
}

// KeyPair is [certificate.KeyReader.KeyPair].
func (s *CertificateStore) KeyPair(ctx context.Context, id string) (certificate.KeyPair, error) {
	pair, err := s.keyPair(ctx, "id = ?", id)
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return pair, noCertificate(id)
	}
	return pair, err
}

// ActiveKeyPair is [certificate.KeyReader.ActiveKeyPair].
func (s *CertificateStore) ActiveKeyPair(ctx context.Context) (certificate.KeyPair, error) {
	pair, err := s.keyPair(ctx, "state = ?", string(certificate.Active))
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return pair, domain.E(domain.NotFound, "no certificate is active")
	}
	return pair, err
}

// keyPair reads the certificate that meets the condition, and its key, as of
// one moment.
func (s *CertificateStore) keyPair(ctx context.Context, condition string, value string) (certificate.KeyPair, error) {
	var row certificateRow
	var keyRow privateKeyRow
	err := s.file.read(ctx, func(tx *gorm.DB) error {
		if err := tx.Where(condition, value).Take(&row).Error; err != nil {
			return err
		}
		return tx.Where("certificate_id = ?", row.ID).Limit(1).Find(&keyRow).Error
	})
	if err != nil {
		return certificate.KeyPair{}, err
	}
	return s.openPair(row, keyRow.Sealed)
}

func (s *CertificateStore) openPair(row certificateRow, sealed []byte) (certificate.KeyPair, error) {
	c, err := row.certificate()
	if err != nil {
		return certificate.KeyPair{}, err
	}
	der, err := s.sealer.open(purposeCertificateKey, row.ID, sealed)
	if err != nil {
		return certificate.KeyPair{}, err
	}
	defer clear(der)
	key, err := certificate.ParsePrivateKey(der)
	return certificate.KeyPair{Certificate: c, Key: key}, err
}
