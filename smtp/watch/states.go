package watch

import (
	"context"
	"strconv"
	"time"

	"postern/domain/config"
	"postern/domain/event"
	"postern/domain/eventlog"
	"postern/smtp/reply"
)

// stateInterval is how often states are looked at of which no wake tells.
const stateInterval = time.Second

// States writes an event when a state of the gateway changes: which revision is in
// force, what keeps the newest one from it, and whether the queue can store.
type States struct {
	log    Log
	bus    *event.Bus
	status func() config.Status
	queue  func() error // why the queue cannot store; nil: it can
	now    func() time.Time

	applied int64
	stuck   string // what was told last
	broken  bool
}

// NewStates returns what writes events while it runs.
func NewStates(log Log, bus *event.Bus, status func() config.Status, queue func() error, now func() time.Time) *States {
	return &States{log: log, bus: bus, status: status, queue: queue, now: now}
}

// Run looks until the context ends.
func (s *States) Run(ctx context.Context) {
	wake := s.bus.Subscribe(event.ConfigurationApplied, event.ConfigurationStuck)
	defer wake.Close()
	ticker := time.NewTicker(stateInterval)
	defer ticker.Stop()
	for {
		s.lookAtConfiguration()
		s.lookAtQueue()
		select {
		case <-ctx.Done():
			return
		case <-wake.C():
		case <-ticker.C:
		}
	}
}

func (s *States) lookAtConfiguration() {
	status := s.status()
	if status.Applied > s.applied {
		s.applied = status.Applied
		s.append(eventlog.ConfigurationApplied, revision(status.Applied), map[string]any{"committed": status.Committed})
	}
	problems := make([]map[string]string, 0, len(status.Problems))
	told := ""
	for _, p := range status.Problems {
		detail := reply.Quote(p.Detail, maxErrorOctets)
		problems = append(problems, map[string]string{"part": p.Part, "detail": detail})
		told += p.Part + ": " + detail + "\n"
	}
	if told != "" && told != s.stuck {
		s.append(eventlog.ConfigurationStuck, revision(status.Committed), map[string]any{
			"applied": status.Applied, "problems": problems[:min(len(problems), maxDomains)],
		})
	}
	s.stuck = told
}

func revision(number int64) eventlog.Subject {
	return eventlog.Subject{Kind: "revision", Key: strconv.FormatInt(number, 10)}
}

func (s *States) lookAtQueue() {
	err := s.queue()
	switch {
	case err != nil && !s.broken:
		s.append(eventlog.QueueUnhealthy, eventlog.Subject{Kind: "queue"}, map[string]any{"detail": reply.Quote(err.Error(), maxErrorOctets)})
	case err == nil && s.broken:
		s.append(eventlog.QueueRecovered, eventlog.Subject{Kind: "queue"}, nil)
	}
	s.broken = err != nil
}

func (s *States) append(t eventlog.Type, about eventlog.Subject, data map[string]any) {
	s.log.Append(eventlog.New(t, about, s.now(), data))
}
