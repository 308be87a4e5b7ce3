package main

import (
	"context"

	"postern/domain"
	"postern/domain/config"
)

// draftSnapshot returns the configuration as a draft would make it (B72).
func (a *App) draftSnapshot(_ context.Context, change string) (*config.Snapshot, error) {
	return nil, domain.E(domain.NotFound, "there is no change %q", change)
}
