package rest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"postern/domain"
	"postern/domain/mailaddr"
	"postern/domain/mtasts"
	"postern/domain/publication"
	"postern/domain/tlsreport"
)

// stepHosted: there is a policy that asks something of senders.
func (a *API) stepHosted(_ context.Context, name mailaddr.DomainName) (ReadinessStep, error) {
	s := ReadinessStep{Step: "hosted", Detail: "no policy is hosted: begin with mode testing"}
	h, ok := a.snapshot().MTASTSPolicy(name)
	if ok {
		s.Done, s.Detail = h.Mode != mtasts.ModeNone, "the policy is of mode "+string(h.Mode)
	}
	return s, nil
}

// stepPublished: DNS and web say what they should. TLSA records are no part of it.
func (a *API) stepPublished(ctx context.Context, name mailaddr.DomainName) (ReadinessStep, error) {
	checks, err := a.publisher.Check(ctx, name)
	if err != nil {
		return ReadinessStep{}, err
	}
	var wrong []string
	for _, each := range checks {
		if each.State != publication.StateGood && each.Purpose != publication.PurposeTLSA {
			wrong = append(wrong, fmt.Sprintf("%s %s: %s", each.Type, each.Name, each.Detail))
		}
	}
	return stepOf("published", "everything is published as it should be", wrong), nil
}

// stepVerified: senders that obey the policy reach every host.
func (a *API) stepVerified(ctx context.Context, name mailaddr.DomainName) (ReadinessStep, error) {
	proofs, err := a.publisher.Proof(ctx, name)
	if domain.KindOf(err) == domain.NotFound {
		return ReadinessStep{}, err
	}
	var wrong []string
	switch {
	case err != nil:
		wrong = append(wrong, err.Error())
	case len(proofs) == 0:
		wrong = append(wrong, "the domain has no MX host")
	}
	for _, p := range proofs {
		switch {
		case !p.Listed:
			wrong = append(wrong, p.Host.String()+" is not listed by the policy")
		case p.Fault != "":
			wrong = append(wrong, p.Fault)
		}
	}
	return stepOf("verified", "every MX host is listed, offers STARTTLS, and has a certificate for its name", wrong), nil
}

func stepOf(name, good string, wrong []string) ReadinessStep {
	if len(wrong) > 0 {
		return ReadinessStep{Step: name, Detail: strings.Join(wrong, "; ")}
	}
	return ReadinessStep{Step: name, Done: true, Detail: good}
}

// What incoming TLS is judged by.
const (
	readinessDays     = 14
	maxFailedPerMille = 10 // of the connections on which TLS was tried
)

// stepIncomingTLS: clients that try TLS succeed.
func (a *API) stepIncomingTLS(ctx context.Context, _ mailaddr.DomainName) (ReadinessStep, error) {
	now := a.now().UTC()
	report, err := a.reports.Report(ctx, tlsreport.Query{
		From: now.AddDate(0, 0, -readinessDays).Truncate(time.Hour), To: now.Truncate(time.Hour).Add(time.Hour), Direction: tlsreport.Incoming,
	}, 1)
	if err != nil {
		return ReadinessStep{}, err
	}
	var tried, failed int64
	for _, total := range report.Totals {
		tried, failed = tried+total.Attempts(), failed+total.Failed()
	}
	s := ReadinessStep{Step: "incoming_tls", Done: tried > 0 && failed*1000 <= tried*maxFailedPerMille}
	s.Detail = fmt.Sprintf("TLS failed on %d of %d incoming connections that tried it in the last %d days", failed, tried, readinessDays)
	return s, nil
}
