package scan

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain/policy"
	"postern/domain/probe"
	"postern/smtp/smtptest"
)

// A live test tells for each server how far it came (B32).
func TestStagedTest(t *testing.T) {
	r := newRig(t)
	good := smtptest.NewCore(t, secure(r.ca, t))
	blocking := smtptest.NewCore(t, smtptest.CoreOptions{Result: "Blocked", BlockedReason: "Infected"})
	refusing := smtptest.NewCore(t, smtptest.CoreOptions{APIKey: "secret"})
	untrusted := smtptest.NewCore(t, smtptest.CoreOptions{Certificate: smtptest.SelfSigned(t, smtptest.Leaf{Names: []string{"x.test"}}).TLS})
	got, err := r.Test(t.Context(), policy.CoreProfile{Name: "core", URIs: []string{
		good.URI(), blocking.URI(), refusing.URI(), untrusted.URI(), closedURI(t),
	}})
	if err != nil {
		t.Fatal(err)
	}
	var steps []string
	for _, s := range got.Servers {
		steps = append(steps, outline(s))
	}
	want := []string{
		"connect tls submit result, passed",
		"connect submit result (a harmless text is blocked: Infected)",
		"connect submit (the server answers 403 Access denied)",
		"connect tls (TLS: the certificate is not trusted: self_signed: the certificate is signed by itself and not in the trust store)",
		"connect (dial tcp: connection refused)",
	}
	if diff := cmp.Diff(want, steps); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if got.Passed() {
		t.Error("the profile passed as a whole")
	}
	if s := good.Submissions(); len(s) != 1 || s[0].Filename != "test.txt" {
		t.Errorf("submitted: %+v", s)
	}
}

// outline is the steps in words, with the detail of the one that failed.
func outline(s probe.InspectedServer) string {
	var words []string
	for _, step := range s.Steps {
		word := string(step.Stage)
		if !step.OK {
			before, after, _ := strings.Cut(step.Detail, " 127.0.0.1:")
			_, after, _ = strings.Cut(after, "connect")
			word += " (" + before + after + ")"
		}
		words = append(words, word)
	}
	text := strings.Join(words, " ")
	if s.Passed() {
		text += ", passed"
	}
	return text
}
