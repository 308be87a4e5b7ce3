package persistence

import (
	"context"
	"encoding/json"
	"time"

	"gorm.io/gorm"

	"postern/domain"
	"postern/domain/mailaddr"
	"postern/domain/mtasts"
)

// MTASTSStore keeps the MTA-STS policies of other domains (B60).
type MTASTSStore struct{ file file }

var _ mtasts.Store = (*MTASTSStore)(nil)

// MTASTS returns the store of MTA-STS policies.
func (d *Database) MTASTS() *MTASTSStore { return &MTASTSStore{d.queue} }

type mtastsRow struct {
	Domain    string `gorm:"primaryKey"`
	Text      string
	RecordID  string
	FetchedAt int64
	ExpiresAt int64
	RefreshAt int64
	UsedAt    int64
	Pin       string
	Failure   string
}

func (mtastsRow) TableName() string { return "mta_sts_policies" }

// mtastsFailure is what is known of the last try.
type mtastsFailure struct {
	Result  string    `json:"result,omitempty"`
	Detail  string    `json:"detail,omitempty"`
	At      time.Time `json:"at,omitzero"`
	ID      string    `json:"id,omitempty"`
	Count   int       `json:"count,omitempty"`
	NextTry time.Time `json:"next_try,omitzero"`
}

type mtastsPin struct {
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

func mtastsRowOf(e mtasts.Entry) (mtastsRow, error) {
	row := mtastsRow{
		Domain: e.Domain.String(), Text: e.Text, RecordID: e.RecordID,
		FetchedAt: microsOrZero(e.FetchedAt), ExpiresAt: microsOrZero(e.ExpiresAt),
		RefreshAt: microsOrZero(e.RefreshAt), UsedAt: microsOrZero(e.UsedAt),
	}
	if e.Pinned != nil {
		pin, err := json.Marshal(mtastsPin(*e.Pinned))
		if err != nil {
			return row, err
		}
		row.Pin = string(pin)
	}
	failure, err := json.Marshal(mtastsFailure{
		Result: string(e.Problem.Result), Detail: e.Problem.Detail, At: e.FailedAt,
		ID: e.FailedID, Count: e.Failures, NextTry: e.NextTry,
	})
	row.Failure = string(failure)
	return row, err
}

func (r mtastsRow) entry() (mtasts.Entry, error) {
	e := mtasts.Entry{
		Domain: mailaddr.DomainName(r.Domain), Text: r.Text, RecordID: r.RecordID,
		FetchedAt: momentOrZero(r.FetchedAt), ExpiresAt: momentOrZero(r.ExpiresAt),
		RefreshAt: momentOrZero(r.RefreshAt), UsedAt: momentOrZero(r.UsedAt),
	}
	if r.Pin != "" {
		var pin mtastsPin
		if err := json.Unmarshal([]byte(r.Pin), &pin); err != nil {
			return e, err
		}
		e.Pinned = (*mtasts.Pin)(&pin)
	}
	var f mtastsFailure
	if err := json.Unmarshal([]byte(r.Failure), &f); err != nil {
		return e, err
	}
	e.Problem = mtasts.Problem{Result: mtasts.Result(f.Result), Detail: f.Detail}
	e.FailedAt, e.FailedID, e.Failures, e.NextTry = f.At, f.ID, f.Count, f.NextTry
	if r.Text == "" {
		return e, nil
	}
	var err error
	e.Policy, err = mtasts.ParsePolicy(r.Text)
	return e, err
}

// Load is [mtasts.Store.Load].
func (s *MTASTSStore) Load(ctx context.Context, yield func(mtasts.Entry) bool) error {
	var rows []mtastsRow
	err := s.file.read(ctx, func(tx *gorm.DB) error { return tx.Order("domain").Find(&rows).Error })
	if err != nil {
		return err
	}
	for _, row := range rows {
		e, err := row.entry()
		if err != nil {
			return domain.Wrap(err, "read the MTA-STS policy of %s", row.Domain)
		}
		if !yield(e) {
			return nil
		}
	}
	return nil
}

// Put is [mtasts.Store.Put].
func (s *MTASTSStore) Put(ctx context.Context, e mtasts.Entry) error {
	row, err := mtastsRowOf(e)
	if err != nil {
		return err
	}
	return s.file.write(ctx, func(tx *gorm.DB) error { return tx.Save(&row).Error })
}

// Delete is [mtasts.Store.Delete].
func (s *MTASTSStore) Delete(ctx context.Context, domains ...mailaddr.DomainName) error {
	return s.file.write(ctx, func(tx *gorm.DB) error {
		for _, name := range domains {
			if err := tx.Where("domain = ?", name.String()).Delete(&mtastsRow{}).Error; err != nil {
				return err
			}
		}
		return nil
	})
}
