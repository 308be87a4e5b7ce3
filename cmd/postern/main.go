// Command postern is the gateway: one binary that serves, shows itself
// (demo), asks a running gateway what it would do with mail and why (explain,
// verify), takes its configuration out and in as one document (export, diff,
// apply), and helps an administrator who is locked out.
//
// Exit codes: 0 done, 1 failed (of verify also: mail would not be taken), 2 the
// command line is wrong (of diff instead: there are differences), 3 the data directory cannot be used.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitFailed    = 1
	exitUsage     = 2
	exitDirectory = 3
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

// run executes a command line and returns the exit code.
func run(ctx context.Context, args []string) int {
	root := newRootCommand()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "postern:", err)
	}
	return exitCode(err)
}

// exitCode is what the process ends with: an error without a code of its own is
// one of the command line.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	var coded *exitError
	if errors.As(err, &coded) {
		return coded.code
	}
	return exitUsage
}

// exitError is an error with an exit code of its own.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// failed gives an error its exit code; nil stays nil.
func failed(code int, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code, err}
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "postern",
		Short:         "A mail gateway for TLS policy and certificates, run by API",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(
		newServeCommand(), newDemoCommand(), newExplainCommand(), newVerifyCommand(),
		newExportCommand(), newDiffCommand(), newApplyCommand(), newAdminCommand(), newVersionCommand(),
	)
	return root
}

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		Run:   func(c *cobra.Command, _ []string) { fmt.Fprintln(c.OutOrStdout(), version()) },
	}
}

// version is the version of the module, with the revision it was built from
// where the build knows it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v += " " + s.Value
		}
	}
	return v
}
