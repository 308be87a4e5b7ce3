// Command ledger proves that a mail gateway loses nothing and doubles nothing.
//
// "ledger blast" is a load client. Every message carries an id that is never
// used again, and a hash of everything below it. Only after the whole 250 that
// ends DATA does the id go into a ledger file: from then on the gateway has
// promised to deliver it.
//
// "ledger check" compares ledgers with what arrived at the far end, in the
// files that Postfix's "smtp-sink -d" writes, one for each message:
//
//	lost      acknowledged, and not arrived
//	doubled   arrived more than once
//	corrupt   arrived, and other than it was sent
//	extra     arrived, and never acknowledged: the client did not hear the 250
//
// A message that was not acknowledged is sent again under a new id, so that a
// second copy of an id is always the gateway's doing and never the client's.
//
// Exit codes: 0 all is well, 1 it is not, 2 the command line is wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

const usage = `usage:
  ledger blast -addr HOST:PORT -ledger FILE [flags]
  ledger check -dump DIR [flags] LEDGER...
Each has -h.
`

// errUsage is a command line that is wrong and has been told so.
var errUsage = errors.New("usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(exitCode(os.Stderr, run(ctx, os.Args[1:], os.Stdout, os.Stderr)))
}

// run executes one command line. Reports go to out, the rest to errs.
func run(ctx context.Context, args []string, out, errs io.Writer) error {
	if len(args) == 0 {
		fmt.Fprint(errs, usage)
		return errUsage
	}
	switch name, rest := args[0], args[1:]; name {
	case "blast":
		return runBlast(ctx, rest, out, errs)
	case "check":
		return runCheck(rest, out, errs)
	}
	fmt.Fprint(errs, usage)
	return errUsage
}

func exitCode(errs io.Writer, err error) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		return 2
	}
	fmt.Fprintln(errs, "ledger:", err)
	return 1
}

// newFlags returns a set of flags that reports mistakes instead of exiting.
func newFlags(name string, errs io.Writer) *flag.FlagSet {
	flags := flag.NewFlagSet("ledger "+name, flag.ContinueOnError)
	flags.SetOutput(errs)
	return flags
}

// parse reads a command line; a mistake has been printed when it returns.
func parse(flags *flag.FlagSet, args []string) error {
	err := flags.Parse(args)
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return err
	}
	return errUsage
}

// refuse prints what is wrong with a command line that parsed.
func refuse(flags *flag.FlagSet, what string) error {
	fmt.Fprintln(flags.Output(), flags.Name()+":", what)
	return errUsage
}
