package main

import (
	"fmt"
	"strings"
)

// text is the record for people, in Markdown.
func (r *record) text() string {
	var b strings.Builder
	m := r.Machine
	fmt.Fprintf(&b, "# Measured %s\n\n", r.When.Format("2006-01-02 15:04 MST"))
	fmt.Fprintf(&b, "Written by `scripts/bench/run.sh`. %s, %d cores, %d MiB; Linux %s; %s; Postfix %s; revision %s; the disk syncs %.0f times a second.\n",
		m.Processor, m.Cores, m.MemoryMiB, m.Kernel, m.Go, m.Postfix, m.Revision, m.Syncs)
	fmt.Fprintf(&b, "Medians of %d runs of %.0f s each, relays in turns. Load and sink share the machine with the relay: rates show that, messages per CPU second do not.\n", r.Repetitions, r.Seconds)
	r.writeScenarios(&b)
	r.writeGrowth(&b)
	r.writeControl(&b)
	r.writeCrash(&b)
	r.writeGoals(&b)
	b.WriteString("\n![throughput and growth](record.svg)\n")
	return b.String()
}

func (r *record) writeScenarios(b *strings.Builder) {
	if len(r.Runs) == 0 {
		return
	}
	b.WriteString("\n| scenario | relay | msg/CPU s | × Postfix tuned | msg/s | reply p50/p99 ms | lag p50/p99 ms | peak MiB |\n|---|---|---:|---:|---:|---:|---:|---:|\n")
	for _, sc := range scenarios {
		if sc.shape != flow {
			continue
		}
		tuned, _ := r.middle(nameOfTuned, sc.id)
		for _, relay := range []string{nameOfPostern, nameOfBase, nameOfTuned, nameOfDefault} {
			if m, ran := r.middle(relay, sc.id); ran {
				fmt.Fprintf(b, "| %s: %s | %s | %.0f | %.2f | %.0f | %.1f / %.1f | %.1f / %.1f | %.0f |\n", sc.id, sc.title, relay,
					m.PerCPU, ratio(m.PerCPU, tuned.PerCPU), m.Rate, m.Reply.P50, m.Reply.P99, m.Lag.P50, m.Lag.P99, m.PeakMiB)
			}
		}
	}
	b.WriteString("\n| relay | idle MiB | KiB for each idle TLS connection | drained in s |\n|---|---:|---:|---:|\n")
	for _, relay := range []string{nameOfPostern, nameOfBase, nameOfTuned, nameOfDefault} {
		e, idled := r.middle(relay, "E")
		f, drained := r.middle(relay, "F")
		if idled || drained {
			fmt.Fprintf(b, "| %s | %s | %s | %s |\n", relay, cell(e.IdleMiB, "%.0f"), cell(e.KiBEach, "%.0f"), cell(f.DrainS, "%.2f"))
		}
	}
	fmt.Fprintf(b, "\nE: %d connections. F: %d messages.\n", r.Idle, r.Queued)
}

// cell leaves a field empty where nothing was measured.
func cell(figure float64, format string) string {
	if figure == 0 {
		return ""
	}
	return fmt.Sprintf(format, figure)
}

func (r *record) writeGrowth(b *strings.Builder) {
	if len(r.Growth) == 0 {
		return
	}
	b.WriteString("\n| what grows | to | filled at 1/s | B: msg/CPU s | of small | B: lag p99 ms | × small | MiB before | edit p50/p99 ms | ready s | first delivery s | drained s | drain msg/s | drain msg/CPU s |\n")
	b.WriteString("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, g := range r.Growth {
		edits := ""
		if g.EditP50 > 0 {
			edits = fmt.Sprintf("%.1f / %.1f", g.EditP50, g.EditP99)
		}
		fmt.Fprintf(b, "| %s | %d | %s | %s | %s | %s | %s | %.0f | %s | %s | %s | %s | %s | %s |\n", g.What, g.Size,
			cell(g.FillRate, "%.0f"), cell(g.PerCPU, "%.0f"), cell(g.OfSmall, "%.2f"), cell(g.LagP99, "%.1f"), cell(g.LagRatio, "%.2f"), g.MiB,
			edits, cell(g.StartS, "%.2f"), cell(g.FirstS, "%.2f"), cell(g.DrainedS, "%.2f"), cell(g.Rate, "%.0f"), cell(g.PerDrain, "%.0f"))
	}
}

func (r *record) writeControl(b *strings.Builder) {
	c := r.Control
	if c == nil {
		return
	}
	fmt.Fprintf(b, "\nThe API while B runs (%.0f msg/s), p50/p99 in ms: one object read %.1f / %.1f; one edit, commit to applied, %.1f / %.1f; a certificate activated until a handshake shows it %.1f / %.1f. %d commits in a row: %.0f a second.\n",
		c.Mail, c.Read.P50, c.Read.P99, c.Edit.P50, c.Edit.P99, c.Activate.P50, c.Activate.P99, c.Commits, c.CommitsRate)
}

func (r *record) writeCrash(b *strings.Builder) {
	c := r.Crash
	if c == nil {
		return
	}
	fmt.Fprintf(b, "\n%d times kill -9 while B ran: of %d acknowledged messages %d were lost, %d altered; %d arrived twice.\n",
		c.Kills, c.Acknowledged, c.Lost, c.Altered, c.Doubled)
}
