package outbound

import (
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/smtp/smtptest"
)

// TestReuse is B29: the same requirement shares a connection, another does not.
func TestReuse(t *testing.T) {
	r := newRig(t,
		control(t, "one.test", policy.TLSRequired), control(t, "two.test", policy.TLSRequired),
		control(t, "loose.test", policy.TLSPreferred), control(t, "shown.test", policy.TLSPreferredVerify),
		control(t, "shown2.test", policy.TLSPreferredVerify), control(t, "hosted.test", policy.TLSRequiredVerifyHosted),
		control(t, "hosted2.test", policy.TLSRequiredVerifyHosted), control(t, "clear.test", policy.TLSNone))
	mx := r.simple(smtptest.MXOptions{})
	steps := []struct {
		domain string
		reused bool
	}{
		{"one", false},
		{"one", true},
		{"two", true},
		{"loose", false},
		{"loose", true},
		{"clear", false},
		{"one", true},
		// What was verified for one recipient domain says nothing about another.
		{"shown", false},
		{"shown2", false},
		{"shown", true},
		{"hosted", false},
		{"hosted2", false},
		{"hosted", true},
	}
	for _, step := range steps {
		r.domain(mailaddr.DomainName(step.domain+".test"), "mx.example.com")
		a := r.send("b@" + step.domain + ".test")
		want(t, a, delivered)
		if a.Reused != step.reused {
			t.Errorf("%s: reused %t", step.domain, a.Reused)
		}
		if a.Reused && step.domain != "clear" && a.TLS.Verification == "" {
			t.Errorf("%s: the record of a reused connection lacks its verification", step.domain)
		}
	}
	conforms(t, mx)
}

// TestChangeOfPolicyIsNotOutlived shows that a connection kept under a weaker
// requirement does not serve a stricter one.
func TestChangeOfPolicyIsNotOutlived(t *testing.T) {
	r := newRig(t, control(t, "example.com", policy.TLSNone))
	r.simple(smtptest.MXOptions{})
	want(t, r.send("b@example.com"), delivered)
	r.configure(control(t, "example.com", policy.TLSRequired))
	a := r.send("b@example.com")
	want(t, a, delivered)
	if a.Reused || !a.TLS.Encrypted() {
		t.Errorf("reused %t, TLS %+v", a.Reused, a.TLS)
	}
	r.configure(policy.TLSSettings{Enabled: true, MinVersion: tls.VersionTLS13}, control(t, "example.com", policy.TLSRequired))
	if a := r.send("b@example.com"); a.Reused {
		t.Error("reused under another minimum version")
	}
}

func TestMessagesPerConnection(t *testing.T) {
	c := control(t, "example.com", policy.TLSNone)
	c.MessagesPerConnection = 2
	r := newRig(t, c)
	mx := r.simple(smtptest.MXOptions{})
	for range 5 {
		want(t, r.send("b@example.com"), delivered)
	}
	if mx.Connections() != 3 {
		t.Errorf("%d connections", mx.Connections())
	}
}

// TestDeadConnection is a peer that closes what we keep, with and without a
// word.
func TestDeadConnection(t *testing.T) {
	tests := map[string]smtptest.Action{
		"closed":             {Then: smtptest.Close},
		"reset":              {Then: smtptest.Reset},
		"closed with a word": {Reply: "250 2.0.0 ok\n421 4.4.2 idle too long", Then: smtptest.Close},
	}
	for name, action := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, control(t, "example.com", policy.TLSPreferred))
			mx := r.simple(smtptest.MXOptions{Actions: map[string]smtptest.Action{".": action}})
			want(t, r.send("b@example.com"), delivered)
			smtptest.Eventually(t, func() bool { return mx.OpenConnections() == 0 })
			a := r.send("b@example.com")
			want(t, a, delivered)
			if a.Reused || len(a.Hosts) != 1 {
				t.Errorf("recorded %+v", a.Hosts)
			}
		})
	}
}

// TestConnectionDiesInUse is one that looks alive and is not: another is made at
// once, and nothing is held against the host.
func TestConnectionDiesInUse(t *testing.T) {
	for name, action := range map[string]smtptest.Action{
		"without a word": smtptest.Drop(),
		"with a word":    {Reply: "421 4.4.2 idle too long", Then: smtptest.Close},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			mx := r.simple(smtptest.MXOptions{Respond: func(c smtptest.Command) (smtptest.Action, bool) {
				return action, c.Stage == "MAIL" && c.Connection == 1 && c.Argument == "FROM:<second@client.test> SIZE=26"
			}})
			want(t, r.send("b@example.com"), delivered)
			m := mail(t, body, "b@example.com")
			m.Sender = mailbox(t, "second@client.test")
			m.Size = 26
			a := r.deliver(m)
			want(t, a, delivered)
			if mx.Connections() != 2 || len(mx.Messages()) != 2 || a.Reused {
				t.Errorf("%d connections, %d messages", mx.Connections(), len(mx.Messages()))
			}
		})
	}
}

func TestCloseIdle(t *testing.T) {
	r := newRig(t)
	mx := r.simple(smtptest.MXOptions{})
	want(t, r.send("b@example.com"), delivered)
	if r.IdleConnections() != 1 {
		t.Fatalf("%d idle connections", r.IdleConnections())
	}
	r.CloseIdle()
	smtptest.Eventually(t, func() bool { return mx.OpenConnections() == 0 })
	if got := said(mx, 1); got[len(got)-1] != "QUIT" {
		t.Errorf("said %q", got)
	}
	want(t, r.send("b@example.com"), delivered)
	r.Close()
	want(t, r.send("b@example.com"), delivered)
	if r.IdleConnections() != 0 {
		t.Error("a connection is kept after the end")
	}
}

// hookedBody calls a function when it is read.
type hookedBody struct {
	delivery.Body
	opened func()
}

func (b hookedBody) Open() (io.ReadCloser, error) {
	b.opened()
	return b.Body.Open()
}

// A connection that is in use when the idle ones are ended serves no further
// message: what its certificate was verified under may be trusted no more (B23).
func TestCloseIdleEndsWhatIsInUse(t *testing.T) {
	r := newRig(t)
	mx := r.simple(smtptest.MXOptions{})
	m := mail(t, body, "b@example.com")
	m.Body = hookedBody{m.Body, r.CloseIdle}
	want(t, r.deliver(m), delivered)
	if n := r.IdleConnections(); n != 0 {
		t.Errorf("%d connections were kept", n)
	}
	if a := r.send("b@example.com"); a.Reused {
		t.Error("the connection was reused")
	}
	if n := r.IdleConnections(); n != 1 {
		t.Errorf("%d connections made since are kept", n)
	}
	conforms(t, mx)
}

// idleSession is a session on a pipe whose other end is gone as soon as it reads
// QUIT; ended tells.
func idleSession(key poolKey) (s *session, ended chan struct{}) {
	near, far := net.Pipe()
	ended = make(chan struct{})
	go func() {
		defer close(ended)
		defer far.Close()
		_, _ = far.Read(make([]byte, 100))
	}()
	return &session{key: key, client: newClient(near, "client.test", DefaultTimeouts())}, ended
}

func keyOf(n uint16) poolKey {
	return poolKey{addr: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), n)}
}

func hasEnded(ended chan struct{}) bool {
	synctest.Wait()
	select {
	case <-ended:
		return true
	default:
		return false
	}
}

func TestPoolBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(PoolLimits{PerPeer: 2, Total: 3, Idle: time.Minute})
		a1, a1End := idleSession(keyOf(1))
		a2, a2End := idleSession(keyOf(1))
		a3, a3End := idleSession(keyOf(1))
		b1, b1End := idleSession(keyOf(2))
		c1, c1End := idleSession(keyOf(3))
		for _, s := range []*session{a1, a2, a3, b1} {
			p.put(s)
		}
		if !hasEnded(a3End) || p.size() != 3 {
			t.Error("a third session was kept for one key")
		}
		p.put(c1)
		if !hasEnded(a1End) || hasEnded(a2End) || p.size() != 3 {
			t.Error("the session kept longest did not give way")
		}
		if got := p.take(keyOf(1)); got != a2 || p.take(keyOf(1)) != nil {
			t.Error("the wrong session was handed out")
		}
		p.put(a2)
		p.close()
		if !hasEnded(a2End) || !hasEnded(b1End) || !hasEnded(c1End) || p.size() != 0 {
			t.Error("sessions outlived the pool")
		}
	})
}

func TestPoolExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(PoolLimits{PerPeer: 2, Total: 3, Idle: time.Minute})
		first, firstEnd := idleSession(keyOf(1))
		second, secondEnd := idleSession(keyOf(1))
		p.put(first)
		time.Sleep(30 * time.Second)
		p.put(second)
		if p.take(keyOf(1)) != second {
			t.Fatal("the session used last was not handed out first")
		}
		time.Sleep(30 * time.Second)
		if !hasEnded(firstEnd) || p.size() != 0 {
			t.Error("an unused session was kept too long")
		}
		if hasEnded(secondEnd) {
			t.Error("a session in use was ended")
		}
		p.put(second)
		time.Sleep(time.Minute)
		if !hasEnded(secondEnd) {
			t.Error("an unused session was kept too long")
		}
	})
}
