package config

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"

	"postern/domain"
	"postern/domain/policy"
)

// Reader reads configuration: that of now, or that of a draft.
type Reader interface {
	Get(ctx context.Context, k Kind, key string) (Item, Value, error)
	List(ctx context.Context, k Kind, after string, limit int) ([]Item, error)
}

var (
	_ Reader = (*Service)(nil)
	_ Reader = (*DraftView)(nil)
)

// PresetName is the name of a change set that comes with the gateway.
type PresetName string

// PresetRecommended switches TLS on in both directions (B10).
const PresetRecommended PresetName = "recommended"

// Preset is a change set that comes with the gateway, fitted to the configuration
// that it was asked about. It is committed like any other change.
type Preset struct {
	Name        PresetName
	Description string
	// Change has the edits, each on the condition that the item is as it was
	// looked at, and a comment.
	Change Change
	// Recorded are those of the edits that would change something.
	Recorded []RecordedEdit
	// Warnings tell what the preset leaves out.
	Warnings domain.Faults
}

// Presets names the presets.
func Presets() []PresetName { return []PresetName{PresetRecommended} }

// FitPreset returns a preset for the configuration; NotFound for another name.
func FitPreset(ctx context.Context, from Reader, name PresetName) (Preset, error) {
	if !slices.Contains(Presets(), name) {
		return Preset{}, domain.E(domain.NotFound, "there is no preset %q", name)
	}
	p := Preset{
		Name:        name,
		Description: "TLS wherever the other side has it, in both directions: the master switch and STARTTLS for sending on, public listeners and the default destination control preferred.",
		Change:      Change{Comment: "preset " + string(name)},
	}
	for _, fit := range []func(context.Context, Reader) error{p.fitSettings, p.fitListeners, p.fitDefaultControl} {
		if err := fit(ctx, from); err != nil {
			return Preset{}, domain.Wrap(err, "fit preset %s", name)
		}
	}
	// B10: reporting is switched on if there is a DKIM key to sign reports with.
	p.Warnings.Add("", "TLS reporting is left as it is: there is no DKIM key to sign reports with")
	return p, nil
}

func (p *Preset) fitSettings(ctx context.Context, from Reader) error {
	item, value, err := from.Get(ctx, KindSettings, SectionTLS)
	if err != nil {
		return err
	}
	s := value.(policy.TLSSettings)
	s.Enabled, s.SendSTARTTLS = true, true
	return p.edit(item, s)
}

func (p *Preset) fitDefaultControl(ctx context.Context, from Reader) error {
	item, value, err := from.Get(ctx, KindDestinationControl, defaultPattern.String())
	if domain.KindOf(err) == domain.NotFound && err != nil {
		item, value, err = Item{Kind: KindDestinationControl, Key: defaultPattern.String()}, seededControl(), nil
	}
	if err != nil {
		return err
	}
	c := value.(policy.DestinationControl)
	if c.TLSLevel != nil && *c.TLSLevel > policy.TLSPreferred {
		return nil // nothing is weakened
	}
	c.TLSLevel = new(policy.TLSPreferred)
	return p.edit(item, c)
}

// listenerPage is how many listeners are read at a time.
const listenerPage = 100

func (p *Preset) fitListeners(ctx context.Context, from Reader) error {
	for after, more := "", true; more; {
		items, err := from.List(ctx, KindListener, after, listenerPage)
		if err != nil {
			return err
		}
		for _, item := range items {
			if err := p.fitListener(item); err != nil {
				return err
			}
			after = item.Key
		}
		more = len(items) == listenerPage
	}
	return nil
}

func (p *Preset) fitListener(item Item) error {
	value, err := Decode(item)
	if err != nil {
		return err
	}
	l := value.(policy.Listener)
	if l.Kind != policy.ListenerPublic || l.Defaults.TLS == policy.ListenerTLSRequired {
		return nil // nothing is weakened
	}
	l.Defaults.TLS = policy.ListenerTLSPreferred
	return p.edit(item, l)
}

// edit adds an edit of an item, unless it changes nothing.
func (p *Preset) edit(item Item, v Value) error {
	document, err := json.Marshal(v)
	if err != nil || bytes.Equal(document, item.Document) {
		return err
	}
	p.Recorded = append(p.Recorded, RecordedEdit{Kind: item.Kind, Key: item.Key, Before: item.Document, After: document})
	p.Change.Edits = append(p.Change.Edits, Edit{
		Kind: item.Kind, Key: item.Key, Value: v, IfMatch: item.ETag, IfNoneMatch: item.Document == nil,
	})
	return nil
}
