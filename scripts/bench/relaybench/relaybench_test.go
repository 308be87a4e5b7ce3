package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// direct is a target that is the sink itself: load and sink are all there is.
type direct struct{ sink *sink }

func (d direct) name() string                { return "direct" }
func (d direct) address() string             { return d.sink.address }
func (d direct) processes() tree             { return tree{os.Getpid()} }
func (d direct) flush(context.Context) error { return nil }

func newMeter(t *testing.T) *meter {
	t.Helper()
	keys, err := makeKeys(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	config, err := keys.serverTLS()
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSink(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.down)
	return &meter{sink: s}
}

func TestEveryMessageIsAccountedFor(t *testing.T) {
	m := newMeter(t)
	for _, id := range []string{"A", "B", "C", "D"} {
		sc, err := scenarioOf(id)
		if err != nil {
			t.Fatal(err)
		}
		l := sc.mail(m.sink.address)
		l.messages = 60
		got := m.flow(t.Context(), direct{m.sink}, l)
		if err := got.faults(); err != nil {
			t.Error(err)
		}
		if got.Acknowledged != 60 || got.Arrived != 60 || got.Rate == 0 || got.Reply.P50 == 0 {
			t.Errorf("%s: %+v", id, got)
		}
	}
}

func TestClearScenariosHaveNoTLS(t *testing.T) {
	m := newMeter(t)
	m.begin(load{size: 10}, 1)
	if _, err := dialRelay(t.Context(), m.sink.address, true); err == nil || !strings.Contains(err.Error(), "STARTTLS") {
		t.Errorf("error %v", err)
	}
}

func TestLedgerFindsWhatIsWrong(t *testing.T) {
	book := newLedger("r1", 5)
	for seq := range 5 {
		book.beginning(seq)
		book.acknowledge(seq)
	}
	book.arrive("r1", 0, true)
	book.arrive("r1", 1, true)
	book.arrive("r1", 1, true)  // twice
	book.arrive("r1", 2, false) // altered
	book.arrive("r0", 3, true)  // of another run
	book.arrive("r1", 9, true)  // of none
	got := book.audit()
	if got.Acknowledged != 5 || got.Arrived != 3 || got.Lost != 2 || got.Doubled != 1 || got.Altered != 1 {
		t.Errorf("%+v", got)
	}
	if strangers := book.strangers.Load(); strangers != 2 {
		t.Errorf("%d strangers", strangers)
	}
	if (measurement{audit: got}).faults() == nil {
		t.Error("a run with losses passes")
	}
}

func TestAlteredBodyIsNoticed(t *testing.T) {
	m := newMeter(t)
	l := load{address: m.sink.address, connections: 1, perConnection: 10, size: 500, domains: 1, messages: 1}
	book, text := m.begin(l, 1)
	text.stuffed[len(text.stuffed)-3] ^= 1
	if err := l.send(t.Context(), book, text); err != nil {
		t.Fatal(err)
	}
	if got := book.audit(); got.Altered != 1 {
		t.Errorf("%+v", got)
	}
}

func TestIdentity(t *testing.T) {
	for value, want := range map[string]int{"r1.0": 0, " r1.17 \r\n": 17, "": -1, "r1": -1, "r1.": -1, "r1.-4": -1, "r1.x": -1} {
		if _, got := parseIdentity(value); got != want {
			t.Errorf("%q: %d, want %d", value, got, want)
		}
	}
}

func TestFigures(t *testing.T) {
	times := make([]time.Duration, 101)
	for i := range times {
		times[100-i] = time.Duration(i) * time.Millisecond
	}
	if got, want := latencyOf(times), (latency{50, 99, 100}); got != want {
		t.Errorf("%+v", got)
	}
	same := func(f float64) float64 { return f }
	if got := median([]float64{9, 1, 5}, same); got != 5 {
		t.Errorf("median %v", got)
	}
	if got := median(nil, same); got != 0 {
		t.Errorf("median of nothing %v", got)
	}
	if ratio(1, 0) != 0 {
		t.Error("a ratio to nothing")
	}
}

func TestCommandLine(t *testing.T) {
	fresh := func() string { return filepath.Join(t.TempDir(), "relays") }
	for _, line := range []string{"", "-postern x", "-postern x -dir D -controls 5,5", "-postern x -dir D -queue", "-postern x -dir D -queue ,", "-postern x -dir D -controls 0"} {
		if _, err := parse(strings.Fields(strings.ReplaceAll(line, "D", fresh()))); err == nil {
			t.Errorf("%q is taken", line)
		}
	}
	o, err := parse([]string{"-postern", "x", "-dir", fresh(), "-scenarios", "A,C", "-extras", "", "-queue", "10,20"})
	if err != nil || len(o.scenarios) != 2 || len(o.extras) != 0 || len(o.waiting) != 2 {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestRecordSaysWhatWasMeasured(t *testing.T) {
	r := record{Repetitions: 1, Queued: 10, Runs: []measurement{
		{Relay: nameOfPostern, Scenario: "B", PerCPU: 4100, PeakMiB: 50}, {Relay: nameOfTuned, Scenario: "B", PerCPU: 400},
	}, Growth: []growth{
		{What: "drain", Size: 1000, Rate: 1000},
		{What: "drain", Size: 100_000, Rate: 500},
		{What: "controls", Size: 1000, OfSmall: 1},
		{What: "controls", Size: 100_000, OfSmall: 0.98},
	}, Control: &control{CommitsRate: 50}, Crash: &crashes{Kills: 3}}
	dir := t.TempDir()
	if err := r.save(dir); err != nil {
		t.Fatal(err)
	}
	for name, wants := range map[string][]string{
		"RECORD.md": {
			"| postern | 4100 | 10.25 |", "| B: msg/CPU s | ≥ 4000 | 4100 | yes |",
			"| drain 100000: msg/s of small | ≥ 0.9 | 0.5 | no |", "| API: commits a second | ≥ 100 | 50 | no |", "3 times kill -9",
		},
		"record.json": {`"per_cpu": 4100`},
		"record.svg":  {"<svg", ">4100</text>", "<polyline", "</svg>"},
	} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(string(content), want) {
				t.Errorf("%s lacks %q:\n%s", name, want, content)
			}
		}
	}
}
