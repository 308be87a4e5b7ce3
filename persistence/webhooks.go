package persistence

import (
	"context"
	"encoding/json"
	"errors"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"postern/domain"
	"postern/domain/config"
	"postern/domain/policy"
	"postern/domain/webhook"
)

// WebhookStore keeps how far webhooks have come, and their deliveries.
type WebhookStore struct{ file file }

var _ webhook.Store = (*WebhookStore)(nil)

// Webhooks returns the store of the webhooks' states.
func (d *Database) Webhooks() *WebhookStore { return &WebhookStore{d.configuration} }

type webhookStateRow struct {
	Webhook      string `gorm:"primaryKey"`
	Position     int64
	Failures     int
	FailingSince *int64
	NextTry      *int64
}

func (webhookStateRow) TableName() string { return "webhook_states" }

type webhookDeliveryRow struct {
	Webhook  string `gorm:"primaryKey"`
	Event    int64  `gorm:"primaryKey;autoIncrement:false"`
	Type     string
	State    string
	Attempts string
	At       int64
}

func (webhookDeliveryRow) TableName() string { return "webhook_deliveries" }

func webhookDeliveryRowOf(d webhook.Delivery) (webhookDeliveryRow, error) {
	attempts, err := json.Marshal(d.Attempts)
	row := webhookDeliveryRow{Webhook: d.Webhook, Event: d.Event, Type: d.Type, State: string(d.Outcome), Attempts: string(attempts)}
	if n := len(d.Attempts); n > 0 {
		row.At = micros(d.Attempts[n-1].At)
	}
	return row, err
}

func (r webhookDeliveryRow) delivery() (webhook.Delivery, error) {
	d := webhook.Delivery{Webhook: r.Webhook, Event: r.Event, Type: r.Type, Outcome: webhook.Outcome(r.State)}
	return d, domain.Wrap(json.Unmarshal([]byte(r.Attempts), &d.Attempts), "read delivery %d of webhook %s", r.Event, r.Webhook)
}

// State is [webhook.Store.State].
func (s *WebhookStore) State(ctx context.Context, name string) (webhook.State, error) {
	var row webhookStateRow
	err := s.file.read(ctx, func(tx *gorm.DB) error { return tx.Where("webhook = ?", name).Take(&row).Error })
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return webhook.State{}, domain.E(domain.NotFound, "webhook %q has not begun", name)
	}
	return webhook.State{
		Webhook: row.Webhook, Position: row.Position, Failures: row.Failures,
		FailingSince: optionalMoment(row.FailingSince), NextTry: optionalMoment(row.NextTry),
	}, err
}

// Save is [webhook.Store.Save].
func (s *WebhookStore) Save(ctx context.Context, state *webhook.State, d *webhook.Delivery) error {
	return s.file.write(ctx, func(tx *gorm.DB) error {
		if err := saveWebhookState(tx, state); err != nil || d == nil {
			return err
		}
		row, err := webhookDeliveryRowOf(*d)
		if err != nil {
			return err
		}
		return tx.Save(&row).Error
	})
}

func saveWebhookState(tx *gorm.DB, s *webhook.State) error {
	if s == nil {
		return nil
	}
	return tx.Save(&webhookStateRow{
		Webhook: s.Webhook, Position: s.Position, Failures: s.Failures,
		FailingSince: optionalMicros(s.FailingSince), NextTry: optionalMicros(s.NextTry),
	}).Error
}

// beginWebhooks lets the webhooks among written items that are switched on, and have
// no position yet, begin behind the newest event. In the transaction of their
// revision this is its own event, so that none is lost that happens before they are
// first looked at, however much later that is.
func beginWebhooks(tx *gorm.DB, items []config.Item) error {
	var begun []webhookStateRow
	for _, item := range items {
		if item.Kind != config.KindWebhook || item.Document == nil {
			continue
		}
		var hook policy.Webhook
		if err := json.Unmarshal(item.Document, &hook); err != nil {
			return domain.Wrap(err, "read webhook %s", item.Key)
		}
		if hook.Enabled {
			begun = append(begun, webhookStateRow{Webhook: item.Key})
		}
	}
	if len(begun) == 0 {
		return nil
	}
	last, err := lastNumber(tx)
	if err != nil {
		return err
	}
	for i := range begun {
		begun[i].Position = last
	}
	return tx.Clauses(clause.OnConflict{DoNothing: true}).CreateInBatches(begun, insertBatch).Error
}

// Delivery is [webhook.Store.Delivery].
func (s *WebhookStore) Delivery(ctx context.Context, name string, event int64) (webhook.Delivery, error) {
	var row webhookDeliveryRow
	err := s.file.read(ctx, func(tx *gorm.DB) error { return tx.Where("webhook = ? AND event = ?", name, event).Take(&row).Error })
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return webhook.Delivery{}, domain.E(domain.NotFound, "webhook %q has no delivery of event %d", name, event)
	}
	if err != nil {
		return webhook.Delivery{}, err
	}
	return row.delivery()
}

// Deliveries is [webhook.Store.Deliveries].
func (s *WebhookStore) Deliveries(ctx context.Context, q webhook.Query) ([]webhook.Delivery, error) {
	var rows []webhookDeliveryRow
	err := s.file.read(ctx, func(tx *gorm.DB) error {
		tx = tx.Where("webhook = ?", q.Webhook)
		if q.Before != 0 {
			tx = tx.Where("event < ?", q.Before)
		}
		if q.Outcome != "" {
			tx = tx.Where("state = ?", string(q.Outcome))
		}
		return tx.Order("event DESC").Limit(q.Limit).Find(&rows).Error
	})
	list := make([]webhook.Delivery, len(rows))
	for i := 0; i < len(rows) && err == nil; i++ {
		list[i], err = rows[i].delivery()
	}
	return list, err
}

// Keep is [webhook.Store.Keep]. One that was committed a moment ago is not forgotten
// by a caller who does not know it yet.
func (s *WebhookStore) Keep(ctx context.Context, webhooks []string) error {
	names := append([]string{""}, webhooks...) // an empty list is no SQL
	return s.file.write(ctx, func(tx *gorm.DB) error {
		for _, table := range []string{"webhook_states", "webhook_deliveries"} {
			if err := tx.Exec("DELETE FROM "+table+" WHERE webhook NOT IN ?"+
				" AND webhook NOT IN (SELECT key FROM items WHERE kind = ?)", names, string(config.KindWebhook)).Error; err != nil {
				return err
			}
		}
		last, err := lastNumber(tx)
		if err != nil {
			return err
		}
		oldest, err := oldestNumber(tx, last)
		if err != nil {
			return err
		}
		return tx.Exec("DELETE FROM webhook_deliveries WHERE event < ?", oldest).Error
	})
}
