package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
)

func newDemoCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show the gateway at work on this machine alone",
		Long: "Run the gateway on a temporary data directory, with mail servers of its own around it,\n" +
			"all on loopback. Messages are relayed, refused, deferred and bounced under TLS policies;\n" +
			"a policy is changed by REST and a certificate activated by XML-RPC in the middle.\n\n" +
			"The exit code is 0 only if everything came out as it must.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return failed(exitFailed, runDemo(c.Context(), c.OutOrStdout(), asJSON))
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the rows as JSON")
	return c
}

// stepTime bounds one step of the demo.
const stepTime = 10 * time.Second

// runDemo plays the scenario and prints what came out. The error says that not
// everything came out as it must, or that there was no playing at all.
func runDemo(ctx context.Context, out io.Writer, asJSON bool) (err error) {
	d, err := newDemo(ctx)
	if err != nil {
		return err
	}
	defer func() { err = d.close(ctx, err) }()
	if !asJSON {
		introduce(out)
	}
	rows := d.play(ctx, scenario(), progress(out, asJSON))
	if ctx.Err() != nil {
		return fmt.Errorf("the demo was stopped: %w", context.Cause(ctx))
	}
	if asJSON {
		err = writeJSON(out, rows)
	} else {
		err = writeTable(out, rows)
	}
	if err != nil {
		return err
	}
	if wrong := countWrong(rows); wrong > 0 {
		return fmt.Errorf("%d of %d rows did not come out as they must", wrong, len(rows))
	}
	return nil
}

func introduce(out io.Writer) {
	fmt.Fprint(out, "This is the gateway as \"postern serve\" runs it, with four next hops around it, all on\n"+
		"loopback. It is configured by REST and XML-RPC; the mail goes through its SMTP listeners.\n"+
		"So that certificates can verify without a network, SSL_CERT_FILE names the demo's own\n"+
		"certificate authority, which makes it one of the machine's trusted roots for this process.\n")
}

// progress returns what to do at the beginning of each step: on a terminal it
// says which, since the table comes at the end.
func progress(out io.Writer, asJSON bool) func(row) {
	if asJSON || !isTerminal(out) {
		return func(row) {}
	}
	return func(r row) { fmt.Fprintf(out, "  %2d  %s …\n", r.Number, r.Message) }
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// play takes one step after the other. A step that fails does not keep the
// later ones from being taken: most stand alone.
func (d *demo) play(ctx context.Context, steps []step, begin func(row)) []row {
	rows := make([]row, 0, len(steps))
	for i, s := range steps {
		if ctx.Err() != nil {
			break
		}
		r := row{Number: i + 1, Message: s.title, From: sender, To: s.to, Expected: s.want, Reasons: []string{}}
		begin(r)
		bounded, cancel := context.WithTimeout(ctx, stepTime)
		r.judge(s.level, s.run(bounded, d, &r))
		cancel()
		rows = append(rows, r)
	}
	return rows
}
