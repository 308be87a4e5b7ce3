package whatif

import (
	"cmp"
	"context"
	"crypto/x509"
	"slices"
	"time"

	"postern/domain"
	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/policy"
	"postern/domain/session"
	"postern/domain/tlsreport"
)

// History is what was recorded. Each method calls yield for what ended from a
// time on, in any order, until yield returns false; what is yielded is valid
// during the call only.
type History interface {
	// Recorded counts what the others will yield, roughly.
	Recorded(ctx context.Context, since time.Time) (int, error)
	EachSession(ctx context.Context, since time.Time, yield func(*session.Record) bool) error
	EachAttempt(ctx context.Context, since time.Time, yield func(*delivery.RecordedAttempt) bool) error
}

// Report says what a change would have done.
type Report struct {
	Since, Until       time.Time
	Incoming, Outgoing Side
}

// Replay judges history under two configurations. What expires by itself counts
// as it stands now.
type Replay struct {
	before, after judges
	now           time.Time
	in, out       *tally
}

// judges are those of one configuration.
type judges struct {
	incoming incoming
	outgoing outgoing
}

// NewReplay returns a replay that has judged nothing yet.
func NewReplay(before, after *config.Snapshot, now time.Time) *Replay {
	servers := sameAnchors(before, after, policy.TrustAuthority) && sameAnchors(before, after, policy.TrustPinned)
	clients := sameAnchors(before, after, policy.TrustClients)
	judgesOf := func(s *config.Snapshot, servers, clients bool) judges {
		return judges{
			incoming: incoming{snapshot: s, trusted: clients, seen: before, now: now},
			outgoing: outgoing{snapshot: s, trusted: servers, now: now},
		}
	}
	return &Replay{
		before: judgesOf(before, true, true), after: judgesOf(after, servers, clients),
		now: now, in: newTally(), out: newTally(),
	}
}

// sameAnchors reports whether both configurations trust the same certificates.
func sameAnchors(a, b *config.Snapshot, usage policy.TrustUsage) bool {
	raw := func(list []*x509.Certificate) (all [][]byte) {
		for _, c := range list {
			all = append(all, c.Raw)
		}
		slices.SortFunc(all, slices.Compare)
		return all
	}
	return slices.EqualFunc(raw(a.TrustAnchors(usage)), raw(b.TrustAnchors(usage)), slices.Equal)
}

// Session judges a session. One in which nothing was asked of us says nothing.
func (r *Replay) Session(s *session.Record) {
	if s.Outcome() == session.Idle {
		r.in.side.Ignored++
		return
	}
	before, after := r.before.incoming.judge(s), r.after.incoming.judge(s)
	// B18: for whom mail was relayed is not recorded with the session.
	if before.action == policy.ActionRelay && after.action == policy.ActionAccept && after.class.Handed() {
		after.class = Unknown
	}
	name := tlsreport.ClientDomain(s.Client)
	if len(s.Names) > 0 {
		name = s.Names[0].String()
	}
	r.in.add(unit{subject: name, id: s.ID.String(), at: s.At}, before, after)
}

// Attempt judges an attempt.
func (r *Replay) Attempt(a *delivery.RecordedAttempt) {
	before, after := r.before.outgoing.judge(&a.Attempt), r.after.outgoing.judge(&a.Attempt)
	subject := cmp.Or(a.Decision.Domain.String(), a.Host)
	r.out.add(unit{subject: subject, id: a.Message.String(), at: a.At}, before, after)
}

// Report returns what the replay has found.
func (r *Replay) Report() Report {
	return Report{Until: r.now, Incoming: r.in.result(), Outgoing: r.out.result()}
}

// progressStep is how many units are judged between two words of progress.
const progressStep = 500

// Run replays what was recorded since a time. progress is told now and then, and
// at the end, how many units are done of how many.
func Run(ctx context.Context, h History, before, after *config.Snapshot, since, now time.Time, progress func(done, total int)) (Report, error) {
	total, err := h.Recorded(ctx, since)
	if err != nil {
		return Report{}, domain.Wrap(err, "count the history")
	}
	r, done := NewReplay(before, after, now), 0
	step := func() bool {
		done++
		if done%progressStep == 0 {
			progress(done, max(total, done))
		}
		return ctx.Err() == nil
	}
	err = h.EachSession(ctx, since, func(s *session.Record) bool { r.Session(s); return step() })
	if err == nil {
		err = h.EachAttempt(ctx, since, func(a *delivery.RecordedAttempt) bool { r.Attempt(a); return step() })
	}
	if err = cmp.Or(err, ctx.Err()); err != nil {
		return Report{}, domain.Wrap(err, "replay the history")
	}
	progress(done, max(total, done))
	report := r.Report()
	report.Since = since
	return report, nil
}
