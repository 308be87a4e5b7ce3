package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// demoArguments is the environment variable by which the test runs itself again
// as the command.
const demoArguments = "POSTERN_TEST_DEMO"

// TestDemo runs the command in a process of its own, as its user does: the
// system's roots are read once per process, and other tests read them too.
func TestDemo(t *testing.T) {
	if arguments := os.Getenv(demoArguments); arguments != "" {
		os.Exit(run(t.Context(), strings.Fields(arguments)))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestDemo$")
	command.Env = append(os.Environ(), demoArguments+"=demo --json", "TMPDIR="+t.TempDir())
	var out, log bytes.Buffer
	command.Stdout, command.Stderr = &out, &log
	if err := command.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, out.String(), log.String())
	}
	var rows []row
	if err := json.Unmarshal(out.Bytes(), &rows); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if want := len(scenario()); len(rows) != want {
		t.Errorf("%d rows, want %d", len(rows), want)
	}
	for _, r := range rows {
		if !r.OK {
			t.Errorf("row %d: expected %s, got %s: %s", r.Number, r.Expected, r.Got, r.Detail)
		}
	}
}

func TestRowJudge(t *testing.T) {
	tests := map[string]struct {
		row    row
		err    error
		ok     bool
		detail string
	}{
		"as expected":    {row: row{Level: "required", Expected: "deferred 4.7.4", Got: "deferred 4.7.4", Detail: "450 4.7.4 no TLS"}, ok: true, detail: "450 4.7.4 no TLS"},
		"other outcome":  {row: row{Level: "required", Expected: "deferred 4.7.4", Got: "delivered in clear", Detail: "250 2.0.0 ok"}, detail: "250 2.0.0 ok"},
		"other level":    {row: row{Level: "preferred", Expected: "deferred 4.7.4", Got: "deferred 4.7.4"}, detail: `the level is "preferred", not "required"`},
		"step failed":    {row: row{Level: "required", Expected: "deferred 4.7.4", Got: "deferred 4.7.4", Detail: "said"}, err: context.Canceled, detail: "said; context canceled"},
		"nothing at all": {row: row{Level: "required", Expected: "deferred 4.7.4"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := test.row
			r.judge("required", test.err)
			if r.OK != test.ok || r.Detail != test.detail || r.Got == "" {
				t.Errorf("got %+v", r)
			}
		})
	}
}

// TestWriteTable shows that a row which went wrong says why.
func TestWriteTable(t *testing.T) {
	rows := []row{
		{Number: 1, Message: "first", Expected: "delivered in clear", Got: "delivered in clear", Detail: "quiet", OK: true},
		{Number: 2, Message: "second", Expected: "deferred 4.7.4", Got: "bounced 5.7.4", Detail: "the words of the gateway"},
	}
	var out strings.Builder
	if err := writeTable(&out, rows); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"first", "second", "✓ delivered in clear", "✗ bounced 5.7.4", "2: the words of the gateway", "1 of 2 as expected."} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "quiet") {
		t.Errorf("a row that came out well explains itself:\n%s", out.String())
	}
}
