package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/kolo/xmlrpc"

	"postern/smtp/smtptest"
)

// basicAuth adds HTTP Basic to each request.
type basicAuth string

func (b basicAuth) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("x:"+string(b))))
	return http.DefaultTransport.RoundTrip(r)
}

// A script that failed reports by XML-RPC: an alert is open, and the letter is
// with the address that the script named.
func TestScriptReportsByXMLRPC(t *testing.T) { // B49
	g := newGateway(t, t.TempDir())
	operators := smtptest.NewMX(t, smtptest.MXOptions{})
	g.must("PUT", "/settings/alerts", fmt.Sprintf(`{"smart_host":%q}`, operators.Addr()))
	client, err := xmlrpc.NewClient("http://"+g.APIAddr()+"/RPC2", basicAuth(g.token))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	var made struct {
		ID         string `xmlrpc:"id"`
		Key        string `xmlrpc:"key"`
		Recipients int    `xmlrpc:"recipients"`
	}
	report := map[string]any{"subject": "No certificate", "text": "rateLimited", "to": []string{"postmaster@example.com"}}
	if err := client.Call("alert.send", report, &made); err != nil {
		t.Fatal(err)
	}
	letter := operators.WaitMessages(t, 1)[0]
	if letter.Recipients[0].Address != "postmaster@example.com" || !strings.Contains(string(letter.Content), "rateLimited") {
		t.Errorf("to %v: %s", letter.Recipients, letter.Content)
	}
	told := g.alert(made.Key, func(a shownAlert) bool {
		return len(a.Notices) == 1 && a.Notices[0].State == "sent"
	}, "the recipient is noted as told")
	if told.ID != made.ID || made.Recipients != 1 {
		t.Errorf("%+v, answered as %+v", told, made)
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}
