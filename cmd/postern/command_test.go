package main

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// execute runs a command line with the text on standard input and returns what
// it prints.
func execute(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(strings.NewReader(stdin))
	root.SetOut(&out)
	root.SetErr(&out)
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

func TestResetPasswordLetsAnAdministratorIn(t *testing.T) {
	dir := t.TempDir()
	first := newGateway(t, dir)
	const password = "correct horse battery staple"
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if out, err := execute(t, "short\n", "admin", "reset-password", "--data-dir", dir); err == nil || strings.Contains(out+err.Error(), "short\n") {
		t.Errorf("a password of five characters: %v %s", err, out)
	}
	if out, err := execute(t, password+"\n", "admin", "reset-password", "--data-dir", dir); err != nil || strings.Contains(out, password) {
		t.Fatalf("%v: %s", err, out)
	}
	second := newGateway(t, dir)
	for given, want := range map[string]int{password: http.StatusOK, "another password": http.StatusUnauthorized} {
		request, err := http.NewRequest(http.MethodGet, "http://"+second.APIAddr()+"/api/v1/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.SetBasicAuth("admin", given)
		response, err := second.client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("password %q: status %d, want %d", given, response.StatusCode, want)
		}
	}
}

func TestResetPasswordOffersOnlyFlagsThatItUses(t *testing.T) {
	c := newResetPasswordCommand()
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if diff := cmp.Diff([]string{"data-dir", "log-level", "name"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestExitCodes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		args []string
		want int
	}{
		"version":         {[]string{"version"}, 0},
		"unknown command": {[]string{"nonsense"}, exitUsage},
		"unknown flag":    {[]string{"serve", "--nonsense"}, exitUsage},
		"bad host name":   {[]string{"serve", "--host-name", "no name"}, exitUsage},
		"no directory":    {[]string{"serve", "--data-dir", file, "--api", "127.0.0.1:0"}, exitDirectory},
	} {
		t.Run(name, func(t *testing.T) {
			if got := run(t.Context(), tc.args); got != tc.want {
				t.Errorf("exit code %d, want %d", got, tc.want)
			}
		})
	}
}

func TestFlagsComeFromTheEnvironment(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("POSTERN_DATA_DIR", dir)
	t.Setenv("POSTERN_API", "127.0.0.1:0")
	t.Setenv("POSTERN_INBOUND_PORT", "0")
	t.Setenv("POSTERN_OUTBOUND_PORT", "0")
	t.Setenv("POSTERN_LOG_LEVEL", "error")
	ctx, cancel := context.WithCancel(t.Context())
	root := newRootCommand()
	root.SetArgs([]string{"serve"})
	said := &announcement{served: cancel} // ends what it sees served
	root.SetOut(said)
	if err := root.ExecuteContext(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "postern.db")); err != nil {
		t.Error("the data directory of the environment was not used")
	}
	for _, want := range []string{"API ", "listener       inbound", "listener       outbound", "admin token    pstn_"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("serve does not say %q:\n%s", want, said.String())
		}
	}
	t.Setenv("POSTERN_INBOUND_PORT", "many")
	if got := run(t.Context(), []string{"serve"}); got != exitUsage {
		t.Errorf("a port that is no number: exit code %d", got)
	}
}

// announcement is where serve says that it serves.
type announcement struct {
	bytes.Buffer
	served func()
}

func (a *announcement) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("admin token")) {
		a.served()
	}
	return a.Buffer.Write(p)
}
