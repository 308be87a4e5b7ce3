package tlsrpt

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var day = time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)

func example() Report {
	return Report{
		Organization: "Sender", Contact: "tls@sender.example", ID: "2026-11-25@sender.example",
		Range: DateRange{day, day.Add(24*time.Hour - time.Second)},
		Policies: []PolicyResult{{
			Policy:  Policy{Type: STS, Domain: "a.example", Strings: []string{"version: STSv1", "mode: testing"}, MXHosts: []string{"*.a.example"}},
			Summary: Summary{Successful: 5326, Failed: 303},
			Failures: []Failure{{
				Result: "certificate-expired", SendingIP: "2001:db8::1", MXHost: "mx1.a.example", ReceivingIP: "192.0.2.1", Sessions: 303,
			}},
		}, {Policy: Policy{Type: NoPolicyFound, Domain: "a.example"}, Summary: Summary{Successful: 1}}},
	}
}

func TestReportSurvivesTheWayByMailAndByHTTPS(t *testing.T) { // B64, B65
	letter := Letter{
		From: "tls@sender.example", To: "rua@a.example", MessageID: "1@sender.example", Date: day, Domain: "a.example",
		Submitter: "sender.example", Report: example(),
	}
	message, err := letter.Format()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Content-Type: multipart/report; report-type=\"tlsrpt\"", "TLS-Report-Domain: a.example\r\n", "TLS-Required: No\r\n",
		"TLS-Report-Submitter: sender.example\r\n", "filename=\"sender.example!a.example!1795564800!1795651199.json.gz\"",
	} {
		if !bytes.Contains(message, []byte(want)) {
			t.Errorf("the message lacks %q", want)
		}
	}
	got, err := FromMessage(bytes.NewReader(message))
	if diff := cmp.Diff(example(), got); diff != "" || err != nil {
		t.Errorf("by mail: %v\n%s", err, diff)
	}
	compressed, err := Compress(example())
	if err != nil {
		t.Fatal(err)
	}
	got, err = Open(bytes.NewReader(compressed))
	if diff := cmp.Diff(example(), got); diff != "" || err != nil {
		t.Errorf("by HTTPS: %v\n%s", err, diff)
	}
	if sum := got.Sum(); sum != (Summary{5327, 303}) {
		t.Errorf("sum %+v", sum)
	}
}

// What reporters in the field get wrong is read all the same.
func TestTolerance(t *testing.T) {
	r, err := Decode([]byte(`{"organization-name":7,"date-range":"today","policies":{"policy":{"policy-type":"sts",
		"policy-domain":"a.example","policy-string":"version: STSv1","mx-host":["a",3]},
		"summary":{"total-successful-session-count":"12"},"failure-details":{"failed-session-count":2,"result-type":null}}}`))
	want := Report{Policies: []PolicyResult{{
		Policy:  Policy{Type: STS, Domain: "a.example", Strings: []string{"version: STSv1"}, MXHosts: []string{"a"}},
		Summary: Summary{Successful: 12}, Failures: []Failure{{Sessions: 2}},
	}}}
	if diff := cmp.Diff(want, r); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

func policyWith(count string) string {
	return `{"policies":[{"policy":{"policy-domain":"a.example"},"summary":{"total-failure-session-count":` + count + `}}]}`
}

func TestRefusedReports(t *testing.T) {
	for name, content := range map[string]string{
		"empty": "", "not JSON": "hello", "truncated": policyWith("1")[:40], "a list": "[]", "no policies": `{"policies":[]}`,
		"no domain": `{"policies":[{}]}`, "overflow": policyWith("99999999999999999999999"), "too many": policyWith("9223372036854775807"),
		"negative": policyWith("-1"), "fraction": policyWith("1.5"), "object": policyWith("{}"), "word": policyWith(`"many"`),
		"deep": strings.Repeat(`{"policies":[`, 100_000),
	} {
		if r, err := Open(strings.NewReader(content)); err == nil {
			t.Errorf("%s is read as %+v", name, r)
		}
	}
}

func TestBombsAreRefused(t *testing.T) {
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	fmt.Fprintf(zip, `{"organization-name":"%s"}`, strings.Repeat("a", MaxExpanded))
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(&b); !errors.Is(err, ErrTooLarge) {
		t.Errorf("expanded: %v", err)
	}
	if _, err := Open(strings.NewReader(strings.Repeat(" ", MaxCompressed+1))); !errors.Is(err, ErrTooLarge) {
		t.Errorf("compressed: %v", err)
	}
	if _, err := Decode([]byte(`{"policies":[` + strings.Repeat("{},", maxPolicies) + `{}]}`)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("policies: %v", err)
	}
}

func TestRecords(t *testing.T) {
	for _, c := range []struct {
		texts []string
		want  string
	}{
		{[]string{"v=TLSRPTv1; rua=mailto:reports@a.example"}, "mailto:reports@a.example"},
		{[]string{"v=spf1 -all", "v=TLSRPTv1;rua=https://a.example/v1, mailto:b@a.example ; x=y;"}, "https://a.example/v1 mailto:b@a.example"},
		{[]string{"v=TLSRPTv1; rua=mailto:a%2Cb@a.example,ftp://x"}, ""},
		{[]string{"v=TLSRPTv1; rua=mailto:x%21y@a.example,ftp://x"}, "mailto:x!y@a.example"},
		{[]string{"v=TLSRPTv1; rua=mailto:a@a.example", "v=TLSRPTv1; rua=mailto:b@a.example"}, ""},
		{[]string{"v=TLSRPTv2; rua=mailto:a@a.example"}, ""},
		{[]string{"v=TLSRPTv1"}, ""},
		{[]string{"v=TLSRPTv1; rua=https://u:p@a.example/"}, ""},
		{nil, ""},
	} {
		targets, err := ParseRecords(c.texts)
		var got []string
		for _, target := range targets {
			got = append(got, target.String())
		}
		if strings.Join(got, " ") != c.want || (err == nil) != (c.want != "") || err != nil && !errors.Is(err, ErrNoRecord) {
			t.Errorf("%q: %q, %v", c.texts, got, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	content, err := Compress(example())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content)
	f.Add([]byte(policyWith(`"3"`)))
	f.Fuzz(func(t *testing.T, content []byte) {
		r, err := Open(bytes.NewReader(content))
		if err != nil {
			return
		}
		if sum := r.Sum(); len(r.Policies) == 0 || sum.Successful < 0 || sum.Failed < 0 {
			t.Errorf("read as %+v", r)
		}
	})
}

func FuzzFromMessage(f *testing.F) {
	message, err := Letter{From: "a@b.example", To: "c@d.example", Domain: "d.example", Submitter: "b.example", Report: example()}.Format()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(message)
	f.Add([]byte("Content-Type: application/tlsrpt+json\n\n" + policyWith("1")))
	f.Fuzz(func(t *testing.T, message []byte) {
		if r, err := FromMessage(bytes.NewReader(message)); err == nil && len(r.Policies) == 0 {
			t.Error("a report without policies")
		}
	})
}

func FuzzParseRecords(f *testing.F) {
	f.Add("v=TLSRPTv1; rua=mailto:reports@a.example,https://a.example/v1")
	f.Fuzz(func(t *testing.T, text string) {
		targets, err := ParseRecords([]string{text})
		if (err == nil) != (len(targets) > 0) || len(targets) > maxTargets {
			t.Errorf("%q: %v, %v", text, targets, err)
		}
	})
}
