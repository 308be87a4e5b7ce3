package xmlrpc

import (
	"testing"

	"postern/domain"
	"postern/domain/account"
)

// testRates counts calls by who makes them, and refuses one too many.
type testRates struct {
	calls map[string]int
	most  int // 0: no end
}

func (r *testRates) Allow(p account.Principal) error {
	if r.calls == nil {
		r.calls = map[string]int{}
	}
	r.calls[p.Name]++
	if r.most > 0 && r.calls[p.Name] > r.most {
		return domain.E(domain.Exhausted, "more than %d requests a second", r.most)
	}
	return nil
}

// Calls count by who makes them, those of a multicall each, and log-ins too; what
// needs no credentials does not count.
func TestRateOfCalls(t *testing.T) {
	f := newFixture(t)
	f.rates.most = 3
	version := map[string]any{"methodName": "gateway.version", "params": []any{}}
	results := f.mustCall(t, asViewer, multicallName, []any{version, version, version, version}).([]any)
	if fault, ok := results[3].(map[string]any); !ok || fault["faultCode"] != int64(429) {
		t.Errorf("the fourth: %v", results[3])
	}
	if _, ok := results[2].([]any); !ok {
		t.Errorf("the third: %v", results[2])
	}
	f.wantFault(t, 429, asViewer, "gateway.version")
	f.wantFault(t, 429, "", "session.login", "viewer", "right")
	f.mustCall(t, asViewer, "system.listMethods")
	f.mustCall(t, asManager, "gateway.version") // others go on
	f.wantFault(t, 401, basic(account.RoleAdmin, "wrong"), "gateway.version")
	if f.rates.calls["admin"] != 0 {
		t.Error("who did not prove to be the administrator uses up their rate")
	}
}
