package scan

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http/httptrace"
	"net/url"
	"sync"
	"time"

	"postern/domain/delivery"
	"postern/domain/policy"
	"postern/domain/probe"
)

// maxTestTime bounds a live test: a person waits for it.
const maxTestTime = time.Minute

// harmless is what a live test has judged.
func harmless() file {
	return file{name: "test.txt", body: delivery.BytesBody("A harmless text, sent by Postern to see whether content inspection works.\r\n")}
}

// Test shows a harmless text to every server of a profile, all at the same time
// and on connections of their own, and tells how far each of them came (B32). It
// returns an error where nothing could be tried.
func (i *Inspector) Test(ctx context.Context, p policy.CoreProfile) (probe.Inspection, error) {
	ctx, cancel := context.WithTimeout(ctx, min(p.Timeout(), maxTestTime))
	defer cancel()
	key, err := i.keyOf(ctx, p)
	if err != nil {
		return probe.Inspection{}, err
	}
	endpoints := p.Endpoints()
	test := probe.Inspection{Profile: p.Name, Servers: make([]probe.InspectedServer, len(endpoints))}
	var all sync.WaitGroup
	for n, u := range endpoints {
		all.Go(func() { test.Servers[n] = i.try(ctx, p, u, key) })
	}
	all.Wait()
	return test, nil
}

// try tests one server.
func (i *Inspector) try(ctx context.Context, p policy.CoreProfile, u *url.URL, key string) probe.InspectedServer {
	client := i.client(linkOf(p))
	defer client.CloseIdleConnections()
	s := i.server(p, u, key, client)
	t := &trial{now: i.Now, began: i.Now(), verified: p.Verifies()}
	id, err := s.submit(httptrace.WithClientTrace(ctx, t.trace()), harmless(), p.Timeout()/2)
	t.submitted(u, err)
	if err == nil {
		began := i.Now()
		v, err := s.await(ctx, id)
		t.judged(v, err, i.Now().Sub(began))
	}
	return probe.InspectedServer{URI: u.String(), Steps: t.steps}
}

// trial notes how far a test came. The HTTP client reports from goroutines of its
// own.
type trial struct {
	now      func() time.Time
	began    time.Time
	verified bool

	mu        sync.Mutex
	connected time.Time
	addr      string
	ready     time.Time // for the request
	tls       *tls.ConnectionState

	steps []probe.InspectionStep
}

func (t *trial) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		ConnectDone: func(_, addr string, err error) {
			t.mu.Lock()
			defer t.mu.Unlock()
			if err == nil && t.connected.IsZero() {
				t.connected, t.addr = t.now(), addr
			}
		},
		GotConn: func(info httptrace.GotConnInfo) {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.ready = t.now()
			if conn, ok := info.Conn.(*tls.Conn); ok {
				state := conn.ConnectionState()
				t.tls = &state
			}
		},
	}
}

// submitted turns what was noted, and what the submission came to, into steps.
func (t *trial) submitted(u *url.URL, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.connected.IsZero() {
		t.step(probe.InspectionConnect, err, "", t.now().Sub(t.began))
		return
	}
	t.step(probe.InspectionConnect, nil, t.addr, t.connected.Sub(t.began))
	if t.ready.IsZero() {
		t.step(probe.InspectionTLS, err, "", t.now().Sub(t.connected))
		return
	}
	if t.tls != nil {
		t.step(probe.InspectionTLS, nil, t.describeTLS(u), t.ready.Sub(t.connected))
	}
	t.step(probe.InspectionSubmit, err, "the text was taken", t.now().Sub(t.ready))
}

func (t *trial) describeTLS(u *url.URL) string {
	detail := fmt.Sprintf("%s, %s", tls.VersionName(t.tls.Version), tls.CipherSuiteName(t.tls.CipherSuite))
	if t.verified {
		return detail + ", verified as " + u.Hostname()
	}
	return detail + ", not verified: the profile makes an exception"
}

// judged adds the step of the result. A Core that blocks a harmless text would
// block all mail.
func (t *trial) judged(v verdict, err error, took time.Duration) {
	if err == nil && v.blocked {
		err = fmt.Errorf("a harmless text is blocked: %s", v.reason)
	}
	t.step(probe.InspectionResult, err, "the text is allowed", took)
}

// step adds a step with its detail, or with the error where there is one.
func (t *trial) step(stage probe.InspectionStage, err error, detail string, took time.Duration) {
	if err != nil {
		detail = err.Error()
	}
	t.steps = append(t.steps, probe.InspectionStep{Stage: stage, OK: err == nil, Detail: detail, Took: took})
}
