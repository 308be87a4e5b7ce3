package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"postern/domain/delivery"
)

// row is what one step of the demo showed.
type row struct {
	Number  int    `json:"number"`
	Message string `json:"message"`
	From    string `json:"from"`
	To      string `json:"to"`
	// Level and Reasons are the decision: outbound that of the attempt, inbound
	// that of the mail flow policy.
	Level    string              `json:"tls_level"`
	Reasons  []string            `json:"reasons"`
	TLS      delivery.SessionTLS `json:"tls"`
	Expected string              `json:"expected"`
	Got      string              `json:"got"`
	// Detail is the outcome in the gateway's words, and what went wrong.
	Detail string `json:"detail,omitempty"`
	OK     bool   `json:"ok"`

	letter int // number of the row whose message this is about; 0: this one's
}

// messageID is the Message-ID field of the row's message.
func (r *row) messageID() string {
	return fmt.Sprintf("<demo-%d@%s>", cmp.Or(r.letter, r.Number), senderDomain)
}

// content is the row's message.
func (r *row) content() string {
	return fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: %s\r\nMessage-ID: %s\r\n\r\nThe demo's message %d.\r\n",
		r.From, r.To, r.Message, r.messageID(), r.Number)
}

// judge compares what came out with what must. err says why the step could not
// be taken to its end.
func (r *row) judge(level string, err error) {
	var faults []string
	if err != nil {
		faults = append(faults, err.Error())
	}
	if r.Got == "" {
		r.Got = "nothing"
	}
	if r.Level != level {
		faults = append(faults, fmt.Sprintf("the level is %q, not %q", r.Level, level))
	}
	r.OK = r.Got == r.Expected && len(faults) == 0
	if r.Detail != "" {
		faults = append([]string{r.Detail}, faults...)
	}
	r.Detail = strings.Join(faults, "; ")
}

func countWrong(rows []row) (wrong int) {
	for _, r := range rows {
		if !r.OK {
			wrong++
		}
	}
	return wrong
}

func writeJSON(out io.Writer, rows []row) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(rows)
}

// writeTable prints two lines a row, and below why rows went wrong.
func writeTable(out io.Writer, rows []row) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "\n\tMESSAGE\tTLS LEVEL\tTLS\tEXPECTED\n\tfrom → to\tdecided by\tcertificate\tcame out\n")
	for _, r := range rows {
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\n", r.Number, r.Message, r.Level, tlsVersion(r.TLS), r.Expected)
		fmt.Fprintf(table, "\t%s → %s\t%s\t%s\t%s\n", r.From, r.To, strings.Join(r.Reasons, ", "), verification(r.TLS), verdict(r))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%d of %d as expected.\n", len(rows)-countWrong(rows), len(rows))
	for _, r := range rows {
		if !r.OK {
			fmt.Fprintf(out, "  %d: %s\n", r.Number, r.Detail)
		}
	}
	return nil
}

func verdict(r row) string {
	if r.OK {
		return "✓ " + r.Got
	}
	return "✗ " + r.Got
}

func tlsVersion(t delivery.SessionTLS) string {
	if !t.Encrypted() {
		return "clear"
	}
	return t.Version
}

// verification says in few words how the certificate fared.
func verification(t delivery.SessionTLS) string {
	switch reason, _, _ := strings.Cut(t.Verification, ":"); {
	case !t.Encrypted():
		return "-"
	case t.Verified:
		return t.Verification
	default:
		return "not verified: " + reason
	}
}
