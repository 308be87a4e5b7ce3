package persistence

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"gorm.io/gorm"

	"postern/domain"
	"postern/domain/alert"
	"postern/domain/policy"
)

// AlertStore keeps alerts (B62).
type AlertStore struct{ file file }

var _ alert.Store = (*AlertStore)(nil)

// Alerts returns the store of the alerts.
func (d *Database) Alerts() *AlertStore { return &AlertStore{d.configuration} }

type alertRow struct {
	ID               string `gorm:"primaryKey"`
	Type             string
	Severity         string
	Kind             string
	About            string
	Subject          string
	Detail           string
	Count            int64
	FirstSeen        int64
	LastSeen         int64
	State            string
	SilencedUntil    *int64
	AcknowledgedBy   string
	Resolution       string
	ResolvedAt       *int64
	Notified         int
	NotifiedAt       *int64
	NextNotification *int64
	Notices          string
}

func (alertRow) TableName() string { return "alerts" }

func alertRowOf(a alert.Alert) (alertRow, error) {
	notices, err := json.Marshal(a.Notices)
	return alertRow{
		ID: a.ID, Type: string(a.Type), Severity: string(a.Severity), Kind: string(a.Kind), About: a.About,
		Subject: a.Subject, Detail: a.Detail, Count: a.Count,
		FirstSeen: micros(a.FirstSeen), LastSeen: micros(a.LastSeen),
		State: string(a.State), SilencedUntil: optionalMicros(a.SilencedUntil), AcknowledgedBy: a.AcknowledgedBy,
		Resolution: a.Resolution, ResolvedAt: optionalMicros(a.ResolvedAt),
		Notified: a.Notified, NotifiedAt: optionalMicros(a.NotifiedAt), NextNotification: optionalMicros(a.NextNotification),
		Notices: string(notices),
	}, err
}

func (r alertRow) alert() (alert.Alert, error) {
	a := alert.Alert{
		ID: r.ID, Type: policy.AlertType(r.Type), Severity: policy.AlertSeverity(r.Severity), Kind: alert.Kind(r.Kind), About: r.About,
		Subject: r.Subject, Detail: r.Detail, Count: r.Count,
		FirstSeen: moment(r.FirstSeen), LastSeen: moment(r.LastSeen),
		State: alert.State(r.State), SilencedUntil: optionalMoment(r.SilencedUntil), AcknowledgedBy: r.AcknowledgedBy,
		Resolution: r.Resolution, ResolvedAt: optionalMoment(r.ResolvedAt),
		Notified: r.Notified, NotifiedAt: optionalMoment(r.NotifiedAt), NextNotification: optionalMoment(r.NextNotification),
	}
	return a, domain.Wrap(json.Unmarshal([]byte(r.Notices), &a.Notices), "read the notices of alert %s", r.ID)
}

// Save is [alert.Store.Save].
func (s *AlertStore) Save(ctx context.Context, a alert.Alert) error {
	row, err := alertRowOf(a)
	if err != nil {
		return err
	}
	return s.file.write(ctx, func(tx *gorm.DB) error { return tx.Save(&row).Error })
}

// Get is [alert.Store.Get].
func (s *AlertStore) Get(ctx context.Context, id string) (alert.Alert, error) {
	var row alertRow
	err := s.file.read(ctx, func(tx *gorm.DB) error { return tx.Where("id = ?", id).Take(&row).Error })
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return alert.Alert{}, domain.E(domain.NotFound, "there is no alert %q", id)
	}
	if err != nil {
		return alert.Alert{}, err
	}
	return row.alert()
}

// List is [alert.Store.List].
func (s *AlertStore) List(ctx context.Context, q alert.Query) ([]alert.Alert, error) {
	var rows []alertRow
	err := s.file.read(ctx, func(tx *gorm.DB) error {
		return selectAlerts(tx, q).Order(inOrder("id", q.OldestFirst)).Limit(q.Limit).Find(&rows).Error
	})
	if err != nil {
		return nil, err
	}
	list := make([]alert.Alert, len(rows))
	for i, r := range rows {
		if list[i], err = r.alert(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func selectAlerts(tx *gorm.DB, q alert.Query) *gorm.DB {
	if q.Before != "" {
		tx = tx.Where("id < ?", q.Before)
	}
	if q.After != "" {
		tx = tx.Where("id > ?", q.After)
	}
	for column, value := range map[string]string{
		"state": string(q.State), "type": string(q.Type), "severity": string(q.Severity),
	} {
		if value != "" {
			tx = tx.Where(column+" = ?", value)
		}
	}
	if q.Unresolved {
		tx = tx.Where("state <> ?", string(alert.Resolved))
	}
	return tx
}

// Prune is [alert.Store.Prune].
func (s *AlertStore) Prune(ctx context.Context, before time.Time) error {
	return s.file.write(ctx, func(tx *gorm.DB) error {
		return tx.Where("resolved_at < ?", micros(before)).Delete(&alertRow{}).Error
	})
}
