package main

import (
	"context"
	"errors"
	"time"
)

// statisticsInterval is how often the figures of the TLS report become durable:
// a crash loses no more than that.
const statisticsInterval = 5 * time.Second

// keepStatistics writes what was counted, until the context ends.
func (a *App) keepStatistics(ctx context.Context) {
	ticker := time.NewTicker(statisticsInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := a.writeStatistics(ctx); err != nil && ctx.Err() == nil {
			a.logger.Error("TLS statistics not written", "error", err.Error())
		}
	}
}

// flushStatistics writes what was counted last, even where the stop has used up
// its time.
func (a *App) flushStatistics(ctx context.Context) error {
	return a.writeStatistics(context.WithoutCancel(ctx))
}

// writeStatistics adds what was counted for our own reports and for those to other
// domains to the store.
func (a *App) writeStatistics(ctx context.Context) error {
	return errors.Join(a.statistics.Flush(ctx), a.reportDays.Flush(ctx))
}
