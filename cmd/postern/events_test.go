package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"postern/smtp/smtptest"
)

// shownEvent is what the tests read of an event.
type shownEvent struct {
	Number  int64
	Type    string
	Subject struct{ Kind, Key string }
	Data    map[string]any
}

// eventAfter waits for an event of the type behind a number, and returns it.
func (g *gateway) eventAfter(after int64, eventType string) (found shownEvent) {
	g.t.Helper()
	smtptest.Eventually(g.t, func() bool {
		list := decode[struct{ Items []shownEvent }](g.t, g.must("GET", fmt.Sprintf("/events?limit=1000&after=%d&types=%s", after, eventType), "")).Items
		if len(list) > 0 {
			found = list[0]
		}
		return len(list) > 0
	}, "an event "+eventType)
	return found
}

func (g *gateway) newestEvent() int64 {
	g.t.Helper()
	return decode[struct{ Newest int64 }](g.t, g.must("GET", "/events?limit=1", "")).Newest
}

func TestWhatHappensIsInTheLog(t *testing.T) {
	g := newGateway(t, t.TempDir())
	g.eventAfter(0, "certificate.activated")
	g.eventAfter(0, "configuration.committed")
	g.eventAfter(0, "configuration.applied")

	begun := g.newestEvent()
	token := decode[struct{ ID string }](t, g.must("POST", "/tokens", `{"name":"robot","role":"viewer"}`))
	if e := g.eventAfter(begun, "token.created"); e.Subject.Key != token.ID || e.Data["name"] != "robot" {
		t.Errorf("%+v", e)
	}
	g.must("DELETE", "/tokens/"+token.ID, "")
	g.eventAfter(begun, "token.deleted")

	made := decode[struct{ ID string }](t, g.must("POST", "/certificates/self-signed", `{"host_name":"mail.example.com"}`))
	if e := g.eventAfter(begun, "certificate.created"); e.Subject.Key != made.ID {
		t.Errorf("%+v", e)
	}
	g.must("DELETE", "/certificates/"+made.ID, "")
	g.eventAfter(begun, "certificate.deleted")

	g.must("PUT", "/routes/example.org?wait=5s", `{"next_hops":[{"host":"192.0.2.1"}]}`)
	if e := g.eventAfter(begun, "configuration.committed"); e.Data["changes"] != 1.0 {
		t.Errorf("%+v", e)
	}
	g.eventAfter(begun, "configuration.applied")
}

func TestWhatHappensToMailIsInTheLog(t *testing.T) {
	g := newGateway(t, t.TempDir())
	refusing := smtptest.NewMX(t, smtptest.MXOptions{StartTLS: smtptest.StartTLSHidden})
	g.routeTo("ALL", refusing)
	g.switchOnTLS()
	g.must("PUT", "/destination-controls/example.org?wait=5s", `{"tls_level":"required"}`)
	begun := g.newestEvent()
	g.session("outbound").Send("ann@example.com", []string{"bob@example.org"}, "Subject: x\r\n\r\nx\r\n")
	if e := g.eventAfter(begun, "tls.failed"); e.Subject.Key != "example.org" {
		t.Errorf("%+v", e)
	}
	g.eventAfter(begun, "alert.opened")
	g.must("POST", "/messages/actions", `{"action":"hold","filter":{}}`)
	g.eventAfter(begun, "message.held")
	g.must("POST", "/messages/actions", `{"action":"release","filter":{}}`)
	g.eventAfter(begun, "message.released")
}

// A stream that is cut by a restart goes on behind it: every event once.
func TestAStreamOfEventsGoesOnOverARestart(t *testing.T) {
	dir := t.TempDir()
	g := newGateway(t, dir)
	token := g.token
	var numbers []string
	lastID := "0"
	for round := range 3 {
		for i := range 5 {
			g.must("PUT", fmt.Sprintf("/routes/r%d-%d.example", round, i), `{"next_hops":[{"host":"192.0.2.1"}]}`)
		}
		body := g.stream(lastID)
		newest := fmt.Sprint(g.newestEvent())
		for lines := bufio.NewScanner(body); lastID != newest && lines.Scan(); {
			if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok && !slices.Contains(numbers, id) && id != lastID {
				numbers, lastID = append(numbers, id), id
			}
		}
		if round == 2 {
			_ = body.Close()
			break
		}
		g.stop() // the stream does not hold it up
		_ = body.Close()
		g = newGateway(t, dir)
		g.token = token
	}
	for i, n := range numbers {
		if n != fmt.Sprint(i+1) {
			t.Fatalf("%v", numbers)
		}
	}
	if len(numbers) < 15 {
		t.Errorf("%d events", len(numbers))
	}
}

func (g *gateway) stream(lastID string) io.ReadCloser {
	g.t.Helper()
	request, err := http.NewRequest(http.MethodGet, "http://"+g.APIAddr()+"/api/v1/events", nil)
	if err != nil {
		g.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+g.token)
	request.Header.Set("Accept", "text/event-stream")
	request.Header.Set("Last-Event-ID", lastID)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		g.t.Fatal(err)
	}
	return response.Body
}
