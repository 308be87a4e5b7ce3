package main

import (
	"fmt"
	"strings"
)

// goal is a figure that is wanted, and the one that was measured.
type goal struct {
	what           string
	measured, want float64
	atMost         bool // else at least
}

func (g goal) met() bool {
	if g.atMost {
		return g.measured <= g.want
	}
	return g.measured >= g.want
}

// goals lists the goals about which the record says something.
func (r *record) goals() []goal {
	var goals []goal
	atLeast := func(what string, measured, want float64) { goals = append(goals, goal{what, measured, want, false}) }
	atMost := func(what string, measured, want float64) { goals = append(goals, goal{what, measured, want, true}) }

	for _, each := range []struct {
		id                                         string
		perCPU, ofTuned                            float64
		replyP50, replyP99, lagP50, lagP99, memory float64 // 0: no goal
	}{
		{"A", 1000, 2.8, 8, 25, 20, 100, 0},
		{"B", 4000, 5, 6, 20, 20, 200, 64},
		{"C", 4400, 5, 0, 0, 0, 0, 0},
		{"D", 150, 1.8, 0, 0, 0, 0, 96},
	} {
		m, ran := r.middle(nameOfPostern, each.id)
		if !ran {
			continue
		}
		atLeast(each.id+": msg/CPU s", m.PerCPU, each.perCPU)
		if tuned, ran := r.middle(nameOfTuned, each.id); ran {
			atLeast(each.id+": × Postfix tuned", ratio(m.PerCPU, tuned.PerCPU), each.ofTuned)
		}
		if each.replyP50 > 0 {
			atMost(each.id+": reply p50 ms", m.Reply.P50, each.replyP50)
			atMost(each.id+": reply p99 ms", m.Reply.P99, each.replyP99)
			atMost(each.id+": lag p50 ms", m.Lag.P50, each.lagP50)
			atMost(each.id+": lag p99 ms", m.Lag.P99, each.lagP99)
		}
		if each.memory > 0 {
			atMost(each.id+": peak MiB", m.PeakMiB, each.memory)
		}
	}
	if m, ran := r.middle(nameOfPostern, "E"); ran {
		atMost("E: idle MiB", m.IdleMiB, 30)
		atMost("E: KiB for each connection", m.KiBEach, 45)
	}
	if m, ran := r.middle(nameOfPostern, "F"); ran && r.Queued == 10_000 {
		atMost("F: drained in s", m.DrainS, 3)
	}
	goals = append(goals, r.growthGoals()...)
	return append(goals, r.controlGoals()...)
}

func (r *record) growthGoals() (goals []goal) {
	var smallDrain float64
	for _, g := range r.Growth {
		name := fmt.Sprintf("%s %d: ", g.What, g.Size)
		large := g.Size > 100_000
		switch g.What {
		case "controls":
			goals = append(goals,
				goal{name + "msg/CPU s of small", g.OfSmall, pick(large, 0.90, 0.97), false},
				goal{name + "edit p99 ms", g.EditP99, 50, true},
				goal{name + "ready s", g.StartS, 5, true})
			if g.Size == 1000 {
				goals = append(goals, goal{name + "edit p50 ms", g.EditP50, 10, true})
			}
		case "queue":
			goals = append(goals,
				goal{name + "msg/CPU s of small", g.OfSmall, pick(large, 0.85, 0.95), false},
				goal{name + "lag p99 of small", g.LagRatio, 1.2, true},
				goal{name + "MiB", g.MiB, 256, true},
				goal{name + "ready s", g.StartS, 2, true},
				goal{name + "first delivery s", g.FirstS, 5, true})
		case "drain":
			if smallDrain == 0 {
				smallDrain = g.Rate
				continue
			}
			goals = append(goals, goal{name + "msg/s of small", ratio(g.Rate, smallDrain), pick(large, 0.80, 0.90), false})
		}
	}
	return goals
}

func pick(large bool, ofLarge, otherwise float64) float64 {
	if large {
		return ofLarge
	}
	return otherwise
}

func (r *record) controlGoals() []goal {
	c := r.Control
	if c == nil {
		return nil
	}
	return []goal{
		{"API: read p99 ms", c.Read.P99, 25, true},
		{"API: edit p50 ms", c.Edit.P50, 10, true},
		{"API: edit p99 ms", c.Edit.P99, 50, true},
		{"API: activation p99 ms", c.Activate.P99, 50, true},
		{"API: commits a second", c.CommitsRate, 100, false},
	}
}

func (r *record) writeGoals(b *strings.Builder) {
	goals := r.goals()
	if len(goals) == 0 {
		return
	}
	b.WriteString("\n| goal | wanted | measured | met |\n|---|---:|---:|---|\n")
	for _, g := range goals {
		sign, met := "≥", "no"
		if g.atMost {
			sign = "≤"
		}
		if g.met() {
			met = "yes"
		}
		fmt.Fprintf(b, "| %s | %s %g | %.4g | %s |\n", g.what, sign, g.want, g.measured, met)
	}
}
