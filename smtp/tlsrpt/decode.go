package tlsrpt

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Bounds on a report from outside. The largest that are seen have some hundred
// policies.
const (
	MaxCompressed = 1 << 20
	MaxExpanded   = 8 << 20
	maxPolicies   = 1000
	maxFailures   = 10_000 // of one policy
	maxStrings    = 200    // of one policy
	maxText       = 1000   // octets
	// maxCount bounds a count, so that no sum of counts overflows.
	maxCount = 1_000_000_000_000
)

// The errors of the reader.
var (
	ErrTooLarge = errors.New("the report is too large")
	ErrNoReport = errors.New("it holds no TLS report")
)

// Open reads a report that may be compressed with gzip, which its first octets tell
// (RFC 8460 §5.6: the body is believed, not what is said about it).
func Open(r io.Reader) (Report, error) {
	compressed, err := readAtMost(r, MaxCompressed)
	if err != nil {
		return Report{}, err
	}
	expanded, err := expand(compressed)
	if err != nil {
		return Report{}, err
	}
	return Decode(expanded)
}

func expand(content []byte) ([]byte, error) {
	if !bytes.HasPrefix(content, []byte{0x1f, 0x8b}) {
		return content, nil
	}
	unzip, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("the gzip header: %w", err)
	}
	return readAtMost(unzip, MaxExpanded)
}

// readAtMost reads everything, and fails beyond the bound.
func readAtMost(r io.Reader, bound int64) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(r, bound+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the report: %w", err)
	case int64(len(content)) > bound:
		return nil, ErrTooLarge
	}
	return content, nil
}

// Decode reads the JSON of a report. Fields of a wrong type count as absent, where
// a reader can do without; a report without a policy or with a count that is none is
// refused.
func Decode(content []byte) (Report, error) {
	if len(content) > MaxExpanded {
		return Report{}, ErrTooLarge
	}
	var top object
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	if err := decoder.Decode(&top); err != nil {
		return Report{}, fmt.Errorf("the JSON of the report: %w", err)
	}
	dates := top.object("date-range")
	r := Report{
		Organization: top.text("organization-name"), Contact: top.text("contact-info"), ID: top.text("report-id"),
		Range: DateRange{dates.time("start-datetime"), dates.time("end-datetime")},
	}
	policies := top.list("policies")
	switch {
	case len(policies) == 0:
		return Report{}, fmt.Errorf("%w: there are no policies", ErrNoReport)
	case len(policies) > maxPolicies:
		return Report{}, ErrTooLarge
	}
	for i, p := range policies {
		result, err := decodePolicy(asObject(p))
		if err != nil {
			return Report{}, fmt.Errorf("policy %d: %w", i, err)
		}
		r.Policies = append(r.Policies, result)
	}
	return r, nil
}

func decodePolicy(o object) (p PolicyResult, err error) {
	policy, summary := o.object("policy"), o.object("summary")
	p.Policy = Policy{
		Type: PolicyType(policy.text("policy-type")), Domain: policy.text("policy-domain"),
		Strings: policy.texts("policy-string"), MXHosts: policy.texts("mx-host"),
	}
	if p.Policy.Domain == "" {
		return p, fmt.Errorf("%w: there is no policy-domain", ErrNoReport)
	}
	if p.Summary.Successful, err = summary.count("total-successful-session-count"); err != nil {
		return p, err
	}
	if p.Summary.Failed, err = summary.count("total-failure-session-count"); err != nil {
		return p, err
	}
	failures := o.list("failure-details")
	if len(failures) > maxFailures {
		return p, ErrTooLarge
	}
	for _, f := range failures {
		failure, err := decodeFailure(asObject(f))
		if err != nil {
			return p, err
		}
		p.Failures = append(p.Failures, failure)
	}
	return p, nil
}

func decodeFailure(o object) (f Failure, err error) {
	f = Failure{
		Result: o.text("result-type"), SendingIP: o.text("sending-mta-ip"), MXHost: o.text("receiving-mx-hostname"),
		MXHello: o.text("receiving-mx-helo"), ReceivingIP: o.text("receiving-ip"),
		Information: o.text("additional-information"), Reason: o.text("failure-reason-code"),
	}
	f.Sessions, err = o.count("failed-session-count")
	return f, err
}

// object is a JSON object of which nothing is certain.
type object map[string]any

func asObject(v any) object {
	switch v := v.(type) {
	case object:
		return v
	case map[string]any:
		return v
	}
	return nil
}

func (o object) object(name string) object { return asObject(o[name]) }

// list returns a list; a single value counts as a list of one.
func (o object) list(name string) []any {
	switch v := o[name].(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

func (o object) text(name string) string { return cleaned(o[name]) }

func (o object) texts(name string) (texts []string) {
	list := o.list(name)
	for _, v := range list[:min(len(list), maxStrings)] {
		if text := cleaned(v); text != "" {
			texts = append(texts, text)
		}
	}
	return texts
}

// cleaned returns a text, bounded and without control characters; nothing for
// another type.
func cleaned(v any) string {
	text, ok := v.(string)
	if !ok {
		return ""
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text[:min(len(text), maxText)])
	return strings.TrimSpace(strings.ToValidUTF8(text, "\uFFFD"))
}

// count reads a count, which some reporters write as a string. An absent one is 0.
func (o object) count(name string) (int64, error) {
	var digits string
	switch v := o[name].(type) {
	case nil:
		return 0, nil
	case json.Number:
		digits = v.String()
	case string:
		digits = strings.TrimSpace(v)
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > maxCount {
		return 0, fmt.Errorf("%s is no count of sessions", name)
	}
	return n, nil
}

// time reads a time; the zero time where there is none.
func (o object) time(name string) time.Time {
	at, err := time.Parse(time.RFC3339, o.text(name))
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}
