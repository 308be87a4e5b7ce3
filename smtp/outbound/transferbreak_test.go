package outbound

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/domain/delivery"
	"postern/smtp/smtptest"
)

// TestDropped is N01: wherever the peer goes away, the message stays.
func TestDropped(t *testing.T) {
	for stage, outcome := range map[string]string{
		"CONNECT": "deferred connect 451 4.4.2", "EHLO": "deferred connect 451 4.4.2", "MAIL": "deferred transfer 451 4.4.2",
		"RCPT": "deferred transfer 451 4.4.2", ".": "deferred transfer 451 4.4.2",
	} {
		for _, then := range []smtptest.Then{smtptest.Close, smtptest.Reset} {
			if stage == "CONNECT" && then == smtptest.Reset {
				continue // That may fail in connecting already.
			}
			t.Run(fmt.Sprintf("%s/%d", stage, then), func(t *testing.T) {
				options := smtptest.MXOptions{Actions: map[string]smtptest.Action{stage: {Silent: true, Then: then}}}
				inStyles(t, options, func(t *testing.T, r *rig, mx *smtptest.MX) {
					want(t, r.send("b@example.com"), outcome)
				})
			})
		}
	}
}

// TestResetAfterAcceptance is N03: what was accepted is delivered, whatever
// becomes of the connection.
func TestResetAfterAcceptance(t *testing.T) {
	options := smtptest.MXOptions{Actions: map[string]smtptest.Action{".": {Then: smtptest.Reset}}}
	inStyles(t, options, func(t *testing.T, r *rig, mx *smtptest.MX) {
		want(t, r.send("b@example.com"), delivered)
		// The dead connection that was kept does no harm.
		want(t, r.send("b@example.com"), delivered)
		if len(mx.Messages()) != 2 {
			t.Errorf("%d messages", len(mx.Messages()))
		}
	})
}

// TestSilence is a peer that does not answer: the deadline of the stage ends it.
func TestSilence(t *testing.T) {
	for stage, outcome := range map[string]string{
		"CONNECT": "deferred connect 451 4.4.2", "EHLO": "deferred connect 451 4.4.2", "MAIL": "deferred transfer 451 4.4.2",
		"RCPT": "deferred transfer 451 4.4.2", "DATA": "deferred transfer 451 4.4.2", ".": "deferred transfer 451 4.4.2",
	} {
		t.Run(stage, func(t *testing.T) {
			r := newRig(t)
			short := 20 * time.Millisecond
			r.Timeouts = Timeouts{
				Connect: time.Second, Greeting: short, Hello: short, Handshake: short, Mail: short, Recipient: short,
				DataStart: short, DataBlock: short, DataEnd: short, Quit: short, LastWords: short, StopDuring: short,
			}
			r.simple(smtptest.MXOptions{
				Without: []string{"CHUNKING"},
				Actions: map[string]smtptest.Action{stage: smtptest.Silence()},
			})
			want(t, r.send("b@example.com"), outcome)
		})
	}
}

// stubborn is a peer that says its lines whatever it hears: the next one for
// every line that comes, until there is none; then it reads no more. It closes
// at the end of the test, or at once.
func stubborn(t *testing.T, r *rig, closes bool, lines ...string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		if closes {
			defer conn.Close()
		} else {
			t.Cleanup(func() { conn.Close() })
		}
		in := bufio.NewScanner(conn)
		for _, line := range lines {
			if _, err := io.WriteString(conn, line+"\r\n"); err != nil || !in.Scan() {
				return
			}
		}
	}()
	t.Cleanup(func() { listener.Close(); <-ended })
	r.domain("example.com", "mx.example.com")
	r.host("mx.example.com", "192.0.2.1", nil)
	r.network.peers["192.0.2.1:25"] = listener.Addr().String()
}

// longMail is more than the buffers on the way hold.
func longMail(t *testing.T) *delivery.Message {
	t.Helper()
	return mail(t, strings.Repeat(strings.Repeat("x", 998)+"\r\n", 20_000), "b@example.com")
}

// TestPeerStopsReading is a peer that takes the envelope and then nothing more:
// every write has a deadline, however long the message is.
func TestPeerStopsReading(t *testing.T) {
	r := newRig(t)
	r.Timeouts.DataBlock, r.Timeouts.LastWords = 50*time.Millisecond, 20*time.Millisecond
	stubborn(t, r, false, "220 mx", "250 mx", "250 sender", "250 recipient", "354 go on")
	want(t, r.deliver(longMail(t)), "deferred transfer 451 4.4.2")
}

// TestLastWords is a peer that refuses in the middle of the content and closes:
// what it said counts.
func TestLastWords(t *testing.T) {
	r := newRig(t)
	stubborn(t, r, true, "220 mx", "250 mx", "250 sender", "250 recipient", "354 go on", "552 5.3.4 too big after all")
	want(t, r.deliver(longMail(t)), "bounced transfer 552 5.3.4")
}

// TestStopped is the end of the context: the attempt ends soon, and defers.
func TestStopped(t *testing.T) {
	for _, stage := range []string{"CONNECT", "EHLO", "MAIL", "RCPT"} {
		t.Run(stage, func(t *testing.T) {
			r := newRig(t)
			mx := r.simple(smtptest.MXOptions{Actions: map[string]smtptest.Action{stage: smtptest.Silence()}})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan delivery.Attempt)
			go func() { done <- r.deliverTo(ctx, mail(t, body, "b@example.com")) }()
			smtptest.Eventually(t, func() bool { return slices.Contains(said(mx, 1), stage) })
			cancel()
			a := <-done
			if o := a.Results[0].Outcome; o.Status != delivery.Deferred || o.Enhanced != "4.3.2" {
				t.Errorf("got %s", o)
			}
		})
	}
}

// TestStoppedBehindTheContent shows that the reply to the content is waited for
// a little: it decides whether the message is doubled.
func TestStoppedBehindTheContent(t *testing.T) {
	for _, answer := range []bool{true, false} {
		t.Run(fmt.Sprint(answer), func(t *testing.T) {
			r := newRig(t)
			ctx, cancel := context.WithCancel(t.Context())
			r.simple(smtptest.MXOptions{Respond: func(c smtptest.Command) (smtptest.Action, bool) {
				if c.Stage != "." {
					return smtptest.Action{}, false
				}
				cancel()
				return smtptest.Silence(), !answer
			}})
			r.Timeouts.StopDuring = 10 * time.Second
			if !answer {
				r.Timeouts.StopDuring = 20 * time.Millisecond
			}
			a := r.deliverTo(ctx, mail(t, body, "b@example.com"))
			if answer {
				want(t, a, delivered)
			} else {
				want(t, a, "deferred transfer 451 4.3.2")
			}
		})
	}
}

// brokenBody fails half-way.
type brokenBody struct {
	delivery.BytesBody
	size int64
	err  error
}

func (b brokenBody) Size() int64 { return b.size }

func (b brokenBody) Open() (io.ReadCloser, error) {
	if b.err != nil {
		return io.NopCloser(io.MultiReader(strings.NewReader(string(b.BytesBody)), errorReader{b.err})), nil
	}
	return b.BytesBody.Open()
}

type errorReader struct{ err error }

func (e errorReader) Read([]byte) (int, error) { return 0, e.err }

// TestBrokenBody shows that half a message never counts as a whole one.
func TestBrokenBody(t *testing.T) {
	bodies := map[string]struct {
		body delivery.Body
		want string
	}{
		"cannot be read":       {brokenBody{delivery.BytesBody(body), int64(len(body)) + 10, errors.New("disk on fire")}, "deferred transfer 451 4.3.0"},
		"bare LF before a dot": {delivery.BytesBody("Subject: x\r\n\r\na\n.\r\nb\r\n"), "bounced transfer 554 5.6.0"},
	}
	for name, tt := range bodies {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			mx := r.simple(smtptest.MXOptions{Without: []string{"CHUNKING"}})
			m := mail(t, body, "b@example.com")
			m.Body = tt.body
			want(t, r.deliver(m), tt.want)
			smtptest.Eventually(t, func() bool { return mx.OpenConnections() == 0 }, "the connection to be closed")
			if len(mx.Messages()) != 0 {
				t.Error("half a message was accepted")
			}
		})
	}
	t.Run("shorter than it told", func(t *testing.T) {
		r := newRig(t)
		mx := r.simple(smtptest.MXOptions{})
		m := mail(t, body, "b@example.com")
		m.Body = brokenBody{BytesBody: delivery.BytesBody(body), size: int64(len(body)) + 10}
		want(t, r.deliver(m), "deferred transfer 451 4.3.0")
		smtptest.Eventually(t, func() bool { return mx.OpenConnections() == 0 }, "the connection to be closed")
		if len(mx.Messages()) != 0 {
			t.Error("half a message was accepted")
		}
	})
}
