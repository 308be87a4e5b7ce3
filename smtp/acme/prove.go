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
	client    *Client
	authority *acme.Client
	challenge policy.ACMEChallenge
	tell      tell
}

// prove goes through one authorization: one name, one challenge (B48).
func (p prover) prove(ctx context.Context, url string) error {
	authorization, err := p.authority.GetAuthorization(ctx, url)
	if err != nil {
		return problem(err, "an authorization cannot be read")
	}
	name := authorization.Identifier.Value
	if authorization.Status == acme.StatusValid {
		p.tell("%q is proven already.", name)
		return nil
	}
	challenge, err := p.choose(authorization)
	if err != nil {
		return err
	}
	withdraw, err := p.answer(ctx, name, challenge)
	if err != nil {
		return domain.Wrap(err, "answer the challenge for %q", name)
	}
	defer withdraw()
	p.tell("The %s challenge for %q is answered; the authority is asked to look.", challenge.Type, name)
	if _, err := p.authority.Accept(ctx, challenge); err != nil {
		return p.failed(err, name)
	}
	if _, err := p.authority.WaitAuthorization(ctx, url); err != nil {
		return p.failed(err, name)
	}
	p.tell("%q is proven.", name)
	return nil
}

// failed puts what the authority found into transcript and error.
func (p prover) failed(err error, name string) error {
	err = problem(err, "the "+string(p.challenge)+" challenge for "+name+" failed")
	p.tell("%s", err)
	return err
}

// choose returns the challenge of the kind that is configured.
func (p prover) choose(a *acme.Authorization) (*acme.Challenge, error) {
	i := slices.IndexFunc(a.Challenges, func(c *acme.Challenge) bool { return c.Type == string(p.challenge) })
	if i < 0 {
		return nil, domain.E(domain.Unavailable, "the authority offers no %s challenge for %q", p.challenge, a.Identifier.Value)
	}
	return a.Challenges[i], nil
}

// answer makes the answer known; withdraw takes it away.
func (p prover) answer(ctx context.Context, name string, c *acme.Challenge) (withdraw func(), err error) {
	if p.challenge == policy.ACMETLSALPN01 {
		answer, err := p.authority.TLSALPN01ChallengeCert(c.Token, name)
		if err != nil {
			return nil, err
		}
		p.client.TLSAnswers.Put(name, &answer)
		return func() { p.client.TLSAnswers.Delete(name) }, nil
	}
	answer, err := p.authority.HTTP01ChallengeResponse(c.Token)
	if err != nil {
		return nil, err
	}
	if _, err := p.client.Answers.Put(ctx, author, c.Token, answer); err != nil {
		return nil, err
	}
	return func() { // one that stays is forgotten after a day
		_ = p.client.Answers.Delete(context.WithoutCancel(ctx), c.Token)
	}, nil
}
