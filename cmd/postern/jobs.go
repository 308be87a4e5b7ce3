package main

import (
	"context"
	"log/slog"
	"time"

	"postern/domain"
	"postern/domain/job"
	"postern/smtp/watch"
)

// makeJobs makes what looks after long work; what an earlier process left of it
// is interrupted.
func (a *App) makeJobs(ctx context.Context) error {
	logger := a.logger.With("log", "job")
	var err error
	a.jobs, err = job.NewService(ctx, job.Dependencies{
		Store: a.database.Jobs(), Now: time.Now, NewID: newTimeOrderedID,
		Ended: func(j job.Job, err error) { logJob(logger, j, err) },
	})
	return err
}

// logJob writes the one line about a job, with the cause that the API withholds.
func logJob(logger *slog.Logger, j job.Job, err error) {
	fields := []any{"job", j.ID, "kind", j.Kind, "author", j.Author, "state", string(j.State)}
	switch {
	case j.State == job.Failed && domain.KindOf(err) == domain.Internal:
		logger.Error("job ended", append(fields, "error", err)...)
	case err != nil:
		logger.Info("job ended", append(fields, "error", err)...)
	default:
		logger.Info("job ended", fields...)
	}
}

// startJobs forgets old jobs from time to time. Those that run are ended early at
// a stop: they use what ends after them.
func (a *App) startJobs() {
	a.background.run(func(ctx context.Context) { watch.Tidy(ctx, a.jobs.Tidy, a.logger) })
	a.onStop(a.jobs.Stop)
}
