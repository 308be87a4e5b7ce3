package reportonly

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// memory is a store that can be told to fail.
type memory struct {
	figures map[Key]Figures
	fail    error
}

func (m *memory) AddReportOnly(_ context.Context, figures map[Key]Figures) error {
	if m.fail != nil {
		return m.fail
	}
	for k, f := range figures {
		known := m.figures[k]
		known.Merge(f)
		m.figures[k] = known
	}
	return nil
}

func (m *memory) ReportOnly(context.Context, Query) (list []Line, _ error) {
	for k, f := range m.figures {
		list = append(list, Line{k, f})
	}
	return list, nil
}

// Figures add up by rule and day; a store that fails loses and doubles nothing.
func TestCounter(t *testing.T) {
	m := &memory{figures: map[Key]Figures{}, fail: errors.New("disk full")}
	now := noon
	c := NewCounter(m, func() time.Time { return now })
	rule := Rule{DestinationControl, "partner.example"}
	c.Refuse(rule, "A", "not offered")
	if _, err := c.List(t.Context(), Query{}); !errors.Is(err, m.fail) {
		t.Fatalf("error %v", err)
	}
	now = noon.Add(time.Hour)
	c.Refuse(rule, "B", "expired")
	c.CannotTell(rule)
	m.fail = nil
	for range 2 {
		if err := c.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	now = noon.Add(24 * time.Hour)
	c.CannotTell(rule)
	if _, err := c.List(t.Context(), Query{}); err != nil {
		t.Fatal(err)
	}
	day := noon.Truncate(24 * time.Hour)
	want := map[Key]Figures{
		{rule, day}: {
			Refused: 2, Untold: 1, FirstAt: noon, LastAt: noon.Add(time.Hour), Example: "B", Detail: "expired",
		},
		{rule, day.Add(24 * time.Hour)}: {Untold: 1},
	}
	if diff := cmp.Diff(want, m.figures); diff != "" {
		t.Errorf("figures (-want +got):\n%s", diff)
	}
	if c.Refused(DestinationControl) != 2 || c.Refused(ContentFilter) != 0 {
		t.Errorf("%d refused", c.Refused(DestinationControl))
	}
}

func TestKinds(t *testing.T) {
	for _, k := range append(Kinds(), "") {
		if got, err := ParseKind(string(k)); got != k || err != nil {
			t.Errorf("%q is read as %q, %v", k, got, err)
		}
	}
	if _, err := ParseKind("route"); domain.KindOf(err) != domain.Invalid {
		t.Errorf("error is %v", err)
	}
}
