package main

import (
	"context"
	"encoding/hex"
	"errors"
	"time"

	"postern/domain"
	"postern/domain/audit"
	"postern/domain/idempotency"
)

// makeAudit makes the audit log and puts it around the accounts, so that failed
// log-ins are in it whichever way they come.
func (a *App) makeAudit() {
	a.audit = audit.NewService(a.database.Audit(), time.Now)
	a.repeats = idempotency.NewService(a.database.Idempotency(), time.Now)
	a.gate = audit.NewGate(a.accounts, a.audit, func(err error) {
		a.logger.Error("the audit log lacks a failed log-in", "error", err.Error())
	})
	a.onStop(func(ctx context.Context) error {
		return errors.Join(a.audit.Flush(ctx, true), a.accounts.FlushUses(ctx))
	})
}

// How often the audit log, the tokens and the idempotency keys are looked after.
const (
	auditFlush  = time.Minute
	auditAnchor = 24 * time.Hour
	tokenUses   = time.Minute
	keyPruning  = time.Hour
)

// startAudit begins to record repeated refusals, to remove entries that have
// aged out, and to log the anchor.
func (a *App) startAudit() {
	a.background.run(func(ctx context.Context) {
		a.every(ctx, auditFlush, "record repeated refusals", func(ctx context.Context) error { return a.audit.Flush(ctx, false) })
	})
	a.background.run(func(ctx context.Context) {
		a.every(ctx, tokenUses, "store the last uses of tokens", a.accounts.FlushUses)
	})
	a.background.run(func(ctx context.Context) {
		a.every(ctx, keyPruning, "forget idempotency keys", a.repeats.Prune)
	})
	a.background.run(func(ctx context.Context) {
		a.every(ctx, auditAnchor, "look after the audit log", a.keepAudit)
	})
}

// every does something now and again and again, until the context ends.
func (a *App) every(ctx context.Context, interval time.Duration, what string, do func(context.Context) error) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		if err := do(ctx); err != nil && ctx.Err() == nil {
			a.logger.Error("work in the background failed", "work", what, "error", err.Error())
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// keepAudit removes what has aged out and says where the chain stands, so that
// the log keeps what the database cannot prove by itself.
func (a *App) keepAudit(ctx context.Context) error {
	if err := a.audit.Prune(ctx); err != nil {
		return err
	}
	anchor, err := a.audit.Anchor(ctx)
	if err != nil {
		return domain.Wrap(err, "read the anchor")
	}
	a.logger.InfoContext(ctx, "audit log anchor", "number", anchor.Number, "hash", hex.EncodeToString(anchor.Hash[:]))
	return nil
}
