package main

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"postern/api/rest"
)

// requireTLSFlag is the flag of the commands that can ask for flagged mail (B56).
const requireTLSFlag = "requiretls"

func newExplainCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "explain",
		Short: "Ask a running gateway what it would do, and why",
		Long: "Ask a running gateway what it would do with mail, and why: the evidence, the rules that won\n" +
			"and lost, and what would be tried. Nothing is connected to; \"postern verify\" does that.",
	}
	destination := explainCommand("destination DOMAIN", "Explain how mail to a domain would leave", "domain")
	destination.Flags().Bool(requireTLSFlag, false, "explain mail that is flagged REQUIRETLS")
	c.AddCommand(
		destination,
		explainCommand("client LISTENER ADDRESS", "Explain what a client would be allowed on a listener", "listener", "client"),
		explainCommand("message ID", "Explain what becomes of a message in the queue", "message"),
	)
	return c
}

// explainCommand makes a command whose arguments are the query parameters of the
// API's explain.
func explainCommand(use, short string, parameters ...string) *cobra.Command {
	var f remoteFlags
	c := &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(len(parameters)),
		RunE: func(c *cobra.Command, args []string) error {
			if err := fromEnvironment(c.Flags()); err != nil {
				return err
			}
			query := url.Values{}
			for i, name := range parameters {
				query.Set(name, args[i])
			}
			if flagged, err := c.Flags().GetBool(requireTLSFlag); err == nil && flagged {
				query.Set("require_tls", "true")
			}
			ask := func(client *apiClient, into *json.RawMessage) error {
				return client.read(c.Context(), "/tls/explain?"+query.Encode(), into)
			}
			return f.show(c, ask, new(explanation))
		},
	}
	f.register(c.Flags())
	return c
}

// explanation is the answer to explain.
type explanation rest.TLSExplanation

var _ answer = (*explanation)(nil)

func (e *explanation) write(out *strings.Builder) {
	switch {
	case e.Destination != nil:
		writeDestination(out, e.Destination)
	case e.Client != nil:
		writeClient(out, e.Client)
	case e.Message != nil:
		writeMessage(out, e.Message)
	}
}
