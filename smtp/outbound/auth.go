package outbound

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/emersion/go-sasl"

	"postern/domain/delivery"
	"postern/domain/policy"
	"postern/smtp/reply"
)

// mechanisms are the ways to authenticate that a peer offers and we know.
type mechanisms uint8

// The mechanisms: RFC 4616, LOGIN as it is commonly spoken, RFC 2195.
const (
	mechanismPlain mechanisms = 1 << iota
	mechanismLogin
	mechanismCRAMMD5
)

// cramMD5 is the name of the mechanism on the wire.
const cramMD5 = "CRAM-MD5"

func parseMechanisms(params []string) (m mechanisms) {
	for _, name := range params {
		switch strings.ToUpper(name) {
		case sasl.Plain:
			m |= mechanismPlain
		case sasl.Login:
			m |= mechanismLogin
		case cramMD5:
			m |= mechanismCRAMMD5
		}
	}
	return m
}

// choose returns the best mechanism. Inside TLS with a trusted peer that is
// PLAIN; a peer that is not trusted is better not shown the password.
func (m mechanisms) choose(trusted bool, username, password string) sasl.Client {
	switch {
	case m&mechanismCRAMMD5 != 0 && (!trusted || m == mechanismCRAMMD5):
		return &cramMD5Client{username, password}
	case m&mechanismPlain != 0:
		return sasl.NewPlainClient("", username, password)
	case m&mechanismLogin != 0:
		return sasl.NewLoginClient(username, password)
	}
	return nil
}

// cramMD5Client is RFC 2195: the digest is the mechanism's, and what protects
// the exchange is TLS.
type cramMD5Client struct{ username, password string }

var _ sasl.Client = (*cramMD5Client)(nil)

// Start returns no initial response: the challenge comes first.
func (c *cramMD5Client) Start() (mechanism string, initial []byte, err error) {
	return cramMD5, nil, nil
}

// Next answers the challenge.
func (c *cramMD5Client) Next(challenge []byte) ([]byte, error) {
	digest := hmac.New(md5.New, []byte(c.password))
	digest.Write(challenge)
	return []byte(c.username + " " + hex.EncodeToString(digest.Sum(nil))), nil
}

// authenticate is the stage that shows the credentials of a server profile, if
// it has any (B32). They go over TLS alone, and only to a peer that is verified
// unless the profile says otherwise.
func (d *Deliverer) authenticate(ctx context.Context, s *session, to target, t terms) *failure {
	if to.profile == nil || !to.profile.HasCredentials() {
		return nil
	}
	s.client.trace = nil // a live test shows what is said, and must not show this
	f := d.showCredentials(ctx, s, to.profile)
	s.client.trace = t.trace
	if f != nil {
		t.trace.step("AUTH", false, f.detail)
	} else {
		t.trace.step("AUTH", true, "the peer took the credentials")
	}
	return f
}

func (d *Deliverer) showCredentials(ctx context.Context, s *session, p *policy.ServerProfile) *failure {
	withheld := func(format string, args ...any) *failure {
		return &failure{stage: delivery.StageAuth, class: authWithheld, detail: fmt.Sprintf(format, args...)}
	}
	switch {
	case !s.tls.Encrypted():
		return withheld("the credentials of server profile %q never go in clear", p.Name)
	case !s.trusted && !p.AllowUnverified:
		return withheld("the credentials of server profile %q go to a verified peer only: %s", p.Name, s.tls.Verification)
	}
	password, err := d.Secrets.Get(ctx, p.PasswordID)
	if err != nil {
		return withheld("the password of server profile %q cannot be read here", p.Name)
	}
	mechanism := s.client.offers.auth.choose(s.trusted, p.Username, password)
	if mechanism == nil {
		return withheld("the peer offers none of AUTH PLAIN, LOGIN and CRAM-MD5")
	}
	return s.client.authenticate(ctx, mechanism, password)
}

// maxChallenges bounds the challenges of one exchange; no mechanism needs more
// than two.
const maxChallenges = 4

// authentication is one AUTH exchange (RFC 4954 §4).
type authentication struct {
	*client
	mechanism sasl.Client
	// initial is the response that has not been sent yet.
	initial []byte
	// secrets are what must not be repeated, should the peer do so.
	secrets []string
}

// authenticate holds the exchange of a mechanism.
func (c *client) authenticate(ctx context.Context, mechanism sasl.Client, password string) *failure {
	c.guard(ctx, 0)
	defer c.unguard()
	a := &authentication{client: c, mechanism: mechanism, secrets: []string{password}}
	r, err := a.begin()
	for range maxChallenges {
		if err != nil || r.Code != 334 {
			break
		}
		r, err = a.answer(r.Text())
	}
	switch {
	case err != nil:
		return failed(ctx, delivery.StageAuth, err)
	case r.Code == 421:
		return refusedBy(delivery.StageAuth, r)
	case r.Code != 235:
		return &failure{stage: delivery.StageAuth, class: authRefused, reply: r, detail: a.describe(r)}
	}
	return nil
}

// maxAuthCommand is the longest AUTH command with an initial response, its line
// end left out (RFC 4954 §4).
const maxAuthCommand = 510

// begin sends AUTH, with the initial response where it fits.
func (a *authentication) begin() (reply.Reply, error) {
	name, initial, err := a.mechanism.Start()
	if err != nil {
		return reply.Reply{}, err
	}
	command := "AUTH " + name
	if initial != nil {
		if encoded := a.encode(initial); len(command)+1+len(encoded) <= maxAuthCommand {
			command += " " + encoded
		} else {
			a.initial = initial
		}
	}
	return a.ask(command)
}

// encode returns a response as it goes on the wire, and remembers to keep it
// secret.
func (a *authentication) encode(response []byte) string {
	encoded := base64.StdEncoding.EncodeToString(response)
	a.secrets = append(a.secrets, encoded)
	return encoded
}

// answer sends the response to a challenge, or gives up where the challenge
// makes no sense (RFC 4954 §4).
func (a *authentication) answer(text string) (reply.Reply, error) {
	challenge, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return a.ask("*")
	}
	if response := a.initial; response != nil {
		a.initial = nil
		return a.ask(a.encode(response))
	}
	response, err := a.mechanism.Next(challenge)
	if err != nil {
		return a.ask("*")
	}
	return a.ask(a.encode(response))
}

// describe repeats the peer's refusal, unless that repeats our secrets.
func (a *authentication) describe(r reply.Reply) string {
	for _, secret := range a.secrets {
		if strings.Contains(r.Text(), secret) {
			return fmt.Sprintf("the peer refused the credentials: %d", r.Code)
		}
	}
	return "the peer refused the credentials: " + r.String()
}
