package mtasts

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
	"postern/domain/mailaddr"
)

const rfcExample = "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\n" +
	"mx: backupmx.example.com\r\nmax_age: 604800\r\n"

var rfcPolicy = Policy{
	Mode: ModeEnforce, MX: []MXPattern{"mail.example.com", "*.example.net", "backupmx.example.com"}, MaxAge: 604800 * time.Second,
}

// TestPolicy holds the grammar of RFC 8461 §3.2.
func TestPolicy(t *testing.T) {
	hourly := Policy{Mode: ModeTesting, MX: []MXPattern{"mx.example.com"}, MaxAge: time.Hour}
	tests := []struct {
		name, text string
		want       Policy
	}{
		{"the RFC's example", rfcExample, rfcPolicy},
		{"lines that end in LF", strings.ReplaceAll(rfcExample, "\r\n", "\n"), rfcPolicy},
		{"no line end at the end", strings.TrimSpace(rfcExample), rfcPolicy},
		{"any order", "mx: mx.example.com\nmax_age: 3600\nmode: testing\nversion: STSv1\n", hourly},
		{"no blanks", "version:STSv1\nmode:testing\nmx:mx.example.com\nmax_age:3600", hourly},
		{"many blanks", "version: \tSTSv1 \nmode:  testing\t\nmx: mx.example.com \nmax_age: 3600  \n\n", hourly},
		{"unknown fields", "version: STSv1\nmode: testing\nx-new: a b: c é\nmx: mx.example.com\nmax_age: 3600\n", hourly},
		{"the first of repeated ones", "version: STSv1\nmode: testing\nmode: enforce\nmx: mx.example.com\nmax_age: 3600\nmax_age: x\nversion: 2\n", hourly},
		{"the same host twice", "version: STSv1\nmode: testing\nmx: mx.example.com\nmx: MX.example.com.\nmax_age: 3600\n", hourly},
		{"none without a host", "version: STSv1\nmode: none\nmax_age: 86400\n", Policy{Mode: ModeNone, MaxAge: 24 * time.Hour}},
		{"U-labels", "version: STSv1\nmode: testing\nmx: *.bücher.example\nmax_age: 0\n", Policy{Mode: ModeTesting, MX: []MXPattern{"*.xn--bcher-kva.example"}}},
		{"more than a year", "version: STSv1\nmode: none\nmax_age: 9999999999\n", Policy{Mode: ModeNone, MaxAge: MaxAge}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParsePolicy(tt.text)
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// TestPolicyRefused has what is no policy (RFC 8461 §3.2).
func TestPolicyRefused(t *testing.T) {
	const head, tail = "version: STSv1\nmode: enforce\n", "max_age: 3600\n"
	tests := map[string]string{
		"nothing":             "",
		"a page":              "<!DOCTYPE html>\n<html></html>\n",
		"no version":          "mode: enforce\nmx: a.example\nmax_age: 1\n",
		"another version":     "version: STSv2\nmode: enforce\nmx: a.example\nmax_age: 1\n",
		"no mode":             "version: STSv1\nmx: a.example\nmax_age: 1\n",
		"a mode nobody knows": "version: STSv1\nmode: report\nmx: a.example\nmax_age: 1\n",
		"a mode in capitals":  "version: STSv1\nmode: Enforce\nmx: a.example\nmax_age: 1\n",
		"an empty mode":       "version: STSv1\nmode:\nmode: enforce\nmx: a.example\nmax_age: 1\n",
		"no mx":               head + tail,
		"mx misspelt":         head + "mxs: a.example\n" + tail,
		"an empty mx":         head + "mx: \n" + tail,
		"an address":          head + "mx: 192.0.2.1\n" + tail,
		"an address literal":  head + "mx: [IPv6:2001:db8::1]\n" + tail,
		"a wildcard inside":   head + "mx: mx.*.example\n" + tail,
		"a wildcard alone":    head + "mx: *\n" + tail,
		"two wildcards":       head + "mx: *.*.example\n" + tail,
		"part of a label":     head + "mx: m*.example\n" + tail,
		"a leading dot":       head + "mx: .example.com\n" + tail,
		"no max_age":          head + "mx: a.example\n",
		"a negative max_age":  head + "mx: a.example\nmax_age: -1\n",
		"max_age in words":    head + "mx: a.example\nmax_age: 1d\n",
		"an absurd max_age":   head + "mx: a.example\nmax_age: 99999999999\n",
		"a line of nonsense":  head + "mx: a.example\n" + tail + "hello\n",
		"a bare CR":           "version: STSv1\rmode: enforce\rmx: a.example\rmax_age: 1\r",
		"no UTF-8":            head + "mx: a.example\n" + tail + "x: \xff\n",
		"64 KiB plus one":     head + "mx: a.example\n" + tail + "x: " + strings.Repeat("a", MaxText),
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := ParsePolicy(text)
			if domain.KindOf(err) != domain.Invalid || err == nil {
				t.Fatalf("got %v", err)
			}
			if len(err.Error()) > 400 || strings.ContainsAny(err.Error(), "\r\n") {
				t.Errorf("the error is unfit for a log: %q", err)
			}
		})
	}
}

// TestMatch is RFC 8461 §4.1.
func TestMatch(t *testing.T) {
	tests := []struct {
		pattern string
		host    mailaddr.DomainName
		want    bool
	}{
		{"mail.example.com", "mail.example.com", true},
		{"Mail.Example.COM.", "mail.example.com", true},
		{"mail.example.com", "a.mail.example.com", false},
		{"mail.example.com", "example.com", false},
		{"*.example.com", "mail.example.com", true},
		{"*.example.com", "a.b.example.com", false},
		{"*.example.com", "example.com", false},
		{"*.example.com", "mailexample.com", false},
		{"*.com", "example.com", true},
		{"*.bücher.example", "mx.xn--bcher-kva.example", true},
		{"*.example.com", "", false},
	}
	for _, tt := range tests {
		pattern, err := ParseMXPattern(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := (Policy{MX: []MXPattern{pattern}}).Lists(tt.host); got != tt.want {
			t.Errorf("%s, host %s: got %t", tt.pattern, tt.host, got)
		}
	}
}

// FuzzPolicy shows that a policy that is understood can be written and is understood
// the same again.
func FuzzPolicy(f *testing.F) {
	for _, seed := range []string{
		rfcExample, "version: STSv1\nmode: none\nmax_age: 0", "version: STSv1\nmode: testing\nmx: *.bücher.example\nmax_age: 9999999999\n",
		"mode: enforce\nmx: 192.0.2.1\n", "version: STSv1\nmode: enforce\nmx: a\nmx: a\nmax_age: 1\nnew: \xc3\xa9\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePolicy(text)
		if err != nil {
			return
		}
		if len(p.MX) == 0 && p.Mode != ModeNone || p.MaxAge < 0 || p.MaxAge > MaxAge {
			t.Fatalf("%+v", p)
		}
		again, err := ParsePolicy(p.String())
		if diff := cmp.Diff(p, again); diff != "" || err != nil {
			t.Fatalf("%v (-first +again):\n%s", err, diff)
		}
	})
}
