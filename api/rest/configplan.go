package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"postern/domain"
	"postern/domain/config"
)

// configPlan is what has to change so that the configuration is as a document has
// it.
type configPlan struct {
	from     config.Reader
	document *ConfigurationDocument
	prune    bool
	keep     keeper

	// faults are those of the document that belong to no item; before planning,
	// all that were found in reading it.
	faults   domain.Faults
	edits    []config.Edit
	recorded []config.RecordedEdit
}

// planConfiguration compares the document part by part. Only items that differ
// are edited, each on the condition that it is as it was looked at.
func (a *API) planConfiguration(ctx context.Context, p *configPlan) error {
	p.faults = slices.Clone(p.faults) // a plan may be made twice
	if p.document.Format != configurationFormat && len(p.faultsAt("/format")) == 0 {
		p.faults.Add("/format", "must be %d, the only form there is", configurationFormat)
	}
	for _, s := range a.sections() {
		if err := s.plan(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

func (s one[T]) plan(ctx context.Context, p *configPlan) error {
	document := *s.in(p.document)
	if document == nil {
		return nil
	}
	key := s.ref().Key
	item, _, err := p.from.Get(ctx, s.kind, key)
	if err != nil && domain.KindOf(err) != domain.NotFound {
		return err
	}
	return s.planItem(p, s.at, key, *document, item)
}

func (s many[T]) plan(ctx context.Context, p *configPlan) error {
	documents := *s.in(p.document)
	if documents == nil {
		return nil
	}
	stored := map[string]config.Item{}
	err := eachItem(ctx, p.from, s.kind, func(item config.Item) error {
		stored[item.Key] = item
		return nil
	})
	if err != nil {
		return err
	}
	named := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(documents)) {
		at := s.at + "/" + escapePointer(name)
		key, err := s.key(name)
		switch {
		case err != nil:
			p.faults.Add(at, "nothing can have this name: %s", err)
			continue
		case named[key]:
			p.faults.Add(at, "%q occurs in another spelling too", key)
			continue
		}
		named[key] = true
		if err := s.planItem(p, at, key, documents[name], stored[key]); err != nil {
			return err
		}
	}
	p.pruneItems(s.kind, stored, named)
	return nil
}

// planItem adds an edit unless the document says what is stored.
func (r resource[T]) planItem(p *configPlan, at, key string, document T, stored config.Item) error {
	edit := config.Edit{
		Kind: r.kind, Key: key, At: at, Faults: p.takeFaultsAt(at),
		IfMatch: stored.ETag, IfNoneMatch: stored.Document == nil,
	}
	var current config.Value
	if stored.Document != nil {
		var err error
		if current, err = config.Decode(stored); err != nil {
			return err
		}
	}
	if err := r.fillBy(p.keep, &edit, document, current); err != nil {
		return err
	}
	r.checkClaims(&edit, document)
	after, err := json.Marshal(edit.Value)
	if err != nil {
		return err
	}
	if same, err := r.isStored(after, stored, current); err != nil || same && len(edit.Faults) == 0 {
		return err
	}
	p.edits = append(p.edits, edit)
	p.recorded = append(p.recorded, config.RecordedEdit{Kind: r.kind, Key: key, Before: stored.Document, After: after})
	return nil
}

// isStored reports whether a value is the one that is stored, perhaps in another
// spelling: an absent list and an empty one are shown alike.
func (r resource[T]) isStored(after []byte, stored config.Item, current config.Value) (bool, error) {
	if current == nil || bytes.Equal(after, stored.Document) {
		return current != nil, nil
	}
	respelled := config.Edit{Kind: r.kind, Key: stored.Key}
	if err := r.fillBy(pend, &respelled, r.show(current), current); err != nil {
		return false, err
	}
	document, err := json.Marshal(respelled.Value)
	return bytes.Equal(after, document), err
}

// checkClaims refuses a document that refers to a secret which is not stored here:
// it was exported elsewhere.
func (r resource[T]) checkClaims(edit *config.Edit, document T) {
	if r.claims == nil {
		return
	}
	kept := r.claims(r.show(edit.Value))
	for _, pointer := range r.claims(document) {
		if !slices.Contains(kept, pointer) {
			edit.Faults.Add(pointer, "is said to be stored, but is not on this gateway: write it here once, or say that there is none")
		}
	}
}

// pruneItems deletes what the document does not name. Host access tables go with
// their listeners, and the destination control "default" is what the others
// inherit from: both stay.
func (p *configPlan) pruneItems(k config.Kind, stored map[string]config.Item, named map[string]bool) {
	if !p.prune || k == config.KindHostAccessTable {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(stored)) {
		if named[key] || isInherited(k, key) {
			continue
		}
		p.edits = append(p.edits, config.Edit{Kind: k, Key: key, IfMatch: stored[key].ETag})
		p.recorded = append(p.recorded, config.RecordedEdit{Kind: k, Key: key, Before: stored[key].Document})
	}
}

// isInherited reports whether other items inherit from the item.
func isInherited(k config.Kind, key string) bool {
	return k == config.KindDestinationControl && key == "default"
}

// faultsAt returns the faults at a pointer and below it, relative to it.
func (p *configPlan) faultsAt(at string) (found domain.Faults) {
	for _, f := range p.faults {
		if rest, ok := strings.CutPrefix(f.Pointer, at); ok && (rest == "" || rest[0] == '/') {
			found = append(found, domain.Fault{Pointer: rest, Message: f.Message})
		}
	}
	return found
}

// takeFaultsAt moves the faults of an item to its edit.
func (p *configPlan) takeFaultsAt(at string) domain.Faults {
	found := p.faultsAt(at)
	if len(found) > 0 {
		p.faults = slices.DeleteFunc(slices.Clone(p.faults), func(f domain.Fault) bool {
			return f.Pointer == at || strings.HasPrefix(f.Pointer, at+"/")
		})
	}
	return found
}
