package config

import (
	"strings"

	"postern/domain"
	"postern/domain/policy"
)

// words returns the kind as people say it.
func words(k Kind) string { return strings.ReplaceAll(string(k), "_", " ") }

// checkPreconditions holds each edit against the item as it is now.
func checkPreconditions(edits []Edit, current map[Ref]Item) error {
	seen := make(map[Ref]bool, len(edits))
	for _, e := range edits {
		if seen[e.Ref()] {
			return &domain.Error{Kind: domain.Invalid, Field: e.At, Detail: "the change edits " + words(e.Kind) + " " + e.Key + " twice"}
		}
		seen[e.Ref()] = true
		item, exists := current[e.Ref()]
		if err := e.check(item, exists); err != nil {
			return err
		}
	}
	return nil
}

func (e Edit) check(item Item, exists bool) error {
	switch {
	case e.Value == nil && !exists:
		return domain.E(domain.NotFound, "there is no %s %q", words(e.Kind), e.Key)
	case e.IfNoneMatch && exists:
		return domain.E(domain.Stale, "%s %q exists already, with entity tag %q", words(e.Kind), e.Key, item.ETag)
	case e.IfMatch != "" && !exists:
		return domain.E(domain.Stale, "%s %q does not exist", words(e.Kind), e.Key)
	case e.IfMatch != "" && e.IfMatch != "*" && e.IfMatch != item.ETag:
		return domain.E(domain.Stale, "%s %q was changed meanwhile: its entity tag is now %q; read it again and repeat the change", words(e.Kind), e.Key, item.ETag)
	}
	return nil
}

// withCompanions adds the edits that keep listeners and host access tables in
// step: a new listener gets the seeded table of its kind (B12), a deleted one
// takes its table along. hasAccess tells whether a listener has a table already.
func withCompanions(hasAccess func(listener string) bool, edits []Edit) []Edit {
	touched := map[Ref]bool{}
	for _, e := range edits {
		touched[e.Ref()] = true
	}
	for _, e := range edits {
		table := Ref{KindHostAccessTable, e.Key}
		if e.Kind != KindListener || touched[table] {
			continue
		}
		exists := hasAccess(e.Key)
		listener, isPut := e.Value.(policy.Listener)
		switch {
		case isPut && !exists:
			edits = append(edits, Edit{Kind: table.Kind, Key: table.Key, Value: SeededAccess(listener)})
		case !isPut && exists:
			edits = append(edits, Edit{Kind: table.Kind, Key: table.Key})
		}
	}
	return edits
}
