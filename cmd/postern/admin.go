package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/audit"
	"postern/persistence"
)

func newAdminCommand() *cobra.Command {
	c := &cobra.Command{Use: "admin", Short: "Help an administrator who is locked out"}
	c.AddCommand(newResetPasswordCommand(), newCreateTokenCommand())
	return c
}

// adminWork is what a subcommand of admin does. Exactly one of Password and Role
// is set.
type adminWork struct {
	Command   string        `json:"command"`
	Name      string        `json:"name"` // of the administrator, or of the token
	Password  string        `json:"password,omitempty"`
	Role      account.Role  `json:"role,omitempty"`
	ExpiresIn time.Duration `json:"expires_in,omitempty"` // nanoseconds; 0: never
}

func newResetPasswordCommand() *cobra.Command {
	var f directoryFlags
	work := adminWork{Command: "reset-password"}
	c := &cobra.Command{
		Use:   "reset-password",
		Short: "Set an administrator's password, read from standard input",
		Long: "Set an administrator's password, read as one line from standard input, whether the service\n" +
			"runs on the data directory or not.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if work.Password, err = readPassword(c.InOrStdin()); err != nil {
				return failed(exitFailed, err)
			}
			if _, err := f.administer(c, &work); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "The password of %s is set.\n", work.Name)
			return nil
		},
	}
	f.register(c.Flags())
	c.Flags().StringVar(&work.Name, "name", "admin", "name of the administrator")
	return c
}

func newCreateTokenCommand() *cobra.Command {
	var f directoryFlags
	work := adminWork{Command: "create-token"}
	c := &cobra.Command{
		Use:   "create-token",
		Short: "Make a token and print its secret",
		Long: "Make a token and print its secret, which cannot be had again, whether the service runs on\n" +
			"the data directory or not.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			secret, err := f.administer(c, &work)
			if err == nil {
				fmt.Fprintln(c.OutOrStdout(), secret)
			}
			return err
		},
	}
	f.register(c.Flags())
	c.Flags().StringVar(&work.Name, "name", "rescue", "name of the token")
	c.Flags().StringVar((*string)(&work.Role), "role", string(account.RoleAdmin), "viewer, operator, certificate_manager or admin")
	c.Flags().DurationVar(&work.ExpiresIn, "expires-in", 0, "how long it is good; 0 for ever")
	return c
}

// administer does the work in the data directory, or lets the gateway do it that
// has the directory open.
func (f *directoryFlags) administer(c *cobra.Command, work *adminWork) (secret string, err error) {
	if err := fromEnvironment(c.Flags()); err != nil {
		return "", err
	}
	logger, err := f.logger(c)
	if err != nil {
		return "", err
	}
	database, err := persistence.Open(c.Context(), f.dataDir, persistence.Options{Logger: logger})
	if domain.KindOf(err) == domain.Conflict {
		secret, err = askGateway(c.Context(), f.dataDir, work)
		return secret, failed(exitFailed, err)
	}
	if err != nil {
		return "", failed(exitDirectory, err)
	}
	secret, err = work.do(c.Context(), newAccounts(database), audit.NewService(database.Audit(), time.Now))
	return secret, failed(exitFailed, errors.Join(err, database.Close()))
}

// do carries the work out between two entries of the audit log.
func (w *adminWork) do(ctx context.Context, accounts *account.Service, log *audit.Service) (secret string, err error) {
	begun, err := log.Begin(ctx, audit.Entry{Interface: audit.CommandLine, Operation: "admin " + w.Command, Target: w.Name})
	if err != nil {
		return "", err
	}
	outcome := audit.Entry{Status: http.StatusOK}
	if secret, err = w.change(ctx, accounts); err != nil {
		outcome.Status = http.StatusUnprocessableEntity
	}
	return secret, errors.Join(err, log.Finish(ctx, begun, outcome))
}

func (w *adminWork) change(ctx context.Context, accounts *account.Service) (secret string, err error) {
	if w.Role == "" {
		return "", accounts.SetPassword(ctx, w.Name, w.Password)
	}
	want := account.TokenSpec{Name: w.Name, Role: w.Role}
	if w.ExpiresIn > 0 {
		want.ExpiresAt = new(time.Now().Add(w.ExpiresIn))
	}
	// Who can write the data directory can do everything.
	secret, _, err = accounts.CreateToken(ctx, account.Principal{Name: "postern admin", Role: account.RoleAdmin}, want)
	return secret, err
}

// readPassword takes one line; the end of a line is not part of the password.
func readPassword(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, 4096)).ReadString('\n')
	if line == "" && err != nil {
		return "", errors.New("no password came on standard input")
	}
	return strings.TrimRight(line, "\r\n"), nil
}
