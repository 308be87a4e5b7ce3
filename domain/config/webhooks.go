package config

import (
	"fmt"
	"maps"
	"slices"

	"postern/domain"
	"postern/domain/eventlog"
	"postern/domain/policy"
)

// Webhooks returns the webhooks, sorted by name.
func (s *Snapshot) Webhooks() []policy.Webhook {
	list := make([]policy.Webhook, 0, len(s.webhooks))
	for _, name := range slices.Sorted(maps.Keys(s.webhooks)) {
		list = append(list, s.webhooks[name])
	}
	return list
}

// Webhook returns a webhook by name.
func (s *Snapshot) Webhook(name string) (policy.Webhook, bool) {
	w, ok := s.webhooks[name]
	return w, ok
}

func compileWebhook(b *builder, key string, v Value) {
	b.own()
	setSmall(b.next.webhooks, key, as[policy.Webhook](v))
}

func checkWebhook(w policy.Webhook) (f domain.Faults) {
	for i, t := range w.Types {
		if _, err := eventlog.ParseTypes([]string{t}); err != nil {
			f.Add(fmt.Sprintf("/types/%d", i), "%s", err)
		}
	}
	return f
}
