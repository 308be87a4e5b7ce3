package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/oasdiff/yaml"
	"github.com/spf13/cobra"

	"postern/api/rest"
)

// exitDifferent is the exit code of a diff that found differences.
const exitDifferent = 2

// newExportCommand makes the command that writes the configuration into a file.
func newExportCommand() *cobra.Command {
	var f remoteFlags
	var file string
	c := &cobra.Command{
		Use:   "export [-o FILE]",
		Short: "Write the configuration of a running gateway as one document",
		Long: "Write the whole configuration of a running gateway as one document, in an order that never\n" +
			"changes, so that it can live in a repository. Secrets are not in it, only that they are stored.\n" +
			"A file whose name ends in .yaml or .yml is written as YAML, all else as JSON.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := f.dial(c)
			if err != nil {
				return err
			}
			defer client.close()
			var document json.RawMessage
			if err := client.read(c.Context(), "/config", &document); err != nil {
				return failed(exitFailed, err)
			}
			return failed(exitFailed, writeConfiguration(c.OutOrStdout(), file, document))
		},
	}
	f.register(c.Flags())
	c.Flags().StringVarP(&file, "output", "o", "", "the file to write; absent: standard output")
	return c
}

// newDiffCommand makes the command that compares a file with the configuration.
func newDiffCommand() *cobra.Command {
	var a application
	c := &cobra.Command{
		Use:   "diff -f FILE",
		Short: "Show what a document would change in a running gateway",
		Long: "Show what \"postern apply\" would change with the document, and change nothing.\n\n" +
			"Exit codes: 0 no difference, 2 differences, 1 anything else, a wrong command line too.",
		Args: failedArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			a.dryRun = true
			diff, err := a.apply(c)
			switch {
			case err != nil:
				return failed(exitFailed, err)
			case len(diff.Items) > 0:
				return failed(exitDifferent, fmt.Errorf("%d items differ", len(diff.Items)))
			}
			return nil
		},
	}
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return failed(exitFailed, err) })
	a.register(c)
	return c
}

// failedArgs makes a wrong command line a plain failure, where the usual code has
// another meaning.
func failedArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error { return failed(exitFailed, check(c, args)) }
}

// newApplyCommand makes the command that makes the configuration as a file has it.
func newApplyCommand() *cobra.Command {
	var a application
	c := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Make the configuration of a running gateway as a document has it",
		Long: "Make the configuration of a running gateway as the document has it, in one commit, and show\n" +
			"what changed. What the document does not speak of stays as it is; applying twice changes nothing.\n\n" +
			"Exit codes: 0 applied, or nothing to do; 1 refused or not in force; 2 the command line is wrong.",
		Example: "  postern apply -f postern.yaml --dry-run\n  postern apply -f postern.yaml --prune --comment \"from git\" --confirm-within 10m",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := a.apply(c)
			return err
		},
	}
	a.register(c)
	c.Flags().BoolVar(&a.dryRun, "dry-run", false, "only show what would change")
	c.Flags().StringVar(&a.comment, "comment", "", "what the change is for, kept with the revision")
	c.Flags().DurationVar(&a.confirmWithin, "confirm-within", 0, "take the change back unless it is confirmed in this time")
	return c
}

// application is a document on its way to a gateway.
type application struct {
	remoteFlags
	file          string
	prune, dryRun bool
	comment       string
	confirmWithin time.Duration
}

func (a *application) register(c *cobra.Command) {
	a.remoteFlags.register(c.Flags())
	c.Flags().StringVarP(&a.file, "file", "f", "", "the document, JSON, or YAML if its name ends in .yaml or .yml; - is standard input")
	c.Flags().BoolVar(&a.prune, "prune", false, "delete items that a part of the document does not name")
}

// apply sends the document, prints the difference and returns it.
func (a *application) apply(c *cobra.Command) (*configurationDiff, error) {
	client, err := a.dial(c)
	if err != nil {
		return nil, err
	}
	defer client.close()
	if a.file == "" {
		return nil, errors.New("name the document by --file")
	}
	document, err := readConfiguration(c.InOrStdin(), a.file)
	if err != nil {
		return nil, failed(exitFailed, err)
	}
	var applied http.Header
	ask := func(client *apiClient, into *json.RawMessage) (err error) {
		applied, err = client.send(c.Context(), a.path(), document, a.header(), progressOf(c.ErrOrStderr()), into)
		return err
	}
	diff := new(configurationDiff)
	if err := a.print(c, client, ask, diff); err != nil {
		return nil, err
	}
	return diff, failed(exitFailed, checkApplied(applied))
}

func (a *application) path() string {
	query := url.Values{}
	if a.prune {
		query.Set("prune", "true")
	}
	if a.dryRun {
		query.Set("dry_run", "true")
	} else {
		query.Set("wait", "30s")
	}
	if a.confirmWithin > 0 {
		query.Set("confirm_within", a.confirmWithin.String())
	}
	return "/config?" + query.Encode()
}

func (a *application) header() http.Header {
	header := http.Header{}
	header.Set("Content-Type", "application/json")
	if a.comment != "" {
		header.Set("Change-Comment", a.comment)
	}
	return header
}

// configurationDiff is the answer to a document.
type configurationDiff rest.ConfigurationDiff

var _ answer = (*configurationDiff)(nil)

func (d *configurationDiff) write(out *strings.Builder) {
	out.WriteString(rest.ConfigurationDiff(*d).Text())
	if len(d.Items) > 0 && !d.DryRun {
		fmt.Fprintf(out, "revision %d\n", d.Revision)
	}
}

// dial returns a client by flags and environment.
func (f *remoteFlags) dial(c *cobra.Command) (*apiClient, error) {
	if err := fromEnvironment(c.Flags()); err != nil {
		return nil, err
	}
	return f.client()
}

// maxDocument is how much of a file is read: what the API takes, and a little.
const maxDocument = 17 << 20

// readConfiguration reads a document as JSON.
func readConfiguration(stdin io.Reader, file string) ([]byte, error) {
	from := stdin
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer opened.Close()
		from = opened
	}
	content, err := io.ReadAll(io.LimitReader(from, maxDocument))
	if err != nil || !isYAML(file) {
		return content, err
	}
	document, err := yaml.YAMLToJSON(content)
	if err != nil {
		return nil, fmt.Errorf("%s is no YAML: %w", file, err)
	}
	return document, nil
}

func isYAML(file string) bool {
	extension := strings.ToLower(filepath.Ext(file))
	return extension == ".yaml" || extension == ".yml"
}

// writeConfiguration writes a document into a file, or where there is none to out.
func writeConfiguration(out io.Writer, file string, document []byte) error {
	text, err := spellConfiguration(file, document)
	if err != nil {
		return err
	}
	if file == "" || file == "-" {
		_, err := out.Write(text)
		return err
	}
	return os.WriteFile(file, text, 0o600)
}

func spellConfiguration(file string, document []byte) ([]byte, error) {
	if isYAML(file) {
		return yaml.JSONToYAML(document)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, document, "", "  "); err != nil {
		return nil, err
	}
	return append(bytes.TrimSpace(indented.Bytes()), '\n'), nil
}

// checkApplied tells that a change is committed but not in force.
func checkApplied(header http.Header) error {
	committed, applied := revisionsOf(header)
	if applied < committed {
		return fmt.Errorf("revision %d is committed, but %d is in force: the status says why", committed, applied)
	}
	return nil
}

// send puts a document that was made elsewhere, and shows how it goes.
func (c *apiClient) send(ctx context.Context, path string, document []byte, header http.Header, p *progressBar, into any) (http.Header, error) {
	defer p.end()
	body := p.follow(document)
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, c.base+"/api/v1"+path, body)
	if err != nil {
		return nil, err
	}
	request.ContentLength = int64(len(document))
	request.Header = header
	return c.carry(request, into)
}
