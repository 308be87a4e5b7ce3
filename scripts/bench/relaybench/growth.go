package main

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"net/http"
	"time"
)

// bulkRows is how many rows one write of a table may have.
const bulkRows = 200_000

// growth is how a gateway fares at one size, beside a small one in the same run.
type growth struct {
	What string `json:"what"`
	Size int    `json:"size"`

	PerCPU   float64 `json:"per_cpu"`    // scenario B
	OfSmall  float64 `json:"of_small"`   // PerCPU, to that of the small one
	ReplyP99 float64 `json:"reply_p99"`  // milliseconds
	LagP99   float64 `json:"lag_p99"`    // milliseconds
	LagRatio float64 `json:"lag_ratio"`  // to that of the small one
	MiB      float64 `json:"mib"`        // after the growth, before the mail
	FillS    float64 `json:"fill_s"`     // how long the growth took
	FillRate float64 `json:"fill_rate"`  // rows or messages a second of it
	EditP50  float64 `json:"edit_p50"`   // one edit, commit to applied, milliseconds
	EditP99  float64 `json:"edit_p99"`   // milliseconds
	StartS   float64 `json:"start_s"`    // from the start of the process until ready
	FirstS   float64 `json:"first_s"`    // from the start until the first delivery
	DrainedS float64 `json:"drained_s"`  // drain alone
	Rate     float64 `json:"drain_rate"` // messages a second of it
	PerDrain float64 `json:"drain_cpu"`  // messages per CPU second of it
}

// growControls compares a gateway with few destination controls with one that has
// many.
func (s *suite) growControls(ctx context.Context) error {
	return s.grow(ctx, "controls", s.controls, func(p *postern, have, want int) error {
		for have < want {
			rows := min(bulkRows, want-have)
			if err := writeControls(ctx, p, have, rows); err != nil {
				return err
			}
			have += rows
		}
		return nil
	})
}

// writeControls adds rows of a table in one write.
func writeControls(ctx context.Context, p *postern, from, rows int) error {
	var table bytes.Buffer
	for i := range rows {
		fmt.Fprintf(&table, "{\"pattern\":\"c%07d.example\",\"tls_level\":\"preferred\",\"max_connections\":20}\n", from+i)
	}
	_, err := p.api.call(ctx, http.MethodPost, "/api/v1/destination-controls?wait=60s", "application/x-ndjson", table.String())
	return err
}

// growQueue compares a gateway with a short queue with one that has a long one, all
// for one destination that is dead.
func (s *suite) growQueue(ctx context.Context) error {
	sc, err := scenarioOf("C")
	if err != nil {
		return err
	}
	return s.grow(ctx, "queue", s.waiting, func(p *postern, have, want int) error {
		l := sc.mail(p.address())
		l.domain, l.messages = deadDomain, want-have
		filled, _ := s.meter.accept(ctx, p, l)
		if filled.Acknowledged != want-have {
			return fmt.Errorf("%d of %d messages were accepted: %s", filled.Acknowledged, want-have, filled.FirstError)
		}
		return nil
	})
}

// grow lets one gateway grow from size to size, and measures mail through it in
// turns with mail through one that stays at the first size.
func (s *suite) grow(ctx context.Context, what string, sizes []int, fill func(p *postern, have, want int) error) error {
	small, err := s.postern(ctx, what+"-small", s.binary)
	if err != nil {
		return err
	}
	defer func() { s.fail(small.stop()) }()
	large, err := s.postern(ctx, what+"-large", s.binary)
	if err != nil {
		return err
	}
	defer func() { s.fail(large.stop()) }()
	if err := fill(small, 0, sizes[0]); err != nil {
		return err
	}
	have := 0
	for _, size := range sizes {
		begun := time.Now()
		if err := fill(large, have, size); err != nil {
			return err
		}
		g := growth{What: what, Size: size, FillS: time.Since(begun).Seconds()}
		g.FillRate = ratio(float64(size-have), g.FillS)
		have = size
		if err := s.at(ctx, &g, small, large); err != nil {
			return err
		}
		s.record.Growth = append(s.record.Growth, g)
		log.Printf("%s %d: filled at %.0f/s, %.0f msg/CPU s (%.2f of small), lag p99 %.1f ms (%.2f), %.0f MiB, edit %.1f/%.1f ms, ready in %.2f s, first delivery in %.2f s",
			what, size, g.FillRate, g.PerCPU, g.OfSmall, g.LagP99, g.LagRatio, g.MiB, g.EditP50, g.EditP99, g.StartS, g.FirstS)
	}
	return nil
}

// at measures the large gateway at its size.
func (s *suite) at(ctx context.Context, g *growth, small, large *postern) error {
	if err := s.restart(ctx, g, large); err != nil {
		return err
	}
	edits, err := timeEdits(ctx, large, s.edits)
	if err != nil {
		return err
	}
	g.EditP50, g.EditP99 = edits.P50, edits.P99
	g.MiB = large.processes().memory()
	few, many, err := s.pair(ctx, small, large)
	if err != nil {
		return err
	}
	perCPU := func(m measurement) float64 { return m.PerCPU }
	lag := func(m measurement) float64 { return m.Lag.P99 }
	g.PerCPU, g.LagP99 = median(many, perCPU), median(many, lag)
	g.ReplyP99 = median(many, func(m measurement) float64 { return m.Reply.P99 })
	g.OfSmall, g.LagRatio = ratio(g.PerCPU, median(few, perCPU)), ratio(g.LagP99, median(few, lag))
	return nil
}

// pair runs scenario B through both in turns.
func (s *suite) pair(ctx context.Context, small, large *postern) (few, many []measurement, err error) {
	sc, err := scenarioOf("B")
	if err != nil {
		return nil, nil, err
	}
	for repetition := range s.repetitions {
		for _, p := range inTurns([]*postern{small, large}, repetition) {
			l := sc.mail(p.address())
			l.duration = s.duration
			result := s.meter.flow(ctx, p, l)
			result.Scenario = "B"
			s.fail(result.faults())
			if p == small {
				few = append(few, result)
			} else {
				many = append(many, result)
			}
		}
	}
	return few, many, nil
}

// restart measures how soon a gateway with all that is ready, and delivers.
func (s *suite) restart(ctx context.Context, g *growth, p *postern) error {
	if err := p.stop(); err != nil {
		return err
	}
	begun := time.Now()
	if err := p.start(ctx); err != nil {
		return err
	}
	g.StartS = time.Since(begun).Seconds()
	sc, err := scenarioOf("C")
	if err != nil {
		return err
	}
	l := sc.mail(p.address())
	l.connections, l.messages = 1, 1
	first := s.meter.flow(ctx, p, l)
	s.fail(first.faults())
	g.FirstS = g.StartS + first.Seconds
	return nil
}

// growDrain measures how fast queues of different lengths are delivered.
func (s *suite) growDrain(ctx context.Context) error {
	sc, err := scenarioOf("F")
	if err != nil {
		return err
	}
	p, err := s.postern(ctx, "drain", s.binary)
	if err != nil {
		return err
	}
	defer func() { s.fail(p.stop()) }()
	for _, size := range s.waiting {
		l := sc.mail(p.address())
		l.messages = size
		drained, err := s.meter.drain(ctx, p, l)
		if err != nil {
			return err
		}
		drained.Scenario = "drain"
		s.fail(drained.faults())
		g := growth{What: "drain", Size: size, DrainedS: drained.DrainS, Rate: drained.Rate, PerDrain: drained.PerCPU, MiB: drained.PeakMiB}
		s.record.Growth = append(s.record.Growth, g)
		log.Printf("drain %d: %.2f s, %.0f msg/s, %.0f msg/CPU s, %.0f MiB", size, g.DrainedS, g.Rate, g.PerDrain, g.MiB)
	}
	return nil
}
