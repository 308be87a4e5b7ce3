package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"postern/api/rest/apifuzz"
	"postern/api/rest/contract"
	"postern/smtp/smtptest"
)

// Every operation of the document, asked right and wrong: no reply is outside
// the document, and none is a 500. scripts/interop/apifuzz.sh asks far more.
func TestEveryOperationKeepsToItsDocument(t *testing.T) {
	g := newGateway(t, t.TempDir())
	report, err := apifuzz.Run(t.Context(), apifuzz.Target{
		URL: "http://" + g.APIAddr(), Tokens: g.moreTokens(4),
		Client: &http.Client{
			Timeout:       smtptest.Timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, apifuzz.Options{Seed: 1, PerOperation: 15, Skip: reachesOut, Pins: apifuzz.Loopback})
	if err != nil {
		t.Fatal(err)
	}
	for _, finding := range report.Findings {
		t.Error(finding)
	}
	t.Logf("%d operations, %d requests, replies %v", report.Operations, report.Requests, report.Statuses)
	if report.Requests < 10*report.Operations || report.Statuses[http.StatusOK] == 0 {
		t.Errorf("only %d requests to %d operations, replies %v", report.Requests, report.Operations, report.Statuses)
	}
}

// reachesOut are the operations that talk to others by what the request says: a
// test has no business on the network.
func reachesOut(o contract.Operation) bool {
	return strings.HasSuffix(o.Path, "/test") || strings.HasPrefix(o.Path, "/tls/")
}

// moreTokens makes tokens of administrators, so that no one comes near its rate.
func (g *gateway) moreTokens(n int) []string {
	g.t.Helper()
	var tokens []string
	for i := range n {
		made := g.must("POST", "/tokens", fmt.Sprintf(`{"name":"fuzz-%d","role":"admin"}`, i))
		var token struct{ Secret string }
		if err := json.Unmarshal(made.body, &token); err != nil {
			g.t.Fatal(err)
		}
		tokens = append(tokens, token.Secret)
	}
	return tokens
}
