package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"postern/domain/config"
)

// directoryFlags are the flags of the commands that open a data directory. Each
// flag can be given in the environment too, as POSTERN_ and its name in capitals.
type directoryFlags struct {
	dataDir, logLevel string
}

func (f *directoryFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.dataDir, "data-dir", "data", "directory of the databases, keys and spool; created where it does not exist")
	flags.StringVar(&f.logLevel, "log-level", "info", "debug, info, warn or error")
}

// logger returns the log on the command's standard error.
func (f *directoryFlags) logger(c *cobra.Command) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.logLevel)); err != nil {
		return nil, fmt.Errorf("--log-level: %w", err)
	}
	return slog.New(slog.NewJSONHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: level})), nil
}

// serveFlags are the flags of the command that runs the gateway.
type serveFlags struct {
	directoryFlags
	api, hostName           string
	publicPort, privatePort int
	httpsPort               int
	grace                   time.Duration
}

func (f *serveFlags) register(flags *pflag.FlagSet) {
	f.directoryFlags.register(flags)
	flags.StringVar(&f.api, "api", "127.0.0.1:8025", "address of the API; clear HTTP, so on loopback only")
	flags.StringVar(&f.hostName, "host-name", defaultHostName(), "our name in greetings, on first start")
	flags.IntVar(&f.publicPort, "inbound-port", 2525, "port of the public listener, on first start")
	flags.IntVar(&f.privatePort, "outbound-port", 2587, "port of the private listener, on first start")
	flags.IntVar(&f.httpsPort, "https-port", 8443, "port of the API by HTTPS, on loopback, once TLS is on; on first start")
	flags.DurationVar(&f.grace, "grace", 30*time.Second, "longest wait for sessions and deliveries at the stop")
}

// fromEnvironment sets each flag that the command line left alone.
func fromEnvironment(flags *pflag.FlagSet) error {
	var first error
	flags.VisitAll(func(f *pflag.Flag) {
		name := "POSTERN_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, ok := os.LookupEnv(name)
		if !ok || f.Changed {
			return
		}
		if err := flags.Set(f.Name, value); err != nil && first == nil {
			first = fmt.Errorf("%s: %w", name, err)
		}
	})
	return first
}

func defaultHostName() string {
	name, err := os.Hostname()
	if err != nil || !strings.Contains(name, ".") {
		return "localhost.localdomain"
	}
	return name
}

// options turns the flags, and the environment where they are silent, into the
// options of an App that logs to the command's standard error.
func (f *serveFlags) options(c *cobra.Command) (Options, error) {
	if err := fromEnvironment(c.Flags()); err != nil {
		return Options{}, err
	}
	name, err := hostName(f.hostName)
	if err != nil {
		return Options{}, err
	}
	logger, err := f.logger(c)
	if err != nil {
		return Options{}, err
	}
	return Options{
		DataDir: f.dataDir, API: f.api, Grace: f.grace,
		Seed:   config.Seed{HostName: name, PublicPort: f.publicPort, PrivatePort: f.privatePort, HTTPSPort: f.httpsPort},
		Logger: logger,
	}, nil
}

func newServeCommand() *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the gateway",
		Long: "Run the gateway. On first start the data directory is created and the administrator's\n" +
			"token is printed, once. The log goes to standard error, as JSON.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			options, err := f.options(c)
			if err != nil {
				return err
			}
			return serve(c.Context(), options, c.OutOrStdout())
		},
	}
	f.register(c.Flags())
	return c
}

// serve runs the gateway until the context ends.
func serve(ctx context.Context, options Options, out io.Writer) error {
	app, err := New(ctx, options)
	if err != nil {
		return failed(exitDirectory, err)
	}
	app.Start(ctx)
	announce(out, app)
	<-ctx.Done()
	options.Logger.Info("stopping", "grace", options.Grace.String())
	return failed(exitFailed, app.Stop(context.WithoutCancel(ctx)))
}

// announce says where everything listens, and the token of a fresh directory.
func announce(w io.Writer, app *App) {
	fmt.Fprintf(w, "Postern %s\n", version())
	fmt.Fprintf(w, "  API            http://%s/api/v1   (documentation: /docs, XML-RPC: /RPC2)\n", app.APIAddr())
	for _, l := range app.Listeners() {
		fmt.Fprintf(w, "  listener       %-12s %s", l.Name, l.Address)
		if l.Problem != "" {
			fmt.Fprintf(w, "   DOES NOT SERVE: %s", l.Problem)
		}
		fmt.Fprintln(w)
	}
	for _, name := range []string{managementHTTPS, publicHTTP, publicHTTPS} {
		if addr := app.web.endpoints.Addr(name); addr != nil {
			fmt.Fprintf(w, "  web            %-27s %s\n", name, addr)
		}
	}
	if app.AdminToken != "" {
		fmt.Fprintf(w, "  admin token    %s   (shown once)\n", app.AdminToken)
	}
}
