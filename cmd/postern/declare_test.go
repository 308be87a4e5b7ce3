package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// write makes a file with the text.
func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// exported returns the configuration without the line of the revision,
// which two gateways do not share.
func (g *gateway) exported() string {
	g.t.Helper()
	out, code := g.command("export")
	if code != 0 {
		g.t.Fatal(out)
	}
	lines := strings.SplitAfter(out, "\n")
	kept := lines[:0]
	for _, line := range lines {
		if !strings.HasPrefix(line, `  "revision":`) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

func TestConfigurationMovesToAnotherGateway(t *testing.T) {
	from, to := newGateway(t, t.TempDir()), newGateway(t, t.TempDir())
	from.must("PUT", "/destination-controls/partner.example", `{"tls_level":"required_verify"}`)
	from.must("PUT", "/routes/.internal.example", `{"next_hops":[{"host":"192.0.2.7"}]}`)
	from.must("PUT", "/mail-flow-policies/PARTNERS", `{"action":"accept","tls":"required"}`)
	from.must("PATCH", "/settings/tls", `{"enabled":true}`)
	to.must("PUT", "/domains/old.example", `{}`)

	for _, name := range []string{"postern.yaml", "postern.json"} {
		file := filepath.Join(t.TempDir(), name)
		if out, code := from.command("export", "-o", file); code != 0 {
			t.Fatal(out)
		}
		if out, code := from.command("diff", "-f", file, "--prune"); code != 0 || out != "no difference\n" {
			t.Errorf("%s: a gateway differs from what it wrote: %d %s", name, code, out)
		}
	}
	file := filepath.Join(t.TempDir(), "postern.yml")
	if out, code := from.command("export", "-o", file); code != 0 {
		t.Fatal(out)
	}
	out, code := to.command("diff", "-f", file, "--prune")
	if code != 2 || !strings.Contains(out, "+ route .internal.example") || !strings.Contains(out, "- domain old.example") {
		t.Errorf("diff: exit code %d\n%s", code, out)
	}
	if out, code := to.command("apply", "-f", file, "--dry-run"); code != 0 || strings.Contains(out, "old.example") || strings.Contains(out, "revision") {
		t.Errorf("dry run: exit code %d\n%s", code, out)
	}
	before := to.config.Status().Committed
	if out, code := to.command("apply", "-f", file, "--prune", "--comment", "from git"); code != 0 || !strings.Contains(out, "revision ") {
		t.Fatalf("apply: exit code %d\n%s", code, out)
	}
	if diff := cmp.Diff(from.exported(), to.exported()); diff != "" {
		t.Errorf("the first gateway (-) and the second (+):\n%s", diff)
	}
	if out, code := to.command("apply", "-f", file, "--prune"); code != 0 || out != "no difference\n" {
		t.Errorf("once more: exit code %d\n%s", code, out)
	}
	if got := to.config.Status().Committed; got != before+1 {
		t.Errorf("%d revisions, want one", got-before)
	}
	if made := to.must("GET", "/revisions?limit=1", ""); !strings.Contains(string(made.body), `"from git"`) {
		t.Errorf("the comment is lost: %s", made.body)
	}
}

func TestDeclareExitCodes(t *testing.T) {
	g := newGateway(t, t.TempDir())
	good := write(t, "good.json", `{"format":1,"domains":{"example.com":{}}}`)
	bad := write(t, "bad.yaml", "format: 1\ndomains:\n  \"not a domain\": {}\n")
	broken := write(t, "broken.yaml", "format: [1\n")
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"differences", []string{"diff", "-f", good}, 2, "+ domain example.com"},
		{"as JSON", []string{"diff", "-f", good, "--json"}, 2, `"action":"created"`},
		{"refused", []string{"apply", "-f", bad}, 1, "/domains/not a domain"},
		{"refused by diff", []string{"diff", "-f", bad}, 1, "/domains/not a domain"},
		{"no YAML", []string{"apply", "-f", broken}, 1, "is no YAML"},
		{"no file", []string{"apply", "-f", "/does/not/exist"}, 1, "no such file"},
		{"no file named", []string{"apply"}, 2, "--file"},
		{"no file named to diff", []string{"diff"}, 1, "--file"},
		{"an unknown flag", []string{"diff", "--what"}, 1, "--what"},
		{"a deadline out of bounds", []string{"apply", "-f", good, "--confirm-within", "1s"}, 1, "confirm_within"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, code := g.command(c.args...)
			if code != c.code || !strings.Contains(out, c.says) {
				t.Errorf("exit code %d, want %d and %q:\n%s", code, c.code, c.says, out)
			}
		})
	}
}

func TestProgressBar(t *testing.T) {
	var out bytes.Buffer
	p := progressBar{out: &out}
	document := make([]byte, 1000)
	var sent bytes.Buffer
	if _, err := sent.ReadFrom(p.follow(document)); err != nil {
		t.Fatal(err)
	}
	p.end()
	if got := out.String(); !strings.Contains(got, "100 %") || !strings.HasSuffix(got, "\x1b[K") || sent.Len() != len(document) {
		t.Errorf("%d octets, shown %q", sent.Len(), got)
	}
	if silent := progressOf(&out); silent.out != nil {
		t.Error("a bar is shown where there is no terminal")
	}
}
