package outbound

import (
	"context"
	"crypto/tls"
	"net/netip"
	"strings"
	"time"

	"postern/domain/probe"
	"postern/smtp/reply"
	"postern/smtp/tlsverify"
)

// trace notes the steps of one connection for a live test, and what the peer
// showed in the handshake. That of a delivery is nil, which notes nothing.
type trace struct {
	began   time.Time // of the step under way
	command string    // that the next reply answers; empty: the greeting
	steps   []probe.Step
	state   *tls.ConnectionState
}

func newTrace() *trace { return &trace{began: time.Now()} }

// step ends the step under way.
func (t *trace) step(name string, ok bool, result string) {
	if t == nil {
		return
	}
	now := time.Now()
	t.steps = append(t.steps, probe.Step{Name: name, OK: ok, Result: result, Duration: now.Sub(t.began)})
	t.began = now
}

// connected notes what came of the stage connect.
func (t *trace) connected(addr netip.AddrPort, f *failure) {
	if f != nil {
		t.step("connect", false, f.detail)
		return
	}
	t.step("connect", true, addr.String())
}

// sent notes the command that the next reply answers.
func (t *trace) sent(command string) {
	if t != nil {
		t.command = command
	}
}

// heard notes a reply, or why there was none.
func (t *trace) heard(r reply.Reply, err error) {
	if t == nil {
		return
	}
	name, _, _ := strings.Cut(t.command, " ")
	if name == "" {
		name = "greeting"
	}
	if err != nil {
		t.step(name, false, failed(context.Background(), "", err).detail)
		return
	}
	t.step(name, r.Positive(), r.String())
}

// shaken notes what came of the handshake.
func (t *trace) shaken(state *tls.ConnectionState, f *failure) {
	if f != nil {
		t.step("handshake", false, f.detail)
		return
	}
	if t != nil {
		t.state = state
		t.step("handshake", true, tlsVersion(state)+" "+tls.CipherSuiteName(state.CipherSuite))
	}
}

// verified notes the verdict on the certificate, which is no failure by itself.
func (t *trace) verified(result tlsverify.Result) {
	if t != nil {
		t.step("verify", result.Verified, result.String())
	}
}
