package main

import (
	"strings"
	"testing"
	"time"
)

// B48: whatever an authority refuses, the job has its words, an alert is open, the
// certificate before stays, and the pause that the authority asks for is honoured.
func TestACMERefusals(t *testing.T) {
	for kind, request := range map[string]string{
		"rateLimited": "order", "rejectedIdentifier": "order", "caa": "finalize", "badCSR": "finalize",
		"orderNotReady": "finalize", "externalAccountRequired": "account",
	} {
		t.Run(kind, func(t *testing.T) {
			g, ca := acmeGateway(t, "http-01")
			ca.refusals = map[string]string{request: kind}
			before := g.active()
			if done := g.order(); done.State != "failed" || !strings.Contains(done.Problem.Detail, kind+" says the authority") {
				t.Errorf("order %+v", done)
			}
			if g.active().ID != before.ID {
				t.Error("the certificate is another one")
			}
			if alerts := string(g.must("GET", "/alerts?state=open", "").body); !strings.Contains(alerts, kind+" says the authority") {
				t.Errorf("alerts %s", alerts)
			}
			known, err := g.database.ACME().Renewal(t.Context())
			if err != nil || known.Failures != 1 || time.Until(known.NextTry) < 47*time.Hour {
				t.Errorf("renewal %+v, %v", known, err)
			}
		})
	}
}

// B48: the second directory is asked where the first one refuses.
func TestACMEFallbackDirectory(t *testing.T) {
	g, ca := acmeGateway(t, "http-01")
	g.must("PATCH", "/settings/acme?wait=5s", `{"directory_url":"https://127.0.0.1:1/directory","fallback_directory_url":"`+ca.URL+`/directory"}`)
	if done := g.order(); done.State != "succeeded" || done.Result.Directory != ca.URL+"/directory" {
		t.Errorf("order %+v", done)
	}
}
