package queue

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
)

// recorded is a store of destinations in memory.
type recorded map[mailaddr.DomainName]delivery.DestinationRecord

func (r recorded) DestinationNames(_ context.Context, above mailaddr.DomainName, limit int) (names []mailaddr.DomainName, _ error) {
	for _, name := range slices.Sorted(maps.Keys(r)) {
		if name > above && len(names) < limit {
			names = append(names, name)
		}
	}
	return names, nil
}

func (r recorded) DestinationRecords(_ context.Context, names []mailaddr.DomainName) (map[mailaddr.DomainName]delivery.DestinationRecord, error) {
	found := map[mailaddr.DomainName]delivery.DestinationRecord{}
	for _, name := range names {
		if record, ok := r[name]; ok {
			found[name] = record
		}
	}
	return found, nil
}

// newDestinations has one lane that delivers, one that is suspended, one that
// waits, and two destinations without a lane.
func newDestinations() (*Destinations, time.Time) {
	now := time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)
	q := New(Dependencies{Now: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler)})
	until := now.Add(time.Hour)
	q.scheduler.lane("busy.example").active = 3
	dead := q.scheduler.lane("dead.example")
	dead.failures, dead.until = 2, until
	q.scheduler.lane("waiting.example")
	return NewDestinations(q, recorded{
		"busy.example":    {Queued: 7},
		"dead.example":    {Deferred: 5},
		"past.example":    {},
		"quiet.example":   {Held: 1},
		"waiting.example": {Deferred: 1},
	}), until
}

func TestDestinationsByState(t *testing.T) { // B67
	d, until := newDestinations()
	busy := delivery.DestinationStatus{
		Domain: "busy.example", State: delivery.DestinationActive, Connections: 3,
		DestinationRecord: delivery.DestinationRecord{Queued: 7},
	}
	dead := delivery.DestinationStatus{
		Domain: "dead.example", State: delivery.DestinationSuspended, SuspendedUntil: until,
		DestinationRecord: delivery.DestinationRecord{Deferred: 5},
	}
	idle := func(name mailaddr.DomainName, record delivery.DestinationRecord) delivery.DestinationStatus {
		return delivery.DestinationStatus{Domain: name, State: delivery.DestinationIdle, DestinationRecord: record}
	}
	past := idle("past.example", delivery.DestinationRecord{})
	quiet := idle("quiet.example", delivery.DestinationRecord{Held: 1})
	waiting := idle("waiting.example", delivery.DestinationRecord{Deferred: 1})
	for _, tt := range []struct {
		state delivery.DestinationState
		above mailaddr.DomainName
		limit int
		want  []delivery.DestinationStatus
	}{
		{"", "", 10, []delivery.DestinationStatus{busy, dead, past, quiet, waiting}},
		{"", "dead.example", 2, []delivery.DestinationStatus{past, quiet}},
		{delivery.DestinationActive, "", 10, []delivery.DestinationStatus{busy}},
		{delivery.DestinationActive, "busy.example", 10, []delivery.DestinationStatus{}},
		{delivery.DestinationSuspended, "", 1, []delivery.DestinationStatus{dead}},
		// The store's pages begin with two that are not idle.
		{delivery.DestinationIdle, "", 2, []delivery.DestinationStatus{past, quiet}},
		{delivery.DestinationIdle, "quiet.example", 2, []delivery.DestinationStatus{waiting}},
	} {
		got, err := d.List(t.Context(), tt.state, tt.above, tt.limit)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%q above %q (-want +got):\n%s", tt.state, tt.above, diff)
		}
	}
}

func TestOneDestination(t *testing.T) {
	d, until := newDestinations()
	if got, err := d.Get(t.Context(), "dead.example"); err != nil || got.SuspendedUntil != until || got.Deferred != 5 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := d.Get(t.Context(), "unknown.example"); domain.KindOf(err) != domain.NotFound {
		t.Errorf("an unknown one: %v", err)
	}
}
