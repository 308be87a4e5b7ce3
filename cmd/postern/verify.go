package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postern/api/rest"
	"postern/domain/probe"
)

func newVerifyCommand() *cobra.Command {
	var f remoteFlags
	var host, profile string
	var flagged bool
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "verify [DOMAIN]",
		Short: "Have a running gateway test live how mail would leave",
		Long: "Have a running gateway test live how mail to a domain would leave, by the very steps of a\n" +
			"delivery, up to and not including MAIL. Without a domain, --host or --profile says\n" +
			"what to test.\n\n" +
			"The exit code is 0 only if a host would be asked to take mail.",
		Example: "  postern verify example.com\n  postern verify --host mx.example.com:25\n  postern verify --profile smarthost",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := fromEnvironment(c.Flags()); err != nil {
				return err
			}
			question, err := questionOf(args, host, profile, timeout)
			if err != nil {
				return err
			}
			if flagged {
				question["require_tls"] = true
			}
			ask := func(client *apiClient, into *json.RawMessage) error {
				return client.ask(c.Context(), "/tls/verify", question, into)
			}
			var found liveTest
			if err := f.show(c, ask, &found); err != nil {
				return err
			}
			return failed(exitFailed, found.complaint())
		},
	}
	f.register(c.Flags())
	c.Flags().StringVar(&host, "host", "", "the only host to test, with a port where it is not 25")
	c.Flags().StringVar(&profile, "profile", "", "the server profile whose URIs alone to test, credentials included")
	c.Flags().BoolVar(&flagged, requireTLSFlag, false, "test for mail that is flagged REQUIRETLS")
	c.Flags().DurationVar(&timeout, "timeout", probe.MaxVerifyTime, "longest time for the test")
	return c
}

// questionOf makes the API's question of the command line.
func questionOf(args []string, host, profile string, timeout time.Duration) (document, error) {
	question := document{"timeout_seconds": max(1, int(timeout.Round(time.Second).Seconds()))}
	if len(args) > 0 {
		question["domain"] = args[0]
	}
	if len(args) == 0 && host == "" && profile == "" {
		return nil, errors.New("name a domain or, by --host or --profile, what to test")
	}
	if profile != "" {
		question["server_profile"] = profile
	}
	if name, port, err := net.SplitHostPort(host); err == nil {
		number, err := strconv.Atoi(port)
		if err != nil {
			return nil, fmt.Errorf("--host: %q is no port", port)
		}
		question["host"], question["port"] = name, number
	} else if host != "" {
		question["host"] = host
	}
	return question, nil
}

// liveTest is the answer to verify.
type liveTest rest.TLSVerification

var _ answer = (*liveTest)(nil)

// complaint is why mail would not be taken; nil where it would.
func (v *liveTest) complaint() error {
	if v.Verdict == probe.Deliverable {
		return nil
	}
	return fmt.Errorf("mail would be %s", v.Verdict)
}

func (v *liveTest) write(out *strings.Builder) {
	var asked []string
	for _, name := range []string{v.Domain, v.Host, v.ServerProfile} {
		if name != "" {
			asked = append(asked, name)
		}
	}
	fmt.Fprintf(out, "%s, by revision %d: ", strings.Join(asked, " at "), v.Revision)
	if v.Outcome == nil {
		fmt.Fprintf(out, "%s is ready for mail\n", v.ReadyAt)
	} else {
		fmt.Fprintf(out, "mail would be %s\n", v.Outcome)
	}
	for i, candidate := range v.Candidates {
		fmt.Fprintf(out, "\n  %d. %s\n", i+1, describeCandidate(candidate.CandidateExplanation))
		writeTested(out, candidate)
	}
	if v.CandidatesLeftOff > 0 {
		fmt.Fprintf(out, "\n  %d further addresses were not tested.\n", v.CandidatesLeftOff)
	}
}

func writeTested(out *strings.Builder, c rest.CandidateVerification) {
	if c.Decision != nil {
		fmt.Fprintf(out, "     %s\n", describeDecision(*c.Decision))
	}
	for _, connection := range c.Connections {
		fmt.Fprintf(out, "     %s:\n", describeRung(connection.LadderRung))
		for _, step := range connection.Steps {
			took := time.Duration(step.DurationMicroseconds) * time.Microsecond
			fmt.Fprintf(out, "       %s %-9s %9s  %s\n", tick(step.OK), step.Name, took.Round(10*time.Microsecond), step.Result)
		}
		if connection.FailedAt != "" {
			fmt.Fprintf(out, "       it ended at %s: %s\n", connection.FailedAt, connection.Failure)
		}
	}
	for _, check := range c.Checks {
		writeCheck(out, check)
	}
	for _, certificate := range c.Certificates {
		writeCertificate(out, certificate)
	}
	if c.Outcome != nil {
		fmt.Fprintf(out, "     mail would be %s\n", c.Outcome)
	}
}

func tick(ok bool) string {
	if ok {
		return "✓"
	}
	return "✗"
}

func writeCheck(out *strings.Builder, c rest.CertificateCheck) {
	text := fmt.Sprintf("     %s certificate for %s (%s)", tick(c.Verified), c.Check, strings.Join(c.Tried, ", "))
	if c.Required {
		text += ", which the decision asks for"
	}
	if c.Verified {
		text += ": it is for " + c.Matched
	} else {
		text += ": " + c.Reason + ", " + c.Detail
	}
	out.WriteString(text + "\n")
}

func writeCertificate(out *strings.Builder, c rest.PeerCertificate) {
	fmt.Fprintf(out, "     %s, signed by %s, %s, valid %s to %s\n", c.Subject, c.Issuer, c.Key,
		c.NotBefore.Format(time.DateOnly), c.NotAfter.Format(time.DateOnly))
	fmt.Fprintf(out, "       for %s; SHA-256 %s\n", strings.Join(c.Names, ", "), c.Fingerprint)
}
