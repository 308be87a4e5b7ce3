package whatif

import (
	"cmp"
	"slices"
	"time"
)

// Bounds of a report.
const (
	maxSubjects = 200_000 // that are told apart, in each direction
	maxListed   = 50      // of each change
)

// Side is what a change does to one direction of mail.
type Side struct {
	// Judged counts what was replayed; Ignored what had nothing to judge.
	Judged, Ignored int
	// Unchanged end as before. CannotBeTold are those of which one end is not
	// known, unless the configuration asks the same of them.
	Unchanged, CannotBeTold int
	// Changes, the worst first.
	Changes []Change
}

// Change is what ends in another class.
type Change struct {
	Transition
	Count int
	// Subjects are the destinations, or clients, with the most; Others is how
	// many there are beside them, of those that were told apart.
	Subjects []Subject
	Others   int
}

// Subject is a recipient domain, or a client, whose mail ends otherwise.
type Subject struct {
	Name  string
	Count int
	// LastAt and Example are of the newest of them: the id of the session, or of
	// the message.
	LastAt  time.Time
	Example string
	// Because is the rule that decides after the change.
	Because string
}

// tally counts one side.
type tally struct {
	side    Side
	changes map[Transition]*counted
	room    int
}

// counted is a change with its subjects by name.
type counted struct {
	count    int
	subjects map[string]*Subject
}

func newTally() *tally { return &tally{changes: map[Transition]*counted{}, room: maxSubjects} }

// unit is one session or attempt.
type unit struct {
	subject, id string
	at          time.Time
}

// add counts a unit with what becomes of it before and after.
func (t *tally) add(u unit, before, after judgement) {
	t.side.Judged++
	if before.key != "" && before.key == after.key || before.class == after.class && before.class != Unknown {
		t.side.Unchanged++
		return
	}
	if before.class == Unknown || after.class == Unknown {
		t.side.CannotBeTold++
	}
	step := Transition{before.class, after.class}
	c := t.changes[step]
	if c == nil {
		c = &counted{subjects: map[string]*Subject{}}
		t.changes[step] = c
	}
	c.count++
	if s := t.subject(c, u.subject); s != nil {
		s.Count++
		if !u.at.Before(s.LastAt) {
			s.LastAt, s.Example, s.Because = u.at, u.id, after.because
		}
	}
}

// subject returns the subject of the name, nil where there is no more room.
func (t *tally) subject(c *counted, name string) *Subject {
	if s := c.subjects[name]; s != nil {
		return s
	}
	if t.room == 0 {
		return nil
	}
	t.room--
	s := &Subject{Name: name}
	c.subjects[name] = s
	return s
}

// result returns the side with its changes in order.
func (t *tally) result() Side {
	for step, c := range t.changes {
		change := Change{Transition: step, Count: c.count, Others: max(len(c.subjects)-maxListed, 0)}
		for _, s := range c.subjects {
			change.Subjects = append(change.Subjects, *s)
		}
		slices.SortFunc(change.Subjects, func(a, b Subject) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name))
		})
		change.Subjects = change.Subjects[:min(len(change.Subjects), maxListed)]
		t.side.Changes = append(t.side.Changes, change)
	}
	slices.SortFunc(t.side.Changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.gravity(), b.gravity()), cmp.Compare(b.Count, a.Count),
			cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
	return t.side
}
