package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"postern/domain/config"
)

// The listeners and the mail flow policies that a new gateway has (B12).
const (
	listenerPublic  = "inbound"
	listenerPrivate = "outbound"
	publicPolicy    = "ACCEPTED"
	privatePolicy   = "RELAYED"
)

// demo is the gateway and the world around it.
type demo struct {
	dir       string
	authority *authority
	mail      *mailbox
	hops      map[string]*sink
	app       *App
	api       *apiClient
	closers   []func(context.Context) error // run in reverse order

	waiting    string // queue id of the message that relax delivers
	waitingRow int
}

// newDemo starts everything and configures the gateway.
func newDemo(ctx context.Context) (*demo, error) {
	d := &demo{mail: newMailbox(), hops: map[string]*sink{}}
	for _, step := range []func(context.Context) error{
		d.makeDirectory, d.makeAuthority, d.startHops, d.startGateway, d.configure,
	} {
		if err := step(ctx); err != nil {
			return nil, d.close(ctx, err)
		}
	}
	return d, nil
}

func (d *demo) onClose(closer func(context.Context) error) { d.closers = append(d.closers, closer) }

// close ends everything. The directory, with the gateway's log in it, stays
// where the demo failed, unless that is because it was stopped.
func (d *demo) close(ctx context.Context, failure error) error {
	stopped := ctx.Err() != nil
	ctx = context.WithoutCancel(ctx)
	errs := []error{failure}
	for len(d.closers) > 0 {
		last := len(d.closers) - 1
		closer := d.closers[last]
		d.closers = d.closers[:last]
		errs = append(errs, closer(ctx))
	}
	if err := errors.Join(errs...); err != nil && !stopped && d.dir != "" {
		return fmt.Errorf("%w\nthe gateway's log is in %s", err, d.dir)
	}
	return errors.Join(append(errs, os.RemoveAll(d.dir))...)
}

func (d *demo) makeDirectory(context.Context) (err error) {
	d.dir, err = os.MkdirTemp("", "postern-demo-")
	return err
}

// makeAuthority makes the demo's authority one of the machine's trusted roots,
// for this process: crypto/x509 reads the file that SSL_CERT_FILE names, once,
// when the gateway asks for the system's roots. It is what an administrator of
// "postern serve" would do, so the gateway needs nothing for the demo.
func (d *demo) makeAuthority(context.Context) (err error) {
	if d.authority, err = newAuthority(); err != nil {
		return err
	}
	file := filepath.Join(d.dir, "authority.pem")
	if err := os.WriteFile(file, d.authority.pem(), 0o600); err != nil {
		return err
	}
	return d.setenv("SSL_CERT_FILE", file)
}

// setenv sets a variable of the environment until the demo closes.
func (d *demo) setenv(name, value string) error {
	before, was := os.LookupEnv(name)
	d.onClose(func(context.Context) error {
		if was {
			return os.Setenv(name, before)
		}
		return os.Unsetenv(name)
	})
	return os.Setenv(name, value)
}

// startHops starts the next hops. Routes lead to them by address, so that no
// DNS is needed; the trusted one's certificate is for that address too.
func (d *demo) startHops(ctx context.Context) error {
	loopback := net.IPv4(127, 0, 0, 1)
	trusted, err := d.authority.issue([]string{senderDomain, "open.example", "verified.example"}, loopback)
	if err != nil {
		return err
	}
	misnamed, err := d.authority.issue([]string{"another.example"})
	if err != nil {
		return err
	}
	unknown, err := selfSigned("sealed.example")
	if err != nil {
		return err
	}
	for name, certificate := range map[string]*tls.Certificate{
		hopTrusted: &trusted.Certificate, hopMisnamed: &misnamed.Certificate, hopSelfSigned: &unknown.Certificate, hopClear: nil,
	} {
		hop, err := newSink(ctx, name, certificate, d.mail)
		if err != nil {
			return err
		}
		d.hops[name] = hop
		d.onClose(func(context.Context) error { hop.close(); return nil })
	}
	return nil
}

// startGateway starts what "postern serve" starts.
func (d *demo) startGateway(ctx context.Context) error {
	log, err := os.Create(filepath.Join(d.dir, "gateway.log"))
	if err != nil {
		return err
	}
	d.onClose(func(context.Context) error { return log.Close() })
	name, err := hostName(gatewayName)
	if err != nil {
		return err
	}
	d.app, err = New(ctx, Options{
		DataDir: filepath.Join(d.dir, "data"), API: "127.0.0.1:0", Grace: 5 * time.Second,
		Seed: config.Seed{HostName: name}, Logger: slog.New(slog.NewJSONHandler(log, nil)),
	})
	if err != nil {
		return err
	}
	d.app.Start(ctx)
	d.onClose(d.app.Stop)
	d.api = newAPIClient("http://"+d.app.APIAddr(), d.app.AdminToken, stepTime)
	d.onClose(func(context.Context) error { d.api.close(); return nil })
	return nil
}

// configure brings a fresh gateway to the demo's configuration, by REST.
func (d *demo) configure(ctx context.Context) error {
	for _, c := range d.configuration() {
		if err := d.api.write(ctx, c.method, c.path, c.body); err != nil {
			return err
		}
	}
	return nil
}

// change is one write to the REST interface.
type change struct {
	method, path string
	body         document
}

func (d *demo) configuration() []change {
	changes := []change{
		{http.MethodPatch, "/settings/tls", document{"enabled": true}},
		{http.MethodPatch, "/mail-flow-policies/" + publicPolicy, document{"tls": "required"}},
		{http.MethodPatch, "/mail-flow-policies/" + privatePolicy, document{"tls": "preferred"}},
		{http.MethodPut, "/domains/" + senderDomain, document{}},
	}
	for _, p := range places() {
		hop := document{"host": "127.0.0.1", "port": d.hops[p.hop].port, "priority": 0}
		control := document{"tls_level": p.level}
		if p.bounceAtOnce {
			control["bounce_at_once"] = true
		}
		changes = append(changes,
			change{http.MethodPut, "/routes/" + p.domain, document{"next_hops": []document{hop}}},
			change{http.MethodPut, "/destination-controls/" + p.domain, control})
	}
	return changes
}

// listener returns where a listener of the gateway is.
func (d *demo) listener(name string) (string, error) {
	for _, l := range d.app.Listeners() {
		if l.Name == name && l.Problem == "" {
			return l.Address, nil
		}
	}
	return "", fmt.Errorf("the listener %s does not serve", name)
}

// submit hands the row's message over to a listener, over STARTTLS.
func (d *demo) submit(ctx context.Context, listener string, r *row) (string, error) {
	c, err := d.dial(ctx, listener, anyCertificate())
	if err != nil {
		return "", err
	}
	defer c.close()
	return c.send(r.From, r.To, r.content())
}

// follow waits for the nth attempt at a message, takes its record over into the
// row, and holds it against what the next hop saw.
func (d *demo) follow(ctx context.Context, id string, n int, r *row) error {
	a, err := d.api.attempt(ctx, id, n)
	if err != nil {
		return err
	}
	r.Level, r.Reasons, r.TLS = a.Decision.Level, a.reasons(), a.TLS
	r.Got, r.Detail = a.result(), a.detail()
	if !a.delivered() {
		return d.mail.checkAbsent(r)
	}
	arrived, err := d.mail.waitMessage(ctx, r)
	if err == nil && arrived.encrypted != a.TLS.Encrypted() {
		err = fmt.Errorf("the record says encrypted %t, the next hop %t", a.TLS.Encrypted(), arrived.encrypted)
	}
	return err
}

// activate has the gateway use a certificate of the demo's authority, and
// returns its fingerprint.
func (d *demo) activate(ctx context.Context) (string, error) {
	id, err := d.authority.issue([]string{gatewayName})
	if err != nil {
		return "", err
	}
	key, err := id.keyPEM()
	if err != nil {
		return "", err
	}
	return fingerprint(id.Leaf), d.api.activateCertificate(id.certificatePEM(), key)
}

// shownCertificate returns the fingerprint of the certificate that the gateway
// shows to a new session, which must verify.
func (d *demo) shownCertificate(ctx context.Context) (string, error) {
	c, err := d.dial(ctx, listenerPrivate, d.authority.client(gatewayName))
	if err != nil {
		return "", err
	}
	defer c.close()
	return c.fingerprint(), nil
}
