package persistence

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"postern/domain/account"
	"postern/domain/eventlog"
)

// NoteUses is [account.TokenUseStore.NoteUses].
func (s *AccountStore) NoteUses(ctx context.Context, uses []account.TokenUse) error {
	return s.file.write(ctx, func(tx *gorm.DB) error {
		for _, u := range uses {
			columns := map[string]any{"last_used_at": micros(u.At), "last_used_from": ""}
			if u.From.IsValid() {
				columns["last_used_from"] = u.From.String()
			}
			if err := tx.Model(&tokenRow{}).Where("id = ?", u.ID).Updates(columns).Error; err != nil {
				return err
			}
		}
		return nil
	})
}

// ChangeAdministrator is [account.Roster.ChangeAdministrator].
func (s *AccountStore) ChangeAdministrator(ctx context.Context, name string, at time.Time, change func(now account.Administrator, exists bool, others int64) (*account.Administrator, error)) error {
	return s.file.write(ctx, func(tx *gorm.DB) error {
		var row administratorRow
		err := tx.Where("name = ?", name).Take(&row).Error
		exists := err == nil
		if err != nil && !errors.Is(err, gorm.ErrRecordNotFound) {
			return err
		}
		others, err := othersWhoCanLogIn(tx, name)
		if err != nil {
			return err
		}
		next, err := change(row.administrator(), exists, others)
		if err != nil {
			return err
		}
		if next == nil {
			return deleteAdministrator(tx, row, at)
		}
		what := eventlog.AdministratorChanged
		if !exists {
			what = eventlog.AdministratorCreated
		}
		stored := administratorRowOf(*next)
		if err := tx.Clauses(clause.OnConflict{UpdateAll: true}).Create(&stored).Error; err != nil {
			return err
		}
		return insertEvents(tx, next.Event(what, at))
	})
}

func deleteAdministrator(tx *gorm.DB, row administratorRow, at time.Time) error {
	done := tx.Where("name = ?", row.Name).Delete(&administratorRow{})
	if done.Error != nil || done.RowsAffected == 0 {
		return done.Error
	}
	return insertEvents(tx, row.administrator().Event(eventlog.AdministratorDeleted, at))
}

func othersWhoCanLogIn(tx *gorm.DB, name string) (others int64, err error) {
	err = tx.Model(&administratorRow{}).
		Where("name <> ? AND role = ? AND NOT disabled AND password_hash <> ''", name, string(account.RoleAdmin)).
		Count(&others).Error
	return others, err
}
