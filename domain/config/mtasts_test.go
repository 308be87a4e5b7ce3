package config_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"postern/domain"
	"postern/domain/config"
	"postern/domain/config/configtest"
	"postern/domain/event"
	"postern/domain/mailaddr"
	"postern/domain/mtasts"
	"postern/domain/policy"
)

// mailHosts finds a fault with each host until it is healed.
type mailHosts struct {
	healed bool
	looks  int
}

func (h *mailHosts) CheckMailHosts(_ context.Context, p mtasts.Hosting) (f domain.Faults) {
	h.looks++
	if !h.healed {
		f.Add("/mx", "senders could not deliver to %s", p.MX[0])
	}
	return f
}

func (h *mailHosts) CheckPolicyHost(*config.Snapshot, mailaddr.DomainName) (f domain.Faults) {
	if !h.healed {
		f.Add("/domain", "nobody can fetch the policy")
	}
	return f
}

func hosted(mode mtasts.Mode, force bool) config.Edit {
	return config.Edit{Kind: config.KindMTASTSPolicy, Key: "example.com", Value: mtasts.Hosting{
		Domain: "example.com", Mode: mode, MX: []mtasts.MXPattern{"mx.example.com"}, MaxAgeSeconds: 604800, Force: force,
	}}
}

func newHosted(t *testing.T, hosts config.MailHosts) *config.Service {
	t.Helper()
	store := new(configtest.Memory)
	s, err := config.NewService(t.Context(), config.Dependencies{
		Store: store, History: store, Certificates: configtest.Certificates{}, Sockets: configtest.Sockets{}, MailHosts: hosts,
		Bus: new(event.Bus), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	configtest.Commit(t, s, config.Edit{Kind: config.KindDomain, Key: "example.com", Value: policy.HostedDomain{Name: "example.com"}})
	return s
}

// B61: mode enforce is refused while a host fails, unless forced; what was looked at
// once is not looked at again, and a roll back is not kept waiting.
func TestEnforceIsLookedAt(t *testing.T) {
	hosts := new(mailHosts)
	s := newHosted(t, hosts)
	testing := configtest.Commit(t, s, hosted(mtasts.ModeTesting, false))
	if len(testing.Warnings) != 1 || !strings.Contains(testing.Warnings[0].Message, "nobody can fetch the policy") {
		t.Errorf("warnings %v", testing.Warnings)
	}
	if hosts.looks != 0 {
		t.Error("mode testing needs no look")
	}
	_, err := s.Commit(t.Context(), config.Change{Edits: []config.Edit{hosted(mtasts.ModeEnforce, false)}})
	if domain.KindOf(err) != domain.Invalid || !strings.Contains(err.Error(), "could not deliver to mx.example.com") {
		t.Errorf("got %v", err)
	}
	configtest.Commit(t, s, hosted(mtasts.ModeEnforce, true))
	if p, _ := s.Snapshot().MTASTSPolicy("example.com"); p.Mode != mtasts.ModeEnforce || hosts.looks != 1 {
		t.Errorf("forced: %+v after %d looks", p, hosts.looks)
	}
	hosts.healed = true
	r := configtest.Commit(t, s, hosted(mtasts.ModeEnforce, false))
	if len(r.Warnings) != 0 {
		t.Errorf("warnings of what is good: %v", r.Warnings)
	}
	configtest.Commit(t, s, hosted(mtasts.ModeEnforce, false))
	if hosts.looks != 2 {
		t.Errorf("%d looks", hosts.looks)
	}
	configtest.Commit(t, s, hosted(mtasts.ModeNone, false))
	hosts.healed = false
	if _, err := s.Rollback(t.Context(), r.Revision, config.Act{Author: "a"}); err != nil {
		t.Errorf("roll back: %v", err)
	}
}

// B61: a policy belongs to a hosted domain, which cannot go before it.
func TestHostedPolicyNeedsItsDomain(t *testing.T) {
	s := newHosted(t, nil)
	configtest.Commit(t, s, hosted(mtasts.ModeEnforce, false))
	if got := s.Snapshot().MTASTSDomains(); len(got) != 1 || got[0] != mailaddr.DomainName("example.com") {
		t.Errorf("domains %v", got)
	}
	gone := config.Edit{Kind: config.KindDomain, Key: "example.com"}
	if _, err := s.Commit(t.Context(), config.Change{Edits: []config.Edit{gone}}); domain.KindOf(err) != domain.Conflict {
		t.Errorf("delete the domain: %v", err)
	}
	configtest.Commit(t, s, gone, config.Edit{Kind: config.KindMTASTSPolicy, Key: "example.com"})
	_, err := s.Commit(t.Context(), config.Change{Edits: []config.Edit{hosted(mtasts.ModeTesting, false)}})
	if domain.KindOf(err) != domain.Invalid || !strings.Contains(err.Error(), "no hosted domain") {
		t.Errorf("without the domain: %v", err)
	}
}
