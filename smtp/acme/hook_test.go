package acme

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postern/domain/policy"
)

// program writes a hook and returns it with what it tells the transcript.
func program(t *testing.T, mode os.FileMode, script string) (*hook, *strings.Builder) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dns")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	told := &strings.Builder{}
	return &hook{
		settings: policy.ACMEHook{Path: path, TimeoutSeconds: 1},
		tell:     func(format string, args ...any) { fmt.Fprintf(told, format+"\n", args...) },
	}, told
}

var answered = record{domain: "example.com", text: "-text $(id)"}

// B48: arguments and environment are as documented, no shell reads them, and nothing
// of our own environment is handed on.
func TestHookIsCalledAsDocumented(t *testing.T) {
	t.Setenv("POSTERN_SECRET", "of ours")
	h, told := program(t, 0o755, `echo "$1|$2|$3|$POSTERN_ACTION|$POSTERN_DOMAIN|$POSTERN_RECORD|$POSTERN_TEXT|$POSTERN_SECRET|$(pwd)"`)
	withdraw, err := h.publish(t.Context(), answered)
	if err != nil {
		t.Fatal(err)
	}
	if err := withdraw(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, action := range []string{"present", "cleanup"} {
		want := action + "|_acme-challenge.example.com.|-text $(id)|" + action + "|example.com|_acme-challenge.example.com.|-text $(id)||/"
		if !strings.Contains(told.String(), want) {
			t.Errorf("%s is told as %s", action, told)
		}
	}
}

// A hook that fails is called to clean up, and its error has the end of what it said.
func TestHookThatFails(t *testing.T) {
	h, told := program(t, 0o755, `if [ $1 = cleanup ]; then echo cleaned; exit 0; fi
i=0; while [ $i -lt 600 ]; do echo "line $i"; i=$((i + 1)); done; echo "no such zone" >&2; exit 7`)
	_, err := h.publish(t.Context(), answered)
	if err == nil || !strings.Contains(err.Error(), "exit status 7") || !strings.Contains(err.Error(), "no such zone") {
		t.Fatalf("error %v", err)
	}
	if len(err.Error()) > 2*maxOutput || strings.Contains(err.Error(), "line 1\\n") {
		t.Errorf("the output is not bounded: %d octets", len(err.Error()))
	}
	if !strings.Contains(told.String(), "cleaned") {
		t.Errorf("told %s", told)
	}
}

// One that takes too long is ended with its children.
func TestHookThatHangs(t *testing.T) {
	h, _ := program(t, 0o755, "sleep 600 & wait")
	err := h.call(t.Context(), actionPresent, answered)
	if err == nil || !strings.Contains(err.Error(), "it took longer than 1s") {
		t.Errorf("error %v", err)
	}
}

func TestHookThatIsNoProgramOfOurs(t *testing.T) {
	for want, mode := range map[string]os.FileMode{"is no program": 0o644, "can be written by others": 0o777} {
		h, _ := program(t, mode, "exit 0")
		if err := h.call(t.Context(), actionPresent, answered); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("mode %s: %v", mode, err)
		}
	}
	h, _ := program(t, 0o755, "exit 0")
	h.settings.Path += ".not"
	if err := h.call(context.Background(), actionPresent, answered); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("error %v", err)
	}
}
