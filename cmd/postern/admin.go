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

	"postern/domain/audit"
	"postern/persistence"
)

func newAdminCommand() *cobra.Command {
	c := &cobra.Command{Use: "admin", Short: "Help an administrator who is locked out"}
	c.AddCommand(newResetPasswordCommand())
	return c
}

func newResetPasswordCommand() *cobra.Command {
	var f directoryFlags
	var name string
	c := &cobra.Command{
		Use:   "reset-password",
		Short: "Set an administrator's password, read from standard input",
		Long: "Set an administrator's password, read as one line from standard input, while the service\n" +
			"is stopped. While it runs, use PUT /api/v1/administrators/{name}/password.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := fromEnvironment(c.Flags()); err != nil {
				return err
			}
			logger, err := f.logger(c)
			if err != nil {
				return err
			}
			password, err := readPassword(c.InOrStdin())
			if err != nil {
				return failed(exitFailed, err)
			}
			database, err := persistence.Open(c.Context(), f.dataDir, persistence.Options{Logger: logger})
			if err != nil {
				return failed(exitDirectory, err)
			}
			err = byCommand(c.Context(), database, "reset-password", name, func() error {
				return newAccounts(database).SetPassword(c.Context(), name, password)
			})
			if err := errors.Join(err, database.Close()); err != nil {
				return failed(exitFailed, err)
			}
			fmt.Fprintf(c.OutOrStdout(), "The password of %s is set.\n", name)
			return nil
		},
	}
	f.register(c.Flags())
	c.Flags().StringVar(&name, "name", "admin", "name of the administrator")
	return c
}

// byCommand does something to an account between two entries of the audit log.
func byCommand(ctx context.Context, database *persistence.Database, command, target string, do func() error) error {
	log := audit.NewService(database.Audit(), time.Now)
	begun, err := log.Begin(ctx, audit.Entry{Interface: audit.CommandLine, Operation: "admin " + command, Target: target})
	if err != nil {
		return err
	}
	outcome := audit.Entry{Status: http.StatusOK}
	err = do()
	if err != nil {
		outcome.Status = http.StatusUnprocessableEntity
	}
	return errors.Join(err, log.Finish(ctx, begun, outcome))
}

// readPassword takes one line; the end of a line is not part of the password.
func readPassword(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, 4096)).ReadString('\n')
	if line == "" && err != nil {
		return "", errors.New("no password came on standard input")
	}
	return strings.TrimRight(line, "\r\n"), nil
}
