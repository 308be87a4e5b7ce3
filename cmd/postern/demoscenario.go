package main

import (
	"context"
	"errors"
	"fmt"
)

// The people of the demo. The sender's domain is hosted here, so that bounces
// and mail from outside have somewhere to go.
const (
	gatewayName  = "gateway.example"
	senderDomain = "home.example"
	sender       = "ann@" + senderDomain
)

// place is a recipient domain: where its mail goes and how it must be
// encrypted.
type place struct {
	domain       string
	hop          string // name of a next hop
	level        string // of its destination control
	bounceAtOnce bool
}

// The next hops.
const (
	hopTrusted    = "trusted"     // STARTTLS, with a certificate that verifies
	hopClear      = "clear"       // no STARTTLS
	hopMisnamed   = "misnamed"    // STARTTLS, with a certificate for another name
	hopSelfSigned = "self-signed" // STARTTLS, with a certificate that nobody vouches for
)

func places() []place {
	return []place{
		{domain: senderDomain, hop: hopTrusted, level: "preferred"},
		{domain: "open.example", hop: hopTrusted, level: "preferred"},
		{domain: "plain.example", hop: hopClear, level: "preferred"},
		{domain: "sealed.example", hop: hopSelfSigned, level: "required"},
		{domain: "strict.example", hop: hopClear, level: "required"},
		{domain: "hasty.example", hop: hopClear, level: "required", bounceAtOnce: true},
		{domain: "verified.example", hop: hopTrusted, level: "required_verify"},
		{domain: "misnamed.example", hop: hopMisnamed, level: "required_verify"},
	}
}

// step is one row of the demo: what is done, and what must come of it.
type step struct {
	title string
	to    string
	level string // of the decision
	want  string
	run   func(context.Context, *demo, *row) error
}

// scenario is what the demo shows, in order.
func scenario() []step {
	return []step{
		{"encrypted, as the next hop offers it", "bob@open.example", "preferred", "delivered over TLS, verified", relay},
		{"in clear, as the next hop has no TLS", "bob@plain.example", "preferred", "delivered in clear", relay},
		{"from outside in clear, where TLS is required", sender, "required", "refused 530 5.7.0", knockInClear},
		{"from outside over STARTTLS", sender, "preferred", "delivered over TLS, verified", receive},
		{"encrypted at least, whatever the certificate", "bob@sealed.example", "required", "delivered over TLS, self_signed", relay},
		{"TLS is required, the next hop has none", "bob@strict.example", "required", "deferred 4.7.4", deferStrict},
		{"the same, but to be bounced at once", "bob@hasty.example", "required", "bounced 5.7.4, and the sender was told", bounce},
		{"a certificate for the recipient's domain", "bob@verified.example", "required_verify", "delivered over TLS, verified", relay},
		{"a certificate for another name", "bob@misnamed.example", "required_verify", "deferred 4.7.5, name_mismatch", relay},
		{"the one that waits, its policy now preferred", "bob@strict.example", "preferred", "delivered in clear", relax},
		{"certificate activated within the message", "bob@open.example", "preferred", "delivered over TLS, verified; new certificate shown", renew},
	}
}

// relay sends a message by the listener for our own mail servers and waits for
// what becomes of it.
func relay(ctx context.Context, d *demo, r *row) error {
	id, err := d.submit(ctx, listenerPrivate, r)
	if err != nil {
		return err
	}
	return d.follow(ctx, id, 1, r)
}

// receive sends a message by the listener for the Internet.
func receive(ctx context.Context, d *demo, r *row) error {
	r.From = "carol@away.example"
	id, err := d.submit(ctx, listenerPublic, r)
	if err != nil {
		return err
	}
	return d.follow(ctx, id, 1, r)
}

// knockInClear tries the listener for the Internet without STARTTLS.
func knockInClear(ctx context.Context, d *demo, r *row) error {
	r.From = "carol@away.example"
	var flow struct {
		TLS string `json:"tls"`
	}
	if err := d.api.read(ctx, "/mail-flow-policies/"+publicPolicy, &flow); err != nil {
		return err
	}
	r.Level, r.Reasons = flow.TLS, []string{"mail_flow_policy " + publicPolicy}
	c, err := d.dial(ctx, listenerPublic, nil)
	if err != nil {
		return err
	}
	defer c.close()
	_, err = c.send(r.From, r.To, r.content())
	if refusal, ok := errors.AsType[*refusedError](err); ok {
		r.Got, r.Detail = "refused "+refusal.code(), refusal.Error()
	} else if err != nil {
		return err
	} else {
		r.Got = "accepted"
	}
	return d.mail.checkAbsent(r)
}

// deferStrict remembers the message that waits, for relax.
func deferStrict(ctx context.Context, d *demo, r *row) error {
	id, err := d.submit(ctx, listenerPrivate, r)
	if err != nil {
		return err
	}
	d.waiting, d.waitingRow = id, r.Number
	return d.follow(ctx, id, 1, r)
}

// relax changes the policy for the message that waits, and has it tried again:
// every attempt takes the newest configuration.
func relax(ctx context.Context, d *demo, r *row) error {
	if d.waiting == "" {
		return errors.New("no message waits")
	}
	err := d.api.write(ctx, "PATCH", "/destination-controls/strict.example", document{"tls_level": "preferred"})
	if err != nil {
		return err
	}
	if err := d.api.write(ctx, "POST", "/messages/"+d.waiting+"/retry", nil); err != nil {
		return err
	}
	r.letter = d.waitingRow
	return d.follow(ctx, d.waiting, 2, r)
}

// bounce waits for the notice to the sender, too.
func bounce(ctx context.Context, d *demo, r *row) error {
	if err := relay(ctx, d, r); err != nil {
		return err
	}
	if _, err := d.mail.waitNotice(ctx, r); err != nil {
		return err
	}
	r.Got += ", and the sender was told"
	return nil
}

// renew activates a certificate while a message is under way: the session goes
// on under the old one, and the next shows the new one (B41).
func renew(ctx context.Context, d *demo, r *row) error {
	c, err := d.dial(ctx, listenerPrivate, anyCertificate())
	if err != nil {
		return err
	}
	defer c.close()
	before := c.fingerprint()
	message, err := c.begin(r.From, r.To)
	if err != nil {
		return err
	}
	activated, err := d.activate(ctx)
	if err != nil {
		return err
	}
	shown, err := d.shownCertificate(ctx)
	if err != nil {
		return err
	}
	id, err := message.end(r.content())
	if err != nil {
		return fmt.Errorf("the open session could not finish its message: %w", err)
	}
	if err := d.follow(ctx, id, 1, r); err != nil {
		return err
	}
	if shown != activated || before == activated {
		return fmt.Errorf("before %.16s, activated %.16s, but the next handshake shows %.16s", before, activated, shown)
	}
	r.Got += "; new certificate shown"
	return nil
}
