package queue

import (
	"context"
	"maps"
	"slices"
	"time"

	"postern/domain"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
)

// DestinationStore counts and remembers what is on disk about destinations.
type DestinationStore interface {
	// DestinationNames returns the destinations that have mail or were seen of
	// late, ascending, above the given one.
	DestinationNames(ctx context.Context, above mailaddr.DomainName, limit int) ([]mailaddr.DomainName, error)
	// DestinationRecords returns what there is about the destinations.
	DestinationRecords(ctx context.Context, names []mailaddr.DomainName) (map[mailaddr.DomainName]delivery.DestinationRecord, error)
}

// Destinations says how destinations fare (B67): what the scheduler does about
// them now, beside what the store counts and remembers.
type Destinations struct {
	scheduler *scheduler
	store     DestinationStore
}

// NewDestinations returns the destinations of a queue.
func NewDestinations(q *Queue, store DestinationStore) *Destinations {
	return &Destinations{scheduler: q.scheduler, store: store}
}

// List returns destinations in the state, or all of them, ascending, above the
// given one.
func (d *Destinations) List(ctx context.Context, state delivery.DestinationState, above mailaddr.DomainName, limit int) ([]delivery.DestinationStatus, error) {
	if state == delivery.DestinationActive || state == delivery.DestinationSuspended {
		// Only destinations with a lane are in these states.
		return d.describe(ctx, d.scheduler.lanesIn(state, above, limit))
	}
	var list []delivery.DestinationStatus
	for {
		names, err := d.store.DestinationNames(ctx, above, limit)
		if err != nil || len(names) == 0 {
			return list, err
		}
		described, err := d.describe(ctx, d.scheduler.lanesOf(names))
		if err != nil {
			return nil, err
		}
		for _, each := range described {
			if len(list) < limit && (state == "" || each.State == state) {
				list = append(list, each)
			}
		}
		if len(list) == limit || len(names) < limit {
			return list, nil
		}
		above = names[len(names)-1]
	}
}

// Get returns one destination; an error of kind NotFound where there is neither
// mail for it nor a memory of it.
func (d *Destinations) Get(ctx context.Context, name mailaddr.DomainName) (delivery.DestinationStatus, error) {
	names := []mailaddr.DomainName{name}
	records, err := d.store.DestinationRecords(ctx, names)
	if err != nil {
		return delivery.DestinationStatus{}, err
	}
	status := d.scheduler.lanesOf(names)[0]
	record, found := records[name]
	if !found && status.State == delivery.DestinationIdle {
		return status, domain.E(domain.NotFound, "there is no mail for %s, and none was sent there of late", name)
	}
	status.DestinationRecord = record
	return status, nil
}

// describe adds what the store knows.
func (d *Destinations) describe(ctx context.Context, list []delivery.DestinationStatus) ([]delivery.DestinationStatus, error) {
	names := make([]mailaddr.DomainName, len(list))
	for i, each := range list {
		names[i] = each.Domain
	}
	records, err := d.store.DestinationRecords(ctx, names)
	for i := range list {
		list[i].DestinationRecord = records[list[i].Domain]
	}
	return list, err
}

// lanesOf returns what is done about the destinations now.
func (s *scheduler) lanesOf(names []mailaddr.DomainName) []delivery.DestinationStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	list := make([]delivery.DestinationStatus, len(names))
	for i, name := range names {
		list[i] = s.lanes[name].status(name, now)
	}
	return list
}

// lanesIn returns the destinations that are in the state now, ascending, above
// the given one.
func (s *scheduler) lanesIn(state delivery.DestinationState, above mailaddr.DomainName, limit int) []delivery.DestinationStatus {
	found := map[mailaddr.DomainName]delivery.DestinationStatus{}
	s.mu.Lock()
	now := s.clock.Now()
	for name, l := range s.lanes {
		if status := l.status(name, now); name > above && status.State == state {
			found[name] = status
		}
	}
	s.mu.Unlock()
	names := slices.Sorted(maps.Keys(found))
	list := make([]delivery.DestinationStatus, 0, min(len(names), limit))
	for _, name := range names[:min(len(names), limit)] {
		list = append(list, found[name])
	}
	return list
}

// status says how the lane fares; a destination without a lane is idle.
func (l *lane) status(name mailaddr.DomainName, now time.Time) delivery.DestinationStatus {
	status := delivery.DestinationStatus{Domain: name, State: delivery.DestinationIdle}
	if l == nil {
		return status
	}
	status.Connections = l.active
	if l.active > 0 {
		status.State = delivery.DestinationActive
	}
	if l.suspended(now) {
		status.State, status.SuspendedUntil = delivery.DestinationSuspended, l.until
	}
	return status
}
