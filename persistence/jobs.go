package persistence

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"gorm.io/gorm"

	"postern/domain"
	"postern/domain/job"
)

// JobStore keeps jobs.
type JobStore struct{ file file }

var _ job.Store = (*JobStore)(nil)

// Jobs returns the store of the jobs.
func (d *Database) Jobs() *JobStore { return &JobStore{d.configuration} }

type jobRow struct {
	ID         string `gorm:"primaryKey"`
	Kind       string
	Subject    string
	State      string
	Author     string
	Done       int64
	Total      int64
	Unit       string
	Steps      string
	Result     *string
	Problem    *string
	CreatedAt  int64 `gorm:"autoCreateTime:false"`
	StartedAt  *int64
	FinishedAt *int64
}

func (jobRow) TableName() string { return "jobs" }

func jobRowOf(j job.Job) (jobRow, error) {
	steps, err := json.Marshal(j.Steps)
	row := jobRow{
		ID: j.ID, Kind: j.Kind, Subject: j.Subject, State: string(j.State), Author: j.Author,
		Done: j.Count.Done, Total: j.Count.Total, Unit: j.Count.Unit, Steps: string(steps), Result: optionalDocument(j.Result),
		CreatedAt: micros(j.CreatedAt), StartedAt: optionalMicros(j.StartedAt), FinishedAt: optionalMicros(j.FinishedAt),
	}
	if err != nil || j.Problem == nil {
		return row, err
	}
	problem, err := json.Marshal(j.Problem)
	row.Problem = optionalDocument(problem)
	return row, err
}

func (r jobRow) job() (job.Job, error) {
	j := job.Job{
		ID: r.ID, Kind: r.Kind, Subject: r.Subject, State: job.State(r.State), Author: r.Author,
		Count: job.Count{Done: r.Done, Total: r.Total, Unit: r.Unit}, Result: rawDocument(r.Result),
		CreatedAt: moment(r.CreatedAt), StartedAt: optionalMoment(r.StartedAt), FinishedAt: optionalMoment(r.FinishedAt),
	}
	err := json.Unmarshal([]byte(r.Steps), &j.Steps)
	if err == nil && r.Problem != nil {
		err = json.Unmarshal([]byte(*r.Problem), &j.Problem)
	}
	return j, domain.Wrap(err, "read job %s", r.ID)
}

// Save is [job.Store.Save].
func (s *JobStore) Save(ctx context.Context, j job.Job) error {
	row, err := jobRowOf(j)
	if err != nil {
		return err
	}
	return s.file.write(ctx, func(tx *gorm.DB) error {
		var over int64
		if err := tx.Raw("SELECT COUNT(*) FROM jobs WHERE id = ? AND finished_at IS NOT NULL", j.ID).Scan(&over).Error; err != nil {
			return err
		}
		if err := tx.Save(&row).Error; err != nil || over > 0 || !j.State.Over() {
			return err
		}
		return insertEvents(tx, j.Event())
	})
}

// Get is [job.Store.Get].
func (s *JobStore) Get(ctx context.Context, id string) (job.Job, error) {
	var row jobRow
	err := s.file.read(ctx, func(tx *gorm.DB) error { return tx.Where("id = ?", id).Take(&row).Error })
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return job.Job{}, domain.E(domain.NotFound, "there is no job %q", id)
	}
	if err != nil {
		return job.Job{}, err
	}
	return row.job()
}

// List is [job.Store.List].
func (s *JobStore) List(ctx context.Context, q job.Query) ([]job.Job, error) {
	return s.find(ctx, func(tx *gorm.DB) *gorm.DB {
		if q.Before != "" {
			tx = tx.Where("id < ?", q.Before)
		}
		if q.After != "" {
			tx = tx.Where("id > ?", q.After)
		}
		if q.State != "" {
			tx = tx.Where("state = ?", string(q.State))
		}
		if q.Kind != "" {
			tx = tx.Where("kind = ?", q.Kind)
		}
		if q.Subject != "" {
			tx = tx.Where("subject = ?", q.Subject)
		}
		return tx.Order(inOrder("id", q.OldestFirst)).Limit(q.Limit)
	})
}

// Unfinished is [job.Store.Unfinished].
func (s *JobStore) Unfinished(ctx context.Context) ([]job.Job, error) {
	return s.find(ctx, func(tx *gorm.DB) *gorm.DB { return tx.Where("finished_at IS NULL").Order("id") })
}

func (s *JobStore) find(ctx context.Context, choose func(*gorm.DB) *gorm.DB) ([]job.Job, error) {
	var rows []jobRow
	if err := s.file.read(ctx, func(tx *gorm.DB) error { return choose(tx).Find(&rows).Error }); err != nil {
		return nil, err
	}
	list := make([]job.Job, len(rows))
	for i, r := range rows {
		var err error
		if list[i], err = r.job(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Prune is [job.Store.Prune].
func (s *JobStore) Prune(ctx context.Context, before time.Time, keep int) error {
	return s.file.write(ctx, func(tx *gorm.DB) error {
		if err := tx.Where("finished_at < ?", micros(before)).Delete(&jobRow{}).Error; err != nil {
			return err
		}
		return tx.Exec("DELETE FROM jobs WHERE finished_at IS NOT NULL AND id NOT IN"+
			" (SELECT id FROM jobs WHERE finished_at IS NOT NULL ORDER BY id DESC LIMIT ?)", keep).Error
	})
}
