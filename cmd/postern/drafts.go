package main

import (
	"context"
	"net/netip"
	"time"

	"postern/domain"
	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/probe"
)

// makeDrafts makes what changes the configuration step by step. A revision whose
// time to be confirmed ran out while the gateway was down is taken back here,
// before anything is served by it (B70).
func (a *App) makeDrafts(ctx context.Context) error {
	a.drafts = config.NewDrafts(config.DraftDependencies{
		Service: a.config, Store: a.database.Configuration(), Now: time.Now, NewID: newTimeOrderedID,
	})
	if err := a.config.RevertOverdue(ctx); err != nil {
		a.reportRevert(err) // serving what was not confirmed is better than serving nothing
	}
	return nil
}

// draftPruning is how often drafts that are over are looked at.
const draftPruning = time.Hour

// forgetDrafts removes drafts that were committed or discarded when history of their
// time is forgotten too (B69).
func (a *App) forgetDrafts(ctx context.Context) {
	a.every(ctx, draftPruning, "forget ended drafts", func(ctx context.Context) error {
		return a.database.Configuration().PruneDrafts(ctx, time.Now().Add(-a.history()))
	})
}

// followConfirmations takes back revisions that are not confirmed in time.
func (a *App) followConfirmations(ctx context.Context) {
	a.config.FollowConfirmations(ctx, a.reportRevert)
}

func (a *App) reportRevert(err error) {
	a.logger.Error("an unconfirmed revision stays in force", "error", err.Error())
}

// explainDestination answers for the draft that the snapshot is of; nil is the
// running configuration. Flagged mail is under REQUIRETLS.
func (a *App) explainDestination(ctx context.Context, under *config.Snapshot, name mailaddr.DomainName, flagged bool) probe.Destination {
	if under == nil {
		under = a.deliverer.Snapshot()
	}
	if flagged {
		return a.deliverer.ExplainFlaggedUnder(ctx, under, name)
	}
	return a.deliverer.ExplainUnder(ctx, under, name)
}

func (a *App) explainClient(ctx context.Context, under *config.Snapshot, listener string, client netip.Addr) (probe.Client, error) {
	if under == nil {
		return a.engine.ExplainClient(listener, client)
	}
	explained, err := a.engine.ExplainClientUnder(ctx, under, listener, client)
	return explained, domain.Wrap(err, "explain a client under a draft")
}

func (a *App) explainMessage(ctx context.Context, under *config.Snapshot, m *delivery.Message) []probe.MessageGroup {
	if under == nil {
		return a.deliverer.ExplainMessage(ctx, m)
	}
	return a.deliverer.ExplainMessageUnder(ctx, under, m)
}
