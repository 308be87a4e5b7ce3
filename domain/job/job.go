// Package job is long work that nobody waits for: it is begun by a call, goes on
// when the call has ended, and tells on the way how far it has come.
//
// A job is stored before its beginning is announced, so that whoever was told its
// id finds it again. Work itself is not stored: what runs when the process ends is
// interrupted for good, and says so after the restart. Work must therefore be such
// that a part of it does no harm and that it can be begun anew, which configuration
// is by nature: it commits once, at the end, or not at all.
package job

import (
	"encoding/json"
	"errors"
	"slices"
	"time"
	"unicode/utf8"

	"postern/domain"
)

// State is where a job stands.
type State string

// The states.
const (
	Queued      State = "queued"      // waits for its turn
	Running     State = "running"     // is under way
	Succeeded   State = "succeeded"   // has a result
	Failed      State = "failed"      // has a problem
	Cancelled   State = "cancelled"   // somebody asked it to end, and it did
	Interrupted State = "interrupted" // the gateway stopped meanwhile
)

// States are all states.
func States() []State { return []State{Queued, Running, Succeeded, Failed, Cancelled, Interrupted} }

// Over reports whether nothing more will happen.
func (s State) Over() bool { return s != Queued && s != Running }

// Job is a piece of long work, as it stands.
type Job struct {
	ID      string // sorts by age
	Kind    string // what sort of work, as "impact"
	Subject string // id of what the work is about, as of a draft; empty: nothing by itself
	State   State
	Author  string
	Count   Count
	// Steps are what the work told of its way, oldest first; of too many the
	// middle is left out.
	Steps []Step
	// Result is what a job that succeeded came to; nil: nothing to tell. Everyone
	// who may look at jobs sees it.
	Result json.RawMessage
	// Problem is why a job came to nothing.
	Problem *Problem

	CreatedAt             time.Time
	StartedAt, FinishedAt *time.Time
}

// Count says how far a job has come.
type Count struct {
	Done  int64
	Total int64  // 0: not known
	Unit  string // what is counted, as "rows"
}

// Step is something that a job told of its way.
type Step struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// Problem is why a job came to nothing, in the terms of [domain.Error] and
// without the cause, which is for the log.
type Problem struct {
	Kind   domain.Kind   `json:"kind"`
	Detail string        `json:"detail"`
	Faults domain.Faults `json:"faults,omitempty"`
}

// Bounds of what is kept of one job.
const (
	maxSteps      = 100
	maxStepOctets = 500
	maxFaults     = 1000
)

// withStep returns the job with one more step.
func (j Job) withStep(s Step) Job {
	s.Text = shorten(s.Text, maxStepOctets)
	steps := slices.Clone(j.Steps)
	if len(steps) == maxSteps { // how it began, and what it did last
		steps = slices.Delete(steps, maxSteps/2, maxSteps/2+1)
	}
	j.Steps = append(steps, s)
	return j
}

func (j Job) started(now time.Time) Job {
	j.State, j.StartedAt = Running, &now
	return j
}

// ended returns the job as over.
func (j Job) ended(s State, result json.RawMessage, p *Problem, now time.Time) Job {
	j.State, j.Result, j.Problem, j.FinishedAt = s, result, p, &now
	return j
}

// interrupted returns the job as the end of the process leaves it.
func (j Job) interrupted(now time.Time) Job {
	return j.ended(Interrupted, nil, &Problem{
		Kind:   domain.Unavailable,
		Detail: "the gateway stopped before the work was done, and it does not go on: see what it came to, and start it again",
	}, now)
}

// problemOf is the part of an error that callers may see.
func problemOf(err error) *Problem {
	e, ok := errors.AsType[*domain.Error](err)
	if !ok || e.Kind == domain.Internal {
		return &Problem{Detail: "something went wrong in the gateway; its log has the cause under the id of the job"}
	}
	return &Problem{Kind: e.Kind, Detail: e.Detail, Faults: e.Faults[:min(len(e.Faults), maxFaults)]}
}

// shorten cuts text that is longer than the limit, in octets, at the border of a
// character.
func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	cut := limit
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}
