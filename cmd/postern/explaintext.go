package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"postern/api/rest"
	"postern/domain/policy"
)

// writeDestination prints how mail to a domain would leave.
func writeDestination(out *strings.Builder, d *rest.DestinationExplanation) {
	fmt.Fprintf(out, "%s, by revision %d\n", d.Domain, d.Revision)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "  TLS\t%s\n", describeSettings(d.TLSSettings))
	fmt.Fprintf(table, "  route\t%s\n", describeRoute(d.Route))
	if d.MX != nil {
		fmt.Fprintf(table, "  MX\t%s\n", describeMX(d.MX))
	}
	if d.MTASTS != nil {
		fmt.Fprintf(table, "  MTA-STS\t%s\n", describeMTASTS(d.MTASTS))
	}
	values := fieldValues(d.Control)
	for i, origin := range d.ControlOrigins {
		label := ""
		if i == 0 {
			label = "control"
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\tfrom %s\n", label, origin.Field,
			cmp.Or(values[origin.Field], d.TLSSettings.MinVersion.String()), origin.Entry)
	}
	_ = table.Flush() // a builder takes everything
	if o := d.Outcome; o != nil {
		fmt.Fprintf(out, "\n  No host is tried: %s\n", o)
	}
	if d.LeftOut != "" {
		fmt.Fprintf(out, "\n  %s.\n", d.LeftOut)
	}
	for i, candidate := range d.Candidates {
		fmt.Fprintf(out, "\n  %d. %s\n", i+1, describeCandidate(candidate))
		writeDecision(out, candidate)
	}
}

func describeSettings(s rest.TLSSettings) string {
	state := func(on bool) string { return map[bool]string{true: "on", false: "off"}[on] }
	return fmt.Sprintf("enabled %s, send_starttls %s, retry_without_tls %s, min_version %s",
		state(s.Enabled), state(s.SendSTARTTLS), state(s.RetryWithoutTLS), s.MinVersion)
}

func describeRoute(r *rest.Route) string {
	if r == nil {
		return "none: MX records decide"
	}
	hops := make([]string, len(r.NextHops))
	for i, hop := range r.NextHops {
		hops[i] = fmt.Sprintf("%s (priority %d)", hop, hop.Priority)
	}
	text := r.Pattern.String() + " to " + strings.Join(hops, ", ")
	if r.PolicyDomain {
		text += ", the domain's published policy applies"
	}
	return text
}

func describeMX(mx *rest.MXEvidence) string {
	switch {
	case mx.Problem != "":
		return mx.Problem
	case mx.Null:
		return "null MX: the domain takes no mail"
	case mx.Implicit:
		return "none: the domain itself is the host"
	}
	records := make([]string, len(mx.Records))
	for i, r := range mx.Records {
		records[i] = fmt.Sprintf("%d %s", r.Preference, r.Host)
	}
	if mx.Authenticated {
		records = append(records, "authenticated by DNSSEC")
	}
	return strings.Join(records, ", ")
}

func describeMTASTS(e *rest.MTASTSEvidence) string {
	var parts []string
	switch {
	case e.Unknown:
		parts = append(parts, "cannot be found out: mail waits")
	case !e.Applies:
		parts = append(parts, "no policy is in force")
	default:
		parts = append(parts, fmt.Sprintf("%s, id %s, for %s", e.Policy.Mode, e.Policy.ID, strings.Join(e.Policy.MX, " ")))
		if e.Policy.Pin != nil {
			parts = append(parts, "pinned")
		} else if e.Policy.ExpiresAt != nil {
			parts = append(parts, "until "+e.Policy.ExpiresAt.Format(time.RFC3339))
		}
	}
	if e.Problem != "" {
		parts = append(parts, e.Problem+" "+e.Detail)
	}
	return strings.Join(parts, "; ")
}

// fieldValues are the fields of a document as text.
func fieldValues(document any) map[string]string {
	var fields map[string]any
	encoded, err := json.Marshal(document)
	if err == nil {
		err = json.Unmarshal(encoded, &fields)
	}
	if err != nil {
		return nil // it came as a document
	}
	values := map[string]string{}
	for name, value := range fields {
		if _, nested := value.(map[string]any); nested {
			encoded, _ := json.Marshal(value)
			values[name] = string(encoded)
		} else {
			values[name] = fmt.Sprint(value)
		}
	}
	return values
}

func describeCandidate(c rest.CandidateExplanation) string {
	text := fmt.Sprintf("%s %s", c.Host, c.Address)
	if c.Problem != "" {
		text = c.Host + ": " + c.Problem
	}
	if c.Resting {
		text += " (out of reach lately: tried last)"
	}
	if c.NoTLSHost {
		text += " (on the one-hour list)"
	}
	return text
}

// writeDecision prints what was decided for an address, and which rules led
// there: those that apply, and those that were overruled.
func writeDecision(out *strings.Builder, c rest.CandidateExplanation) {
	if c.Decision == nil {
		return
	}
	fmt.Fprintf(out, "     %s\n", describeDecision(*c.Decision))
	if c.Summary != "" {
		fmt.Fprintf(out, "     %s\n", c.Summary)
	}
	for _, reason := range c.Decision.Reasons {
		writeReason(out, reason)
	}
	if len(c.Ladder) > 0 {
		fmt.Fprintf(out, "     ladder: %s\n", describeLadder(c.Ladder))
	}
}

func describeDecision(d policy.Decision) string {
	text := fmt.Sprintf("TLS %s, version %s or later", d.Level, d.MinVersion)
	for _, check := range d.Checks {
		text += ", certificate checked for " + string(check)
	}
	if d.BounceAtOnce {
		text += ", bounced at once where it fails"
	}
	if d.RequireTLS {
		text += ", REQUIRETLS"
	}
	return text
}

func writeReason(out *strings.Builder, r policy.Reason) {
	text := fmt.Sprintf("     ✓ %s %s asks for %s", r.Rule, r.Entry, r.Asks)
	if r.OverruledBy != "" {
		text = fmt.Sprintf("     ✗ %s %s asked for %s, overruled by %s", r.Rule, r.Entry, r.Asks, r.OverruledBy)
	}
	if r.Because != "" {
		text += fmt.Sprintf(" (%s)", r.Because)
	}
	if r.Expires != nil {
		text += " until " + r.Expires.UTC().Format(time.RFC3339)
	}
	out.WriteString(text + "\n")
}

func describeLadder(ladder []rest.LadderRung) string {
	rungs := make([]string, len(ladder))
	for i, r := range ladder {
		rungs[i] = describeRung(r)
	}
	return strings.Join(rungs, ", then ")
}

func describeRung(r rest.LadderRung) string {
	switch {
	case r.TLSLevel == policy.TLSNone:
		return "in clear"
	case r.SmallClientHello:
		return r.TLSLevel.String() + " with a small ClientHello"
	}
	return r.TLSLevel.String()
}

// describeNames tells the names of a client, or why there are none.
func describeNames(c *rest.ClientExplanation) string {
	if !c.NamesLookedUp {
		return "not looked up: no sender group or exemption here goes by name"
	}
	return cmp.Or(strings.Join(c.Names, ", "), c.NamesProblem, "none: the address has no PTR record")
}

// writeClient prints what a client would be allowed.
func writeClient(out *strings.Builder, c *rest.ClientExplanation) {
	fmt.Fprintf(out, "%s on listener %s, by revision %d\n", c.Address, c.Listener, c.Revision)
	fmt.Fprintf(out, "  names        %s\n", describeNames(c))
	if s := c.Stricter; s != nil {
		fmt.Fprintf(out, "  turned away  421 4.4.3 until the names are known: sender group %s above, of host names, %s\n", s.Name, s.Asks)
	}
	for _, group := range c.SenderGroups {
		fmt.Fprintf(out, "  sender group %s, policy %s: %s\n", group.Name, group.Policy, group.Action)
	}
	fmt.Fprintf(out, "  STARTTLS     offered: %t, required: %t\n", c.OffersSTARTTLS, c.RequiresTLS)
	for _, reason := range c.Reasons {
		if e := c.Exemption; e != nil && reason.Rule == "starttls_exemption" {
			reason.Because, reason.Expires = e.Reason, e.Expires
		}
		writeReason(out, reason)
	}
}

// writeMessage prints what becomes of a message.
func writeMessage(out *strings.Builder, m *rest.MessageExplanation) {
	fmt.Fprintf(out, "%s is %s. %s\n", m.ID, m.State, m.Why)
	if m.RequireTLS {
		out.WriteString("It is flagged REQUIRETLS.\n")
	}
	if m.TLSRequiredNo {
		out.WriteString("Its header says TLS-Required: No.\n")
	}
	for _, group := range m.Groups {
		recipients := make([]string, len(group.Recipients))
		for i, r := range group.Recipients {
			recipients[i] = fmt.Sprintf("%s (%s)", r.Address, r.State)
		}
		fmt.Fprintf(out, "\n%s\n%s\n", strings.Join(recipients, ", "), group.Why)
		if a := group.LastAttempt; a != nil {
			fmt.Fprintf(out, "\nThe last attempt, at %s, by revision %d:\n", a.At.Format(time.RFC3339), a.Revision)
			writeAttempt(out, a)
		}
		if group.Destination != nil {
			out.WriteString("\nAn attempt now:\n")
			writeDestination(out, group.Destination)
		}
	}
}

// writeAttempt prints the hosts that an attempt looked at, and the decision for
// the one that settled it.
func writeAttempt(out *strings.Builder, a *rest.Attempt) {
	for _, h := range a.Hosts {
		fmt.Fprintf(out, "  %s %s, as %s, ended at %s: %s\n", h.Host, h.Address, h.Level, h.Stage, h.Result)
	}
	writeDecision(out, rest.CandidateExplanation{Decision: &a.Decision})
}
