package xmlrpc

import (
	"strings"
	"testing"

	"postern/domain"
	"postern/domain/account"
)

// A01: no method answers in a session whose credential was revoked.
func TestRevokedCredentialEndsItsSessions(t *testing.T) {
	f := newFixture(t)
	ids := map[string]string{}
	for name, m := range f.methods {
		if !m.public() {
			ids[name] = f.openSession(t, "", "token")
		}
	}
	f.accounts.change(func(p account.Principal) (account.Principal, error) {
		if p.Token == "t" {
			return account.Principal{}, domain.E(domain.Unauthenticated, "the token was deleted")
		}
		return p, nil
	})
	for name, id := range ids {
		_, fault := f.call(t, "", name, map[string]any{"session": id})
		if fault == nil || fault.code != 401 || !strings.Contains(fault.text, "the token was deleted") {
			t.Errorf("%s: fault %v", name, fault)
		}
	}
	// The header of the call does not make the session good, nor does time.
	f.accounts.change(nil)
	for name, id := range ids {
		f.wantFault(t, 401, basic(account.RoleAdmin, "right"), name, map[string]any{"session": id})
	}
	other := f.openSession(t, "viewer", "right")
	f.mustCall(t, "", "gateway.version", map[string]any{"session": other})
}

func TestRevocationKeepsOtherSessions(t *testing.T) {
	f := newFixture(t)
	token, person := f.openSession(t, "", "token"), f.openSession(t, "viewer", "right")
	f.accounts.change(func(p account.Principal) (account.Principal, error) {
		if p.Token != "" {
			return account.Principal{}, domain.E(domain.Unauthenticated, "the token was deleted")
		}
		return p, nil
	})
	f.wantFault(t, 401, "", "gateway.version", map[string]any{"session": token})
	f.mustCall(t, "", "gateway.version", map[string]any{"session": person})
}

func TestLoweredRoleCountsInOpenSessions(t *testing.T) {
	f := newFixture(t)
	session := map[string]any{"session": f.openSession(t, "admin", "right")}
	f.mustCall(t, "", "tls.set_settings", session)
	f.accounts.change(func(p account.Principal) (account.Principal, error) {
		p.Role = account.RoleViewer
		return p, nil
	})
	f.wantFault(t, 403, "", "tls.set_settings", session)
	f.mustCall(t, "", "tls.get_settings", session)
}

// Each call of a multicall asks anew.
func TestRevocationWithinAMulticall(t *testing.T) {
	f := newFixture(t)
	id := f.openSession(t, "", "token")
	asked := 0
	f.accounts.change(func(p account.Principal) (account.Principal, error) {
		if asked++; asked > 1 {
			return account.Principal{}, domain.E(domain.Unauthenticated, "the token was deleted")
		}
		return p, nil
	})
	call := map[string]any{"methodName": "gateway.version", "params": []any{map[string]any{"session": id}}}
	results := f.mustCall(t, "", multicallName, []any{call, call, call}).([]any)
	for i, result := range results {
		if _, isFault := result.(map[string]any); isFault != (i > 0) {
			t.Errorf("call %d: %v", i, result)
		}
	}
	if asked != 2 {
		t.Errorf("asked %d times, want 2: the session ended with the second", asked)
	}
}

// Accounts that cannot be read now let nobody in, and end no session.
func TestSessionOutlivesATroubledStore(t *testing.T) {
	f := newFixture(t)
	session := map[string]any{"session": f.openSession(t, "viewer", "right")}
	f.accounts.change(func(account.Principal) (account.Principal, error) {
		return account.Principal{}, domain.E(domain.Unavailable, "the database is busy")
	})
	f.wantFault(t, 503, "", "gateway.version", session)
	f.accounts.change(nil)
	f.mustCall(t, "", "gateway.version", session)
}

func (f *fixture) openSession(t *testing.T, user, password string) string {
	t.Helper()
	return f.mustCall(t, "", "session.login", user, password).(string)
}
