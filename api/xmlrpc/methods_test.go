package xmlrpc

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/certificate"
	"postern/domain/config"
	"postern/domain/policy"
)

// The services of the domain are what the ports describe.
var (
	_ CertificateReader = (*certificate.Service)(nil)
	_ CertificateWriter = (*certificate.Service)(nil)
	_ CertificateForcer = (*certificate.Service)(nil)
	_ Configuration     = (*config.Service)(nil)
)

var testExpiry = time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)

// testCertificates keeps certificates in a map and notes what it was asked.
type testCertificates struct {
	certificates map[string]certificate.Certificate
	asked        []string
	forced       int
	created      certificate.SelfSignedRequest
	imported     certificate.ImportRequest
	waitErr      error
	err          error // if set, what every method returns
}

func (c *testCertificates) add(id string) certificate.Certificate {
	entry := certificate.Certificate{
		ID: id, Source: certificate.Imported, State: certificate.Inactive,
		Names: []string{"mail.example.com", "*.example.com"}, NotAfter: testExpiry,
		Chain: [][]byte{{0x30, 0}},
	}
	if c.certificates == nil {
		c.certificates = map[string]certificate.Certificate{}
	}
	c.certificates[id] = entry
	return entry
}

func (c *testCertificates) List(_ context.Context, after string, limit int) ([]certificate.Certificate, error) {
	c.asked = append(c.asked, fmt.Sprintf("list %q %d", after, limit))
	var list []certificate.Certificate
	for _, entry := range c.certificates {
		list = append(list, entry)
	}
	return list, c.err
}

func (c *testCertificates) Get(_ context.Context, id string) (certificate.Certificate, error) {
	entry, ok := c.certificates[id]
	if !ok {
		return entry, domain.E(domain.NotFound, "there is no certificate %q", id)
	}
	return entry, c.err
}

func (c *testCertificates) Active(context.Context) (certificate.Certificate, error) {
	for _, entry := range c.certificates {
		if entry.State == certificate.Active {
			return entry, nil
		}
	}
	if c.err != nil {
		return certificate.Certificate{}, c.err
	}
	return certificate.Certificate{}, domain.E(domain.NotFound, "no certificate is active")
}

func (c *testCertificates) CreateSelfSigned(_ context.Context, author string, r certificate.SelfSignedRequest) (certificate.Certificate, error) {
	c.asked = append(c.asked, "create by "+author)
	c.created = r
	return c.add("created"), c.err
}

func (c *testCertificates) ImportPEM(_ context.Context, author string, r certificate.ImportRequest) (certificate.Certificate, error) {
	c.asked = append(c.asked, "import by "+author)
	c.imported = r
	return c.add("imported"), c.err
}

func (c *testCertificates) ForceActivate(ctx context.Context, author, id, ifMatch string) (certificate.Certificate, error) {
	c.forced++
	return c.Activate(ctx, author, id, ifMatch)
}

func (c *testCertificates) Activate(_ context.Context, author, id, ifMatch string) (certificate.Certificate, error) {
	c.asked = append(c.asked, fmt.Sprintf("activate %s by %s %q", id, author, ifMatch))
	entry, ok := c.certificates[id]
	if !ok {
		return entry, domain.E(domain.NotFound, "there is no certificate %q", id)
	}
	entry.State, entry.Activation, entry.ActivatedAt = certificate.Active, 7, testExpiry.AddDate(-1, 0, 0)
	c.certificates[id] = entry
	return entry, c.err
}

func (c *testCertificates) WaitApplied(ctx context.Context, activation int64) error {
	c.asked = append(c.asked, fmt.Sprintf("wait for %d", activation))
	if errors.Is(c.waitErr, context.DeadlineExceeded) {
		<-ctx.Done()
	}
	return c.waitErr
}

func (c *testCertificates) Delete(ctx context.Context, author, id, ifMatch string) (certificate.Certificate, error) {
	c.asked = append(c.asked, fmt.Sprintf("delete %s by %s %q", id, author, ifMatch))
	entry, err := c.Get(ctx, id)
	delete(c.certificates, id)
	return entry, err
}

// testConfiguration holds the TLS settings alone.
type testConfiguration struct {
	settings policy.TLSSettings
	revision int64
	snapshot *config.Snapshot
	changes  []config.Change
	warnings domain.Faults
}

func newTestConfiguration(t *testing.T) *testConfiguration {
	t.Helper()
	snapshot := &config.Snapshot{}
	snapshot.Settings.Outbound.HostName = "mail.example.com"
	return &testConfiguration{settings: policy.DefaultTLSSettings(), revision: 1, snapshot: snapshot}
}

func (c *testConfiguration) etag() string { return fmt.Sprint("etag", c.revision) }

func (c *testConfiguration) Snapshot() *config.Snapshot { return c.snapshot }

func (c *testConfiguration) Get(_ context.Context, kind config.Kind, key string) (config.Item, config.Value, error) {
	if kind != config.KindSettings || key != config.SectionTLS {
		return config.Item{}, nil, domain.E(domain.NotFound, "no %s %s", kind, key)
	}
	return config.Item{Kind: kind, Key: key, ETag: c.etag(), Revision: c.revision}, c.settings, nil
}

func (c *testConfiguration) Commit(_ context.Context, change config.Change) (config.Result, error) {
	edit := change.Edits[0]
	if edit.IfMatch != c.etag() {
		return config.Result{}, domain.E(domain.Stale, "the settings were changed meanwhile")
	}
	c.changes = append(c.changes, change)
	c.settings = edit.Value.(policy.TLSSettings)
	c.revision++
	return config.Result{Revision: c.revision, Items: []config.Item{{ETag: c.etag()}}, Warnings: c.warnings}, nil
}

func (c *testConfiguration) WaitApplied(context.Context, int64) error { return nil }

var (
	asViewer  = basic(account.RoleViewer, "right")
	asManager = basic(account.RoleCertificateManager, "right")
	asAdmin   = basic(account.RoleAdmin, "right")
)

func TestGatewayMethods(t *testing.T) {
	f := newFixture(t)
	if got := f.mustCall(t, asViewer, "gateway.version"); got != "1.2.3" {
		t.Errorf("version %v", got)
	}
	if got := f.mustCall(t, asViewer, "gateway.default_fqdn"); got != "mail.example.com" {
		t.Errorf("FQDN %v", got)
	}
}

func TestCertificateReading(t *testing.T) {
	f := newFixture(t)
	f.wantFault(t, 404, asViewer, "certificate.active")
	entry := f.certificates.add("c1")
	want := map[string]any{
		"id": "c1", "label": "", "source": "imported", "state": "inactive", "subject": "",
		"names": []any{"mail.example.com", "*.example.com"}, "issuer": "", "serial_number": "",
		"not_after": testExpiry,
		"key_type":  "", "fingerprint": "", "insecure": false, "warnings": []any{},
		"created_at": time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), "created_by": "",
		"revision": int64(0), "activated_by": "", "etag": entry.ETag(),
	}
	list := f.mustCall(t, asViewer, "certificate.list", "c0", 5)
	if diff := cmp.Diff([]any{want}, list); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{`list "c0" 5`}, f.certificates.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	want["pem"] = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"
	if diff := cmp.Diff(want, f.mustCall(t, asViewer, "certificate.get", "c1")); diff != "" {
		t.Errorf("get (-want +got):\n%s", diff)
	}
	f.wantFault(t, 404, asViewer, "certificate.get", map[string]any{"id": "c2"})

	f.mustCall(t, asManager, "certificate.activate", "c1")
	active := f.mustCall(t, asViewer, "certificate.active").(map[string]any)
	if active["id"] != "c1" || active["activated_at"] != testExpiry.AddDate(-1, 0, 0) || active["pem"] != want["pem"] {
		t.Errorf("active %v", active)
	}
}

func TestCertificateMaking(t *testing.T) {
	f := newFixture(t)
	f.mustCall(t, asManager, "certificate.create_self_signed", map[string]any{
		"host_name": "mail.example.com", "alternative_names": []string{"*.example.com"}, "organization": "Example",
		"country": "AT", "key_type": "rsa_2048", "valid_days": 90, "label": "first",
	})
	created := certificate.SelfSignedRequest{
		Label: "first", HostName: "mail.example.com", AlternativeNames: []string{"*.example.com"},
		Organization: "Example", Country: "AT", KeyType: certificate.RSA2048, ValidDays: 90,
	}
	if diff := cmp.Diff(created, f.certificates.created); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	result := f.mustCall(t, asManager, "certificate.import_pem", "CERT", "KEY", []string{"ONE", "TWO"}, "second").(map[string]any)
	imported := certificate.ImportRequest{Label: "second", Certificate: "CERT", PrivateKey: "KEY", Chain: []string{"ONE", "TWO"}}
	if diff := cmp.Diff(imported, f.certificates.imported); diff != "" {
		t.Errorf("imported (-want +got):\n%s", diff)
	}
	if result["id"] != "imported" || result["pem"] == "" {
		t.Errorf("result %v", result)
	}
	faults := domain.Faults{{Pointer: "/private_key", Message: "does not match"}, {Pointer: "/chain/0", Message: "is unrelated"}}
	f.certificates.err = faults.Err()
	_, fault := f.call(t, asManager, "certificate.import_pem", "CERT")
	if fault == nil || fault.code != 422 || fault.text != "/private_key: does not match; /chain/0: is unrelated" {
		t.Errorf("fault %v", fault)
	}
}

// B54: published TLSA records are looked at unless the caller says otherwise.
func TestCertificateActivateByForce(t *testing.T) {
	f := newFixture(t)
	f.certificates.add("c1")
	f.mustCall(t, asManager, "certificate.activate", "c1", "tag", false)
	if f.certificates.forced != 0 {
		t.Error("forced without being asked")
	}
	f.mustCall(t, asManager, "certificate.activate", "c1", "tag", true)
	f.mustCall(t, asManager, "certificate.activate", map[string]any{"id": "c1", "force": true})
	if f.certificates.forced != 2 {
		t.Errorf("forced %d times, want 2", f.certificates.forced)
	}
}

func TestCertificateActivateAndDelete(t *testing.T) {
	f := newFixture(t)
	f.certificates.add("c1")
	for _, wait := range []struct {
		err     error
		applied bool
	}{
		{nil, true},
		{domain.E(domain.Unavailable, "not yet"), false},
	} {
		f.certificates.waitErr = wait.err
		want := map[string]any{"id": "c1", "state": "active", "revision": int64(7), "applied": wait.applied}
		if diff := cmp.Diff(want, f.mustCall(t, asManager, "certificate.activate", "c1", "tag")); diff != "" {
			t.Errorf("activate (-want +got):\n%s", diff)
		}
	}
	f.certificates.waitErr = domain.E(domain.Internal, "broken")
	f.wantFault(t, codeInternal, asManager, "certificate.activate", "c1")
	f.wantFault(t, 404, asManager, "certificate.activate", "c2")

	want := map[string]any{"id": "c1", "state": "deleted", "revision": int64(7), "applied": true}
	if diff := cmp.Diff(want, f.mustCall(t, asManager, "certificate.delete", "c1", "tag")); diff != "" {
		t.Errorf("delete (-want +got):\n%s", diff)
	}
	f.wantFault(t, 404, asManager, "certificate.delete", "c1")
	asked := []string{
		`activate c1 by certificate_manager "tag"`, "wait for 7", `activate c1 by certificate_manager "tag"`, "wait for 7",
		`activate c1 by certificate_manager ""`, "wait for 7", `activate c2 by certificate_manager ""`,
		`delete c1 by certificate_manager "tag"`, `delete c1 by certificate_manager ""`,
	}
	if diff := cmp.Diff(asked, f.certificates.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

// The wait for handshakes to use the certificate is bounded, and the activation
// stands whatever comes of it.
func TestActivateWaitIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.certificates.add("c1")
		f.certificates.waitErr = context.DeadlineExceeded
		begin := time.Now()
		got := f.mustCall(t, asManager, "certificate.activate", "c1").(map[string]any)
		if got["applied"] != false || time.Since(begin) != appliedWait {
			t.Errorf("%v after %v", got, time.Since(begin))
		}
	})
}

func TestTLSSettings(t *testing.T) {
	f := newFixture(t)
	want := map[string]any{"enabled": false, "send_starttls": false, "retry_without_tls": false, "min_version": "1.2", "write_digital_id": false, "etag": "etag1"}
	if diff := cmp.Diff(want, f.mustCall(t, asViewer, "tls.get_settings")); diff != "" {
		t.Errorf("get (-want +got):\n%s", diff)
	}
	f.configuration.warnings = domain.Faults{{Pointer: "/enabled", Message: "the certificate is for demonstration"}}
	got := f.mustCall(t, asAdmin, "tls.set_settings", map[string]any{"enabled": true, "send_starttls": true, "if_match": "etag1"})
	want = map[string]any{
		"enabled": true, "send_starttls": true, "retry_without_tls": false, "min_version": "1.2", "write_digital_id": false, "etag": "etag2",
		"revision": int64(2), "applied": true, "warnings": []any{"/enabled: the certificate is for demonstration"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("set (-want +got):\n%s", diff)
	}
	// What is not named stays as it is.
	f.mustCall(t, asAdmin, "tls.set_settings", nil, false, true, "1.3")
	settings := policy.TLSSettings{Enabled: true, RetryWithoutTLS: true, MinVersion: 0x0304}
	if diff := cmp.Diff(settings, f.configuration.settings); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	f.mustCall(t, asAdmin, "tls.set_settings", map[string]any{"write_digital_id": true}) // B47
	if got := f.mustCall(t, asViewer, "tls.get_settings").(map[string]any); got["write_digital_id"] != true || got["min_version"] != "1.3" {
		t.Errorf("%v", got)
	}
	if c := f.configuration.changes[1]; c.Author != "admin" || c.Edits[0].IfMatch != "etag2" {
		t.Errorf("change %+v", c)
	}
	f.wantFault(t, 412, asAdmin, "tls.set_settings", map[string]any{"enabled": false, "if_match": "etag1"})
	_, fault := f.call(t, asAdmin, "tls.set_settings", map[string]any{"min_version": "1.4"})
	if fault == nil || fault.code != 422 || fault.text != `/min_version: "1.4" is no TLS version: use 1.0, 1.1, 1.2 or 1.3` {
		t.Errorf("fault %v", fault)
	}
}
