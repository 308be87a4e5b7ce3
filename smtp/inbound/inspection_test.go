package inbound

import (
	"context"
	"io"
	"strings"
	"testing"

	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/policy"
	"postern/smtp/reply"
	"postern/smtp/smtptest"
)

// fakeInspector answers what it is told to, when it is told to.
type fakeInspector struct {
	asked  chan string // the content that it is shown
	answer chan *reply.Reply
}

var _ Inspector = (*fakeInspector)(nil)

func newFakeInspector() *fakeInspector {
	return &fakeInspector{asked: make(chan string, 1), answer: make(chan *reply.Reply, 1)}
}

func (f *fakeInspector) Inspect(ctx context.Context, _ *config.Snapshot, _ delivery.MessageID, content delivery.Body) *reply.Reply {
	r, err := content.Open()
	if err != nil {
		panic(err)
	}
	defer r.Close()
	all, _ := io.ReadAll(r)
	f.asked <- string(all)
	select {
	case answer := <-f.answer:
		return answer
	case <-ctx.Done():
		late := reply.NotInspected()
		return &late
	}
}

// inspecting is a gateway whose messages are inspected.
func inspecting(t *testing.T) (*gateway, *fakeInspector) {
	t.Helper()
	s := preferred()
	settings := policy.DefaultInspectionSettings()
	settings.Enabled, settings.Profile = true, "core"
	s.edits = append(s.edits,
		config.Edit{Kind: config.KindServerProfile, Key: "core", Value: policy.ServerProfile{
			Name: "core", Type: policy.ServerCore, URIs: []string{"https://core.example"},
		}},
		config.Edit{Kind: config.KindSettings, Key: config.SectionInspection, Value: settings})
	inspector := newFakeInspector()
	s.inspector = inspector
	return newGateway(t, s), inspector
}

// The client waits for the verdict. What it pipelined behind the message stays
// unread until then, and is answered in order (B34).
func TestInspectionInsideData(t *testing.T) {
	g, inspector := inspecting(t)
	c := open(t, g)
	const mail = "MAIL FROM:<a@client.test>\r\nRCPT TO:<b@example.com>\r\n"
	c.Write(mail + "DATA\r\n")
	c.Expect(250)
	c.Expect(250)
	c.Expect(354)
	c.Write("Subject: x\r\n\r\n..bad\r\n.\r\n" + mail + "BDAT 5 LAST\r\ngood\n" + "NOOP\r\nQUIT\r\n")
	if shown := <-inspector.asked; !strings.HasPrefix(shown, "Received: ") || !strings.HasSuffix(shown, "\r\n\r\n.bad\r\n") {
		t.Errorf("shown: %q", shown)
	}
	if n := len(g.all()); n != 0 {
		t.Errorf("%d messages were accepted before the verdict", n)
	}
	blocked := reply.ContentBlocked("Infected")
	inspector.answer <- &blocked
	c.Expect(550)
	c.Expect(250)
	c.Expect(250)
	c.Expect(550) // the bare LF: what is refused anyway is not shown to anyone
	c.Expect(250)
	c.Expect(221)
	if n := len(g.all()); n != 0 {
		t.Errorf("%d messages were accepted", n)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.aborted != 2 {
		t.Errorf("%d bodies were given back, want 2", g.aborted)
	}
}

func TestInspectedMessageGoesOn(t *testing.T) {
	g, inspector := inspecting(t)
	inspector.answer <- nil
	c := open(t, g)
	c.Send("a@client.test", []string{"b@example.com"}, "\r\ngood\r\n")
	c.Quit()
	if m := g.all(); len(m) != 1 || body(t, m[0]) != "\r\ngood\r\n" {
		t.Errorf("%d messages", len(m))
	}
}

// A gateway that stops gives inspections the time of its grace and no more.
func TestDrainCutsInspectionsShort(t *testing.T) {
	g, inspector := inspecting(t)
	c := smtptest.Dial(t, g.addr())
	c.Write("EHLO c.test\r\nMAIL FROM:<a@client.test>\r\nRCPT TO:<b@example.com>\r\nBDAT 12 LAST\r\nA: b\r\n\r\nxx\r\n")
	<-inspector.asked
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.current.Load().Drain(over); err == nil {
		t.Error("the session ended by itself")
	}
	// The clean-up of the test waits until the session has ended.
	if n := len(g.all()); n != 0 {
		t.Errorf("%d messages were accepted", n)
	}
}
