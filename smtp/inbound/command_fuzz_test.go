package inbound

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"postern/domain/policy"
)

// FuzzCommand gives the gate lines of any octets. It may never panic, and what
// go-smtp is fed is one line.
func FuzzCommand(f *testing.F) {
	for _, seed := range []string{
		"EHLO x", "MAIL FROM:<a@b.test> SIZE=99999999999999999999", "RCPT TO:\u023a<postmaster>", "RCPT TO:<postmaster>",
		"RCPT TO", "RCPT", "", " ", "BDAT 1 LAST", "BDAT", "STARTTLS x", "MAIL FROM:<\"a b\"@c.test> BODY=8BITMIME", "\xff\xfe",
	} {
		f.Add(seed)
	}
	h := &Handler{listener: policy.Listener{Name: "fuzz", HostName: "mail.example.com", DefaultDomain: "example.com"}}
	h.deps = Dependencies{Metrics: NewMetrics(prometheus.NewRegistry()), Logger: slog.New(slog.DiscardHandler), Now: time.Now}
	f.Fuzz(func(t *testing.T, line string) {
		if strings.ContainsAny(line, "\r\n\x00") {
			return // the wire refuses them
		}
		ours, theirs := net.Pipe()
		defer ours.Close()
		go func() { // whatever is said is read
			for chunk := make([]byte, 4096); ; {
				if _, err := ours.Read(chunk); err != nil {
					return
				}
			}
		}()
		l := &leg{wire: newWire(theirs, time.Minute, time.Minute), client: &client{handler: h}, greeted: true}
		l.client.wire = l.wire
		_ = l.command(line) // an error only ends the session
		if fed := bytes.Count(l.feed, []byte("\n")); fed > 1 || len(l.feed) > 0 && !bytes.HasSuffix(l.feed, []byte("\r\n")) {
			t.Errorf("%q feeds %q", line, l.feed)
		}
		_ = theirs.Close()
	})
}
