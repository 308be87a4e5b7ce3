package acme

import (
	"context"
	"slices"

	"golang.org/x/crypto/acme"

	"postern/domain"
	"postern/domain/policy"
)

// author is who puts answers of the built-in client.
const author = "acme"

// prover answers the challenges of one order.
type prover struct {
	ctx       context.Context // of the order
	client    *Client
	authority *acme.Client
	settings  policy.ACMESettings
	tell      tell

	records     publisher // of dns-01; nil: not needed so far
	withdrawals []func(context.Context) error
}

// claim is a name that is not proven yet, with its challenge.
type claim struct {
	url       string // of the authorization
	name      string
	challenge *acme.Challenge
}

// prove goes through the authorizations of an order: one challenge for each name, and
// all answers known before the authority is asked to look at the first (B48). What was
// answered is taken away, and where a name fails those that wait still are given up.
func (p *prover) prove(urls []string) error {
	err := p.proveAll(urls)
	p.withdraw()
	if err != nil {
		p.giveUp(urls)
	}
	return err
}

func (p *prover) proveAll(urls []string) error {
	var claims []claim
	for _, url := range urls {
		c, err := p.claim(url)
		if err != nil {
			return err
		}
		if c.challenge == nil {
			continue
		}
		if err := p.answer(c); err != nil {
			return p.failed(err, c.name)
		}
		claims = append(claims, c)
	}
	if p.records != nil {
		if err := p.records.wait(p.ctx); err != nil {
			return domain.Wrap(err, "answer the dns-01 challenges")
		}
	}
	for _, c := range claims {
		if err := p.ask(c); err != nil {
			return err // B48: all or nothing
		}
	}
	return nil
}

// claim reads an authorization; without a challenge it is proven already.
func (p *prover) claim(url string) (claim, error) {
	authorization, err := p.authority.GetAuthorization(p.ctx, url)
	if err != nil {
		return claim{}, problem(err, "an authorization cannot be read")
	}
	c := claim{url: url, name: nameOf(authorization)}
	if authorization.Status == acme.StatusValid {
		p.tell("%q is proven already.", c.name)
		return c, nil
	}
	c.challenge, err = p.choose(authorization)
	return c, err
}

// nameOf is the name that an authorization is for (RFC 8555 §7.1.4).
func nameOf(a *acme.Authorization) string {
	if a.Wildcard {
		return "*." + a.Identifier.Value
	}
	return a.Identifier.Value
}

// ask has the authority look at the answer, and waits for what it found.
func (p *prover) ask(c claim) error {
	p.tell("The %s challenge for %q is answered; the authority is asked to look.", c.challenge.Type, c.name)
	_, err := p.authority.Accept(p.ctx, c.challenge)
	if err == nil {
		_, err = p.authority.WaitAuthorization(p.ctx, c.url)
	}
	if err != nil {
		return p.failed(problem(err, "the "+c.challenge.Type+" challenge for "+c.name+" failed"), c.name)
	}
	p.tell("%q is proven.", c.name)
	return nil
}

// failed puts what went wrong into the transcript.
func (p *prover) failed(err error, name string) error {
	p.tell("%q is not proven: %s", name, words(err))
	return err
}

// choose returns the challenge of the kind that is configured.
func (p *prover) choose(a *acme.Authorization) (*acme.Challenge, error) {
	kind := string(p.settings.Challenge)
	i := slices.IndexFunc(a.Challenges, func(c *acme.Challenge) bool { return c.Type == kind })
	if i < 0 {
		return nil, domain.E(domain.Unavailable, "the authority offers no %s challenge for %q", kind, nameOf(a))
	}
	return a.Challenges[i], nil
}

// answer makes the answer known, and notes how it is taken away.
func (p *prover) answer(c claim) error {
	with := p.answerHTTP
	switch p.settings.Challenge {
	case policy.ACMETLSALPN01:
		with = p.answerTLS
	case policy.ACMEDNS01:
		with = p.answerDNS
	}
	withdraw, err := with(c)
	if err != nil {
		return domain.Wrap(err, "answer the %s challenge for %s", c.challenge.Type, c.name)
	}
	p.withdrawals = append(p.withdrawals, withdraw)
	return nil
}

func (p *prover) answerHTTP(c claim) (withdraw func(context.Context) error, err error) {
	answer, err := p.authority.HTTP01ChallengeResponse(c.challenge.Token)
	if err != nil {
		return nil, err
	}
	_, err = p.client.Answers.Put(p.ctx, author, c.challenge.Token, answer)
	return func(ctx context.Context) error { return p.client.Answers.Delete(ctx, c.challenge.Token) }, err
}

func (p *prover) answerTLS(c claim) (withdraw func(context.Context) error, err error) {
	answer, err := p.authority.TLSALPN01ChallengeCert(c.challenge.Token, c.name)
	if err != nil {
		return nil, err
	}
	p.client.TLSAnswers.Put(c.name, &answer)
	return func(context.Context) error { p.client.TLSAnswers.Delete(c.name); return nil }, nil
}

func (p *prover) answerDNS(c claim) (withdraw func(context.Context) error, err error) {
	text, err := p.authority.DNS01ChallengeRecord(c.challenge.Token)
	if err != nil {
		return nil, err
	}
	if p.records == nil {
		if p.records, err = p.client.publisher(p.ctx, p.settings, p.tell); err != nil {
			return nil, err
		}
	}
	// RFC 8555 §8.4: the record of a wildcard stands at the name below it.
	return p.records.publish(p.ctx, record{domain: trimWildcard(c.name), text: text})
}

// giveUp deactivates the authorizations that wait still (RFC 8555 §7.5.2): authorities
// bound how many of them an account may have.
func (p *prover) giveUp(urls []string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), cleanUpTime)
	defer cancel()
	for _, url := range urls {
		authorization, err := p.authority.GetAuthorization(ctx, url)
		if err == nil && authorization.Status == acme.StatusPending {
			err = deactivate(ctx, p.authority, url)
		}
		if err != nil {
			p.tell("An authorization that nobody needs any more stays at the authority: %s.", problem(err, "it cannot be deactivated"))
			return // the next would fail likewise
		}
	}
}
