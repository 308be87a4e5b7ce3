package xmlrpc

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain/account"
)

func TestIntrospection(t *testing.T) {
	f := newFixture(t)
	names := f.mustCall(t, "", "system.listMethods").([]any)
	for _, want := range []any{
		"system.listMethods", "system.methodSignature", "system.methodHelp", "system.multicall", "system.getCapabilities",
		"session.login", "session.logout", "gateway.version", "gateway.default_fqdn",
		"certificate.list", "certificate.get", "certificate.active", "certificate.create_self_signed",
		"certificate.import_pem", "certificate.activate", "certificate.delete",
		"certificate.create_csr", "certificate.install_signed", "certificate.import_pkcs12",
		"certificate.stage", "certificate.unstage", "certificate.revert",
		"tls.get_settings", "tls.set_settings", "alert.send",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("%v is not listed", want)
		}
	}
	for _, name := range names {
		for _, signature := range f.mustCall(t, "", "system.methodSignature", name).([]any) {
			for _, typ := range signature.([]any) {
				if !slices.Contains([]any{"int", "boolean", "string", "base64", "dateTime.iso8601", "array", "struct"}, typ) {
					t.Errorf("%s: type %v", name, typ)
				}
			}
		}
		if help := f.mustCall(t, "", "system.methodHelp", name).(string); len(help) < 20 {
			t.Errorf("%s: help %q", name, help)
		}
	}
	help := f.mustCall(t, "", "system.methodHelp", "certificate.activate").(string)
	for _, part := range []string{"role certificate_manager", "\nid (string): ", "\nif_match (string, optional): "} {
		if !strings.Contains(help, part) {
			t.Errorf("help lacks %q:\n%s", part, help)
		}
	}
	f.wantFault(t, codeUnknownMethod, "", "system.methodHelp", "no.such")
	f.wantFault(t, codeUnknownMethod, "", "system.methodSignature", "no.such")
	capabilities := f.mustCall(t, "", "system.getCapabilities").(map[string]any)
	if capabilities["faults_interop"].(map[string]any)["specVersion"] != int64(20010516) {
		t.Errorf("capabilities %v", capabilities)
	}
}

// entry is a call of a multicall.
func entry(name string, params ...any) map[string]any {
	return map[string]any{"methodName": name, "params": append([]any{}, params...)}
}

func TestMulticall(t *testing.T) {
	f := newFixture(t)
	results := f.mustCall(t, basic(account.RoleViewer, "right"), "system.multicall", []any{
		entry("gateway.version"),
		entry("no.such"),
		entry("tls.set_settings"),
		entry("system.multicall", []any{}),
		entry("certificate.get"),
		entry("certificate.get", map[string]any{"id": "absent"}),
		entry("<b>"),
		"not a struct",
		map[string]any{"methodName": "gateway.version"},
		map[string]any{"methodName": "gateway.version", "params": []any{}, "more": 1},
		entry("gateway.version"),
	}).([]any)
	var codes []int64
	for _, result := range results {
		switch r := result.(type) {
		case []any:
			if diff := cmp.Diff([]any{"1.2.3"}, r); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
			codes = append(codes, 0)
		case map[string]any:
			if text, ok := r["faultString"].(string); !ok || text == "" || len(r) != 2 {
				t.Errorf("fault %v", r)
			}
			codes = append(codes, r["faultCode"].(int64))
		}
	}
	want := []int64{0, -32601, 403, -32602, -32602, 404, -32600, -32602, -32602, -32602, 0}
	if diff := cmp.Diff(want, codes); diff != "" {
		t.Errorf("codes (-want +got):\n%s", diff)
	}
	if n := f.accounts.count(); n != 1 {
		t.Errorf("the one password was checked %d times", n)
	}
}

func TestMulticallBounds(t *testing.T) {
	f := newFixture(t)
	calls := make([]any, maxCalls)
	for i := range calls {
		calls[i] = entry("system.getCapabilities")
	}
	if got := f.mustCall(t, "", "system.multicall", calls).([]any); len(got) != maxCalls {
		t.Errorf("%d results", len(got))
	}
	f.wantFault(t, codeBadParams, "", "system.multicall", append(calls, calls[0]))
	if got := f.mustCall(t, "", "system.multicall", []any{}).([]any); len(got) != 0 {
		t.Errorf("%d results of no calls", len(got))
	}
	f.wantFault(t, codeBadParams, "", "system.multicall")
	f.wantFault(t, codeBadParams, "", "system.multicall", "x")
}

// A multicall is no way to guess passwords at a discount: the authenticator sees
// each of them.
func TestMulticallCountsLogins(t *testing.T) {
	f := newFixture(t)
	guesses := make([]any, maxCalls)
	for i := range guesses {
		guesses[i] = entry("session.login", "admin", "guess")
	}
	for i, result := range f.mustCall(t, "", "system.multicall", guesses).([]any) {
		if members, ok := result.(map[string]any); !ok || members["faultCode"] != int64(401) {
			t.Fatalf("guess %d: %v", i, result)
		}
	}
	if n := f.accounts.count(); n != maxCalls {
		t.Errorf("%d attempts counted, want %d", n, maxCalls)
	}
}

func TestMulticallStopsWithItsContext(t *testing.T) {
	f := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := f.multicall(ctx, invocation{caller: &caller{}, args: args{"calls": []any{entry("session.login", "a", "b")}}})
	if faultOf(err).code != 503 || f.accounts.count() != 0 {
		t.Errorf("error %v, %d attempts", err, f.accounts.count())
	}
}
