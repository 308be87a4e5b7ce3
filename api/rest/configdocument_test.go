package rest

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain/config"
)

// constantsOf returns the values of the constants in a file of domain/config
// whose names begin with the prefix.
func constantsOf(t *testing.T, file, prefix string) (values []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), "../../domain/config/"+file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if ok && strings.HasPrefix(spec.Names[0].Name, prefix) {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, value)
		}
		return true
	})
	if len(values) == 0 {
		t.Fatalf("%s has no constants %s…", file, prefix)
	}
	return values
}

func TestEveryKindIsInTheConfigurationDocument(t *testing.T) {
	kinds, sections := map[string]bool{}, map[string]bool{}
	for _, s := range new(API).withResources().sections() {
		if ref := s.ref(); ref.Kind == config.KindSettings {
			sections[ref.Key] = true
		}
		kinds[string(s.ref().Kind)] = true
	}
	for _, kind := range constantsOf(t, "item.go", "Kind") {
		if !kinds[kind] {
			t.Errorf("items of kind %s are not in the document: add them to API.sections", kind)
		}
	}
	for _, section := range constantsOf(t, "kinds.go", "Section") {
		if !sections[section] {
			t.Errorf("settings/%s is not in the document: add it to API.sections", section)
		}
	}
}

// filled is a fixture with an item of every kind.
func filled(t *testing.T) *fixture {
	f := newFixture(t)
	for _, item := range []struct{ path, schema string }{
		{"/server-profiles/smarthost", "ServerProfile"}, {"/trust-anchors/partner", "TrustAnchor"},
		{"/destination-controls/partner.example", "DestinationControl"}, {"/routes/.internal.example", "Route"},
		{"/starttls-exemptions/192.0.2.0%2F24", "STARTTLSExemption"}, {"/starttls-requirements/mx.partner.example", "STARTTLSRequirement"},
		{"/domains/example.com", "HostedDomain"}, {"/mail-flow-policies/SPECIAL", "MailFlowPolicy"},
		{"/listeners/second", "Listener"}, {"/alert-recipients/operators", "AlertRecipient"}, {"/webhooks/dashboard", "Webhook"},
		{"/content-filters/first", "ContentFilter"},
	} {
		f.call("PUT", basePath+item.path, withoutName(t, example(t, item.schema))).want(http.StatusCreated)
	}
	f.call("PUT", basePath+"/server-profiles/secret", `{"type":"smtp","uris":["smtp://secret.example"],"transport_encryption":"starttls_required","username":"postern","password":"geheim"}`).want(http.StatusCreated)
	return f
}

const applyPath = basePath + "/config"

// configurationOf returns the whole document without its revision.
func (f *fixture) configurationOf() string {
	f.t.Helper()
	var d map[string]json.RawMessage
	if err := json.Unmarshal(f.call("GET", applyPath, "").want(http.StatusOK).body, &d); err != nil {
		f.t.Fatal(err)
	}
	delete(d, "revision")
	return string(mustJSON(d))
}

func TestConfigurationGoesRound(t *testing.T) {
	from := filled(t)
	read := from.call("GET", applyPath, "").want(http.StatusOK)
	again := from.call("PUT", applyPath+"?prune=true", string(read.body), "If-Match", read.etag()).want(http.StatusOK)
	if before, after := from.config.Status().Committed, again.header.Get(headerCommitted); after != strconv.FormatInt(before, 10) || !strings.Contains(string(again.body), `"items":[]`) {
		t.Errorf("what was read changes something: revision %s, %s", after, again.body)
	}
	from.call("GET", applyPath, "", "If-None-Match", again.etag()).want(http.StatusNotModified)

	to := newFixture(t)
	refused := to.call("PUT", applyPath, string(read.body)).want(http.StatusUnprocessableEntity)
	for _, pointer := range []string{"/server_profiles/secret/password", "/webhooks/dashboard/secret"} {
		if !strings.Contains(string(refused.body), `"`+pointer+`"`) {
			t.Errorf("a secret that is not here is not asked for at %s: %s", pointer, refused.body)
		}
	}
	if got := to.config.Status().Committed; got != 1 {
		t.Fatalf("a refused document made revision %d", got)
	}
	whole := strings.ReplaceAll(string(read.body), `"password_set":true`, `"password":"geheim"`)
	whole = strings.ReplaceAll(whole, `"secret_set":true`, `"secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"`)
	first := to.call("PUT", applyPath, whole, "Change-Comment", "copied").want(http.StatusOK)
	if got := first.header.Get(headerCommitted); got != "2" {
		t.Errorf("revision %s, want one of all", got)
	}
	if diff := cmp.Diff(from.configurationOf(), to.configurationOf()); diff != "" {
		t.Errorf("exported (-), and exported again (+):\n%s", diff)
	}
	second := to.call("PUT", applyPath, whole).want(http.StatusOK)
	if got := second.header.Get(headerCommitted); got != "2" {
		t.Errorf("the same document made revision %s", got)
	}
	if shown := string(second.body) + to.configurationOf(); strings.Contains(shown, "geheim") || strings.Contains(shown, "whsec_") {
		t.Error("a secret is shown")
	}
}

func TestApplyDryRun(t *testing.T) {
	f := filled(t)
	stored := len(f.secrets.values)
	const document = `{"format":1,"settings":{"queue":{"retry_intervals_seconds":[60],"lifetime_seconds":600,"delay_notice_after_seconds":0,"max_deliveries":5,"history_seconds":600}},
		"destination_controls":{"New.Example":{"tls_level":"required"}},
		"server_profiles":{"smarthost":{"type":"smtp","uris":["smtp://other.example"],"transport_encryption":"starttls_required","username":"postern","password":"new"}}}`
	before := f.config.Status().Committed
	reply := f.call("PUT", applyPath+"?dry_run=true&prune=true", document).want(http.StatusOK)
	var diff ConfigurationDiff
	if err := json.Unmarshal(reply.body, &diff); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, item := range diff.Items {
		got = append(got, item.Action+" "+item.Kind+" "+item.Key)
	}
	want := []string{
		"changed settings queue", "created destination_control new.example", "deleted destination_control partner.example",
		"changed server_profile smarthost", "deleted server_profile secret",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if !diff.DryRun || f.config.Status().Committed != before || len(f.secrets.values) != stored {
		t.Errorf("a dry run did something: %+v", diff)
	}
	text := f.call("PUT", applyPath+"?dry_run=true", document, "Accept", "text/plain").want(http.StatusOK)
	if !strings.Contains(string(text.body), "+ destination_control new.example\n") || strings.Contains(string(text.body), "partner.example") {
		t.Errorf("text:\n%s", text.body)
	}
}

func TestPruneKeepsWhatMustStay(t *testing.T) {
	f := filled(t)
	f.call("PUT", applyPath+"?prune=true", `{"format":1,"listeners":{},"host_access_tables":{},"destination_controls":{}}`).want(http.StatusOK)
	var d ConfigurationDocument
	if err := json.Unmarshal([]byte(f.configurationOf()), &d); err != nil {
		t.Fatal(err)
	}
	_, hasDefault := d.DestinationControls["default"]
	if len(d.Listeners)+len(d.HostAccessTables) != 0 || len(d.DestinationControls) != 1 || !hasDefault {
		t.Errorf("left: %v %v %v", d.Listeners, d.HostAccessTables, d.DestinationControls)
	}
	if len(d.Routes) == 0 || len(d.Webhooks) == 0 || d.Settings.TLS == nil {
		t.Error("parts that the document does not have were touched")
	}
	used := f.call("PUT", applyPath+"?prune=true", `{"format":1,"server_profiles":{}}`).want(http.StatusConflict)
	if !strings.Contains(string(used.body), "smarthost") {
		t.Errorf("refusal %s", used.body)
	}
}

func TestApplyRefusals(t *testing.T) {
	f := newFixture(t)
	tag := f.call("GET", applyPath, "").want(http.StatusOK).etag()
	reply := f.call("PUT", applyPath, `{"format":2,"listeners":{"a/b":{"kind":"public","address":"127.0.0.1","port":70000,"protocol":7}},
		"routes":{"..":{},"example.com":{"next_hops":[{"server_profile":"none"}]}},"domains":{"EXAMPLE.org":{},"example.org":{}}}`).want(http.StatusUnprocessableEntity)
	for _, pointer := range []string{"/format", "/listeners/a~1b/port", "/listeners/a~1b/protocol", "/routes/..", "/domains/example.org"} {
		if !strings.Contains(string(reply.body), `"pointer":"`+pointer+`"`) {
			t.Errorf("no fault at %s: %s", pointer, reply.body)
		}
	}
	whole := f.call("PUT", applyPath, `{"format":1,"routes":{"example.com":{"next_hops":[{"server_profile":"none"}]}}}`).want(http.StatusUnprocessableEntity)
	if !strings.Contains(string(whole.body), `"/routes/example.com/next_hops/0/server_profile"`) {
		t.Errorf("faults %s", whole.body)
	}
	f.call("PUT", applyPath, `{"format":1,"unknown":{}}`).want(http.StatusBadRequest)
	f.call("PUT", applyPath, `{}`).want(http.StatusUnprocessableEntity)
	f.call("PUT", applyPath+"?prune=perhaps", `{"format":1}`).want(http.StatusBadRequest)
	f.call("PUT", basePath+"/domains/example.net", `{}`).want(http.StatusCreated)
	f.call("PUT", applyPath, `{"format":1,"domains":{"example.com":{}}}`, "If-Match", tag).want(http.StatusPreconditionFailed)
}

func TestApplyIntoADraft(t *testing.T) {
	f := newFixture(t)
	var draft Change
	if err := json.Unmarshal(f.call("POST", basePath+"/changes", `{"comment":"later"}`).want(http.StatusCreated).body, &draft); err != nil {
		t.Fatal(err)
	}
	in := "?change=" + draft.ID
	f.call("PUT", applyPath+in, `{"format":1,"domains":{"example.com":{}}}`).want(http.StatusOK)
	if got := string(f.call("GET", applyPath+in, "").want(http.StatusOK).body); !strings.Contains(got, `"example.com"`) {
		t.Errorf("the draft shows %s", got)
	}
	if got := f.configurationOf(); strings.Contains(got, `"example.com"`) {
		t.Errorf("the configuration in force shows the draft: %s", got)
	}
	f.call("PUT", applyPath+in+"&dry_run=true", `{"format":1}`).want(http.StatusBadRequest)
	f.call("POST", basePath+"/changes/"+draft.ID+"/commit", "").want(http.StatusOK)
	if got := f.configurationOf(); !strings.Contains(got, `"example.com"`) {
		t.Error("the committed draft is not in force")
	}
}
