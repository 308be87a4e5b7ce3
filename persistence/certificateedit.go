package persistence

import (
	"context"
	"errors"

	"gorm.io/gorm"

	"postern/domain"
	"postern/domain/certificate"
	"postern/domain/eventlog"
)

// Complete is [certificate.Editor.Complete]. The sealed key is not touched.
func (s *CertificateStore) Complete(ctx context.Context, c certificate.Certificate, act certificate.Act) error {
	row, err := certificateRowOf(c)
	if err != nil {
		return err
	}
	return s.file.write(ctx, func(tx *gorm.DB) error {
		before, err := takeCertificate(tx, c.ID)
		if err != nil {
			return err
		}
		if before.State != certificate.Pending {
			return domain.E(domain.Conflict, "certificate %q is not pending any more", c.ID)
		}
		if err := tx.Save(&row).Error; err != nil {
			return err
		}
		return insertEvents(tx, c.Event(eventlog.CertificateInstalled, act))
	})
}

// Stage is [certificate.Editor.Stage].
func (s *CertificateStore) Stage(ctx context.Context, id string, staged *certificate.Staged, act certificate.Act) (c certificate.Certificate, err error) {
	columns := map[string]any{"staged_at": nil, "staged_by": "", "staged_force": false}
	if staged != nil {
		columns = map[string]any{"staged_at": micros(staged.At), "staged_by": staged.By, "staged_force": staged.Force}
	}
	err = s.file.write(ctx, func(tx *gorm.DB) error {
		if err := tx.Model(&certificateRow{}).Where("id = ?", id).Updates(columns).Error; err != nil {
			return err
		}
		if c, err = takeCertificate(tx, id); err != nil { // NotFound undoes the whole
			return err
		}
		return insertEvents(tx, c.Event(eventlog.CertificateStaged, act))
	})
	return c, err
}

// Previous is [certificate.Editor.Previous]: the highest activation number but
// that of the active one.
func (s *CertificateStore) Previous(ctx context.Context) (certificate.Certificate, error) {
	var row certificateRow
	err := s.file.read(ctx, func(tx *gorm.DB) error {
		return tx.Where("activation > 0 AND state <> ?", string(certificate.Active)).Order("activation DESC").Take(&row).Error
	})
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return certificate.Certificate{}, domain.E(domain.NotFound, "no certificate that was active before is here any more")
	}
	if err != nil {
		return certificate.Certificate{}, err
	}
	return row.certificate()
}

// RecordExport is [certificate.Editor.RecordExport].
func (s *CertificateStore) RecordExport(ctx context.Context, c certificate.Certificate, act certificate.Act) error {
	return s.file.write(ctx, func(tx *gorm.DB) error {
		return insertEvents(tx, c.Event(eventlog.CertificateExported, act))
	})
}
