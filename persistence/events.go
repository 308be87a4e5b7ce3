package persistence

import (
	"context"
	"encoding/json"
	"time"

	"gorm.io/gorm"

	"postern/domain/eventlog"
)

// eventBatch is how many events are forgotten at a time. The writer waits for each
// batch, so it is small.
const eventBatch = 1000

// EventStore keeps the log of events.
type EventStore struct{ file file }

var _ eventlog.Store = (*EventStore)(nil)

// Events returns the store of the events.
func (d *Database) Events() *EventStore { return &EventStore{d.configuration} }

type eventRow struct {
	Number      int64 `gorm:"primaryKey;autoIncrement:false"`
	Type        string
	SubjectKind string
	SubjectKey  string
	At          int64
	Data        string
}

func (eventRow) TableName() string { return "events" }

func (r eventRow) event() eventlog.Event {
	return eventlog.Event{
		Number: r.Number, Type: eventlog.Type(r.Type), At: moment(r.At),
		Subject: eventlog.Subject{Kind: r.SubjectKind, Key: r.SubjectKey}, Data: json.RawMessage(r.Data),
	}
}

// Append is [eventlog.Store.Append].
func (s *EventStore) Append(ctx context.Context, events []eventlog.Event) error {
	return s.file.write(ctx, func(tx *gorm.DB) error { return insertEvents(tx, events...) })
}

// insertEvents gives events the next numbers, within the transaction that makes
// them true. It holds the row of the last number until the commit, so that numbers
// become readable in their order.
func insertEvents(tx *gorm.DB, events ...eventlog.Event) error {
	if len(events) == 0 {
		return nil
	}
	if err := tx.Exec("UPDATE event_numbers SET last = last + ?", len(events)).Error; err != nil {
		return err
	}
	last, err := lastNumber(tx)
	if err != nil {
		return err
	}
	rows := make([]eventRow, len(events))
	for i, e := range events {
		rows[i] = eventRow{
			Number: last - int64(len(events)-1-i), Type: string(e.Type),
			SubjectKind: e.Subject.Kind, SubjectKey: e.Subject.Key, At: micros(e.At), Data: string(e.Data),
		}
	}
	return tx.CreateInBatches(rows, insertBatch).Error
}

// lastNumber returns the number that was given last.
func lastNumber(tx *gorm.DB) (number int64, err error) {
	err = tx.Raw("SELECT last FROM event_numbers").Scan(&number).Error
	return number, err
}

// oldestNumber returns the number of the oldest event that is kept.
func oldestNumber(tx *gorm.DB, last int64) (number int64, err error) {
	err = tx.Raw("SELECT COALESCE(MIN(number), ?) FROM events", last+1).Scan(&number).Error
	return number, err
}

// Newest is [eventlog.Store.Newest].
func (s *EventStore) Newest(ctx context.Context) (newest int64, err error) {
	err = s.file.read(ctx, func(tx *gorm.DB) error {
		newest, err = lastNumber(tx)
		return err
	})
	return newest, err
}

// Read is [eventlog.Store.Read].
func (s *EventStore) Read(ctx context.Context, q eventlog.Query) (page eventlog.Page, err error) {
	var rows []eventRow
	err = s.file.read(ctx, func(tx *gorm.DB) error {
		if page.Newest, err = lastNumber(tx); err != nil {
			return err
		}
		if page.Oldest, err = oldestNumber(tx, page.Newest); err != nil {
			return err
		}
		query := tx.Where("number > ?", q.After).Order("number").Limit(q.Limit)
		if q.Types != nil {
			query = query.Where("type IN ?", q.Types)
		}
		return query.Find(&rows).Error
	})
	for _, r := range rows {
		page.Events = append(page.Events, r.event())
	}
	return page, err
}

// Prune is [eventlog.Store.Prune]. Events are forgotten from the oldest on, up to
// the first that is to stay: what is left has no gaps.
func (s *EventStore) Prune(ctx context.Context, before time.Time, keep int64) (more bool, err error) {
	err = s.file.write(ctx, func(tx *gorm.DB) error {
		last, err := lastNumber(tx)
		if err != nil {
			return err
		}
		oldest, err := oldestNumber(tx, last)
		if err != nil {
			return err
		}
		young := last + 1 // the oldest one that is young enough
		if err := tx.Raw("SELECT number FROM events WHERE at >= ? ORDER BY number LIMIT 1", micros(before)).Scan(&young).Error; err != nil {
			return err
		}
		stays := max(young, last-keep+1)
		until := min(stays, oldest+eventBatch)
		more = until < stays
		return tx.Exec("DELETE FROM events WHERE number < ?", until).Error
	})
	return more, err
}
