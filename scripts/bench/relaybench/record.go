package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The relays, as the record calls them.
const (
	nameOfPostern = "postern"
	nameOfBase    = "base"
	nameOfTuned   = "postfix-tuned"
	nameOfDefault = "postfix-default"
)

// record is all that a run of the suite found out.
type record struct {
	When        time.Time     `json:"when"`
	Machine     machine       `json:"machine"`
	Seconds     float64       `json:"seconds_of_a_flow"`
	Repetitions int           `json:"repetitions"`
	Queued      int           `json:"queued"`
	Idle        int           `json:"idle"`
	Runs        []measurement `json:"runs"`
	Growth      []growth      `json:"growth"`
	Control     *control      `json:"control,omitempty"`
	Crash       *crashes      `json:"crash,omitempty"`
}

// machine is what figures depend on.
type machine struct {
	Processor string  `json:"processor"`
	Cores     int     `json:"cores"`
	MemoryMiB int     `json:"memory_mib"`
	Kernel    string  `json:"kernel"`
	Go        string  `json:"go"`
	Postfix   string  `json:"postfix"`
	Revision  string  `json:"revision"`
	Syncs     float64 `json:"syncs_a_second"` // of one thread, 4 KiB each
}

func newRecord(ctx context.Context, o options) record {
	return record{
		When: time.Now().UTC().Truncate(time.Second), Seconds: o.duration.Seconds(), Repetitions: o.repetitions,
		Queued: o.queued, Idle: o.idle,
		Machine: machine{
			Processor: fieldOf("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(), MemoryMiB: memoryOfMachine(),
			Kernel: said(ctx, "uname", "-r"), Go: runtime.Version(), Postfix: postfixVersion(ctx),
			Revision: said(ctx, "git", "rev-parse", "--short", "HEAD"), Syncs: syncRate(o.dir),
		},
	}
}

// said returns the output of a command, empty where it failed: the record lacks a
// detail then, and the run goes on.
func said(ctx context.Context, name string, args ...string) string {
	output, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(output))
}

// fieldOf returns the first field of that name in a file of /proc.
func fieldOf(path, name string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(content)) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// memoryOfMachine returns what the machine has in MiB.
func memoryOfMachine() int {
	total, _ := strconv.Atoi(strings.TrimSuffix(fieldOf("/proc/meminfo", "MemTotal"), " kB")) // 0: unknown
	return total / kib
}

// syncRate measures what the disk below the directory allows one thread.
func syncRate(dir string) float64 {
	file, err := os.CreateTemp(dir, "sync")
	if err != nil {
		return 0
	}
	defer func() { _ = os.Remove(file.Name()) }()
	defer file.Close()
	page := make([]byte, 4*kib)
	begun, count := time.Now(), 0
	for ; time.Since(begun) < time.Second; count++ {
		if _, err := file.Write(page); err != nil {
			return 0
		}
		if err := file.Sync(); err != nil {
			return 0
		}
	}
	return float64(count) / time.Since(begun).Seconds()
}

// of returns the runs of one relay in one scenario.
func (r *record) of(relay, scenario string) []measurement {
	return slices.Collect(func(yield func(measurement) bool) {
		for _, m := range r.Runs {
			if m.Relay == relay && m.Scenario == scenario && !yield(m) {
				return
			}
		}
	})
}

// middle returns the medians of one relay in one scenario; false: it did not run.
func (r *record) middle(relay, scenario string) (measurement, bool) {
	runs := r.of(relay, scenario)
	figure := func(get func(measurement) float64) float64 { return median(runs, get) }
	return measurement{
		Relay: relay, Scenario: scenario,
		audit: audit{
			Reply: latency{P50: figure(func(m measurement) float64 { return m.Reply.P50 }), P99: figure(func(m measurement) float64 { return m.Reply.P99 })},
			Lag:   latency{P50: figure(func(m measurement) float64 { return m.Lag.P50 }), P99: figure(func(m measurement) float64 { return m.Lag.P99 })},
		},
		Rate: figure(func(m measurement) float64 { return m.Rate }), PerCPU: figure(func(m measurement) float64 { return m.PerCPU }),
		PeakMiB: figure(func(m measurement) float64 { return m.PeakMiB }), IdleMiB: figure(func(m measurement) float64 { return m.IdleMiB }),
		KiBEach: figure(func(m measurement) float64 { return m.KiBEach }), DrainS: figure(func(m measurement) float64 { return m.DrainS }),
	}, len(runs) > 0
}

// save writes the record as JSON, as text and as a picture.
func (r *record) save(dir string) error {
	content, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	for name, content := range map[string]string{"record.json": string(content) + "\n", "RECORD.md": r.text(), "record.svg": r.picture()} {
		if err := writeFile(filepath.Join(dir, name), content); err != nil {
			return err
		}
	}
	return nil
}
