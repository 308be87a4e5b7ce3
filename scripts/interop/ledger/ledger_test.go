package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"postern/smtp/smtptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// blast runs "ledger blast" against an MX and returns its report and the path
// of its ledger.
func blast(t *testing.T, mx *smtptest.MX, flags ...string) (report, ledger string, err error) {
	t.Helper()
	ledger = filepath.Join(t.TempDir(), "ledger")
	args := append([]string{"blast", "-addr", mx.Addr(), "-ledger", ledger, "-rcpt", "a@one.example,b@two.example"}, flags...)
	var out strings.Builder
	err = run(t.Context(), args, &out, io.Discard)
	return out.String(), ledger, err
}

// dumped writes messages as smtp-sink does, behind a hop's Received field.
func dumped(t *testing.T, messages []smtptest.Message) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for i, m := range messages {
		content := strings.ReplaceAll(string(m.Content), "\r\n", "\n")
		dump(t, dir, fmt.Sprint(i), "Received: by hop.example\n\tid 1\n"+content)
	}
	return dir
}

func dump(t *testing.T, dir, name, message string) {
	t.Helper()
	text := "X-Client-Addr: 127.0.0.1\nX-Client-Proto: ESMTP\nX-Rcpt-Args: <a@one.example>\n" + message + "\n"
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func check(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out strings.Builder
	err := run(t.Context(), append([]string{"check"}, args...), &out, io.Discard)
	return out.String(), err
}

func TestBlastAndCheckAgree(t *testing.T) {
	for _, flags := range [][]string{{}, {"-starttls"}, {"-size", "100"}, {"-size", "100,200000"}, {"-ascii"}, {"-m", "1"}, {"-rate", "2000"}} {
		t.Run(strings.Join(flags, " "), func(t *testing.T) {
			mx := smtptest.NewMX(t, smtptest.MXOptions{})
			report, ledger, err := blast(t, mx, append(flags, "-n", "40", "-c", "4", "-strict")...)
			if err != nil {
				t.Fatal(err, report)
			}
			messages := mx.Messages()
			for _, m := range messages {
				ascii := !bytes.ContainsFunc(m.Content, func(r rune) bool { return r > 127 })
				if want := len(flags) > 0 && flags[0] == "-ascii"; ascii != want {
					t.Errorf("flags %v, ASCII %v", flags, ascii)
				}
				if encrypted := m.TLS != nil; encrypted != (len(flags) > 0 && flags[0] == "-starttls") {
					t.Errorf("flags %v, encrypted %v", flags, encrypted)
				}
			}
			if v := mx.Violations(); len(v) > 0 {
				t.Error(v)
			}
			report, err = check(t, "-dump", dumped(t, messages), ledger)
			want := "acknowledged 40  arrived 40  lost 0  doubled 0  corrupt 0  extra 0  other mail 0\n"
			if diff := cmp.Diff(want, report); diff != "" || err != nil {
				t.Error(err, diff)
			}
		})
	}
}

func TestBlastUsesEveryRecipientAndSize(t *testing.T) {
	mx := smtptest.NewMX(t, smtptest.MXOptions{})
	if _, _, err := blast(t, mx, "-n", "10", "-c", "1", "-size", "4096"); err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, m := range mx.Messages() {
		count[m.Recipients[0].Address]++
		if n := len(m.Content); n < 4096 || n > 4096+400 {
			t.Errorf("a message of %d octets", n)
		}
	}
	if diff := cmp.Diff(map[string]int{"a@one.example": 5, "b@two.example": 5}, count); diff != "" {
		t.Error(diff)
	}
}

// A message that was not acknowledged goes again under a new id.
func TestBlastGoesOnOverTrouble(t *testing.T) {
	for name, action := range map[string]smtptest.Action{
		"dropped": smtptest.Drop(),
		"refused": smtptest.Answer("451 4.3.0 not now"),
		"closing": {Reply: "421 4.3.2 closing", Then: smtptest.Close},
	} {
		t.Run(name, func(t *testing.T) {
			var ends atomic.Int64
			mx := smtptest.NewMX(t, smtptest.MXOptions{Respond: func(c smtptest.Command) (smtptest.Action, bool) {
				return action, c.Stage == "." && ends.Add(1)%5 == 0
			}})
			report, ledger, err := blast(t, mx, "-n", "20", "-c", "2")
			if err != nil {
				t.Fatal(err, report)
			}
			acknowledged, err := readLedgers([]string{ledger})
			if err != nil || len(acknowledged) != 20 {
				t.Fatalf("%d in the ledger, %v", len(acknowledged), err)
			}
			if _, err := check(t, "-dump", dumped(t, mx.Messages()), ledger); err != nil {
				t.Error(err)
			}
			if report, _, err = blast(t, mx, "-n", "20", "-strict"); err == nil {
				t.Error("-strict let trouble pass:", report)
			}
		})
	}
}

func TestBlastGivesUp(t *testing.T) {
	mx := smtptest.NewMX(t, smtptest.MXOptions{Actions: map[string]smtptest.Action{"MAIL": smtptest.Answer("451 4.3.0 never")}})
	report, _, err := blast(t, mx, "-n", "3", "-deadline", "200ms")
	if err == nil || !strings.Contains(report, "acknowledged 0") || !strings.Contains(report, "451") {
		t.Error(err, report)
	}
	mx.Close()
	if report, _, err = blast(t, mx, "-n", "3", "-deadline", "200ms"); err == nil || strings.Contains(report, "not connected 0") {
		t.Error(err, report)
	}
}

func TestBlastEndsByASignal(t *testing.T) {
	mx := smtptest.NewMX(t, smtptest.MXOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	ledger := filepath.Join(t.TempDir(), "ledger")
	go func() {
		ended <- run(ctx, []string{"blast", "-addr", mx.Addr(), "-ledger", ledger, "-rcpt", "a@b.example", "-n", "0", "-strict"}, io.Discard, io.Discard)
	}()
	mx.WaitMessages(t, 30)
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("blast does not end")
	}
	acknowledged, err := readLedgers([]string{ledger})
	if err != nil || len(acknowledged) != len(mx.Messages()) {
		t.Errorf("%d acknowledged, %d accepted, %v", len(acknowledged), len(mx.Messages()), err)
	}
}

func TestCheckFinds(t *testing.T) {
	a := newAuthor(blastOptions{sizes: []int{500}, to: []string{"a@one.example"}})
	one, two := a.next(), a.next()
	ledger := filepath.Join(t.TempDir(), "ledger")
	lines := one.id + " " + one.hash + "\n" + two.id + " " + two.hash + "\n"
	if err := os.WriteFile(ledger, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	both := []string{string(one.text), string(two.text)}
	for _, c := range []struct {
		name    string
		arrived []string
		crash   string
		want    string // part of the error; empty for none
	}{
		{"nothing wrong", both, "0", ""},
		{"a message is lost", both[:1], "0", "1 messages are lost"},
		{"a lost message is no matter of crashes", both[:1], "9", "1 messages are lost"},
		{"a message is doubled", append(both, both[0]), "0", "1 messages are doubled"},
		{"as many may be doubled", append(both, both[0]), "1", ""},
		{"three copies", append(both, both[0], both[0]), "0", "1 messages are doubled"},
		{"a dot is lost", []string{both[0], strings.Replace(both[1], "\n..\n", "\n.\n", 1)}, "0", "1 messages are corrupt"},
		{"the end is lost", []string{both[0], both[1][:len(both[1])-10] + "\n"}, "0", "1 messages are corrupt"},
		{"a line is added", []string{both[0], both[1] + "\n"}, "0", "1 messages are corrupt"},
		{"a field is inserted", []string{both[0], strings.Replace(both[1], "\n", "\nX-Other: 1\n", 1)}, "0", "1 messages are corrupt"},
		{"under another id", []string{both[0], strings.Replace(both[0], one.id, two.id, 1)}, "0", "1 messages are corrupt"},
		{"one that was not acknowledged", append(both, string(a.next().text)), "0", ""},
		{"mail of others", append(both, "Subject: bounce\n\n"+idField+one.id+"\n"), "0", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for i, text := range c.arrived {
				dump(t, dir, fmt.Sprint(i), text)
			}
			report, err := check(t, "-dump", dir, "-crash", c.crash, ledger)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q\n%s", err, c.want, report)
			}
		})
	}
}

func TestIdsAreNeverUsedTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	if err := os.WriteFile(path, []byte("a 1\nb 2\na 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readLedgers([]string{path}); err == nil {
		t.Error("the same id twice was taken")
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"other"}, {"blast"}, {"check"}, {"blast", "-no-such-flag"}, {"blast", "-size", "big"}, {"check", "-dump", "x"}} {
		if code := exitCode(io.Discard, run(t.Context(), args, io.Discard, io.Discard)); code != 2 {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
	if code := exitCode(io.Discard, run(t.Context(), []string{"blast", "-h"}, io.Discard, io.Discard)); code != 0 {
		t.Error("-h: exit code", code)
	}
}

func FuzzParseDump(f *testing.F) {
	m := newAuthor(blastOptions{sizes: []int{300}, to: []string{"a@one.example"}}).next()
	f.Add(append(bytes.Clone(m.text), '\n'))
	f.Add([]byte("Received: x\n" + idField + "1\n" + hashField + "2\n\n"))
	f.Add([]byte("\n\n" + idField))
	f.Add([]byte(idField))
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := parseDump(text)
		if err != nil || !a.intact {
			return
		}
		if !bytes.Contains(text, []byte(idField+a.id+"\n"+hashField+a.hash+"\n")) {
			t.Errorf("%+v is not in the file", a)
		}
	})
}
