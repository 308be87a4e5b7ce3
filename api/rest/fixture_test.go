package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/api/rest/resttest"
	"postern/domain"
	"postern/domain/account"
	"postern/domain/alert"
	"postern/domain/audit"
	"postern/domain/audit/audittest"
	"postern/domain/certificate"
	"postern/domain/config"
	"postern/domain/config/configtest"
	"postern/domain/event"
	"postern/domain/eventlog"
	"postern/domain/idempotency"
	"postern/domain/job"
	"postern/domain/probe"
)

// fixture is the whole API over HTTP on a seeded configuration; every reply is
// held against the OpenAPI document.
type fixture struct {
	t       *testing.T
	server  *httptest.Server
	client  *http.Client
	api     *API
	config  *config.Service
	drafts  *config.Drafts
	certs   *certificate.Service
	people  *account.Service
	log     *lockedBuffer
	queue   *memoryQueue
	hosts   *oneHour
	probes  *probes
	reports *reports
	alerts  *alert.Service
	jobs    *job.Service
	events  *eventlog.Log
	metered sync.Map // of operation and status, such as "getStatus 200"
	secrets *memorySecrets
	audited *audittest.Store
	reasons []string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, log: new(lockedBuffer)}
	var store *configtest.Memory
	f.config, store = configtest.Seeded(t)
	f.drafts = configtest.Drafts(t, f.config, store)
	f.certs = newCertificates()
	f.people = newAccounts()
	f.queue, f.hosts, f.probes = newQueue(), new(oneHour), new(probes)
	f.reports = newReports()
	f.secrets = new(memorySecrets)
	f.audited = new(audittest.Store)
	f.alerts = newAlerts(t)
	f.jobs = newJobs(t)
	f.events = newEventLog(t)
	f.api = New(f.parts())
	f.server = httptest.NewServer(f.api.Handler())
	t.Cleanup(f.server.Close)
	f.client = &http.Client{Transport: resttest.Transport(t, f.server.Client().Transport)}
	f.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return f
}

func (f *fixture) parts() Config {
	return Config{
		Log: slog.New(slog.NewJSONHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now: time.Now, Version: "test", Measure: f.measure,
		Authenticator: tokens{}, Configuration: f.config, Revisions: f.config, Snapshot: f.config.Snapshot,
		Changes: f.drafts, ChangeCommits: f.drafts, Preview: f.config.Preview,
		Certificates: f.certs, CertificateWriter: f.certs, CertificateFiles: f.certs, CertificateSchedule: f.certs,
		ProveCertificate: func(_ context.Context, c certificate.Certificate) []probe.ServedCertificate {
			return []probe.ServedCertificate{{Endpoint: "listener inbound", Expected: true, Served: c.State == certificate.Active}}
		},
		Tokens: f.people, Administrators: f.people,
		Messages: f.queue, MessageActor: f.queue, OneHourList: f.hosts, Alerts: f.alerts,
		Sessions: newSessions(), ReportOnly: new(reportOnly), History: pastDay{},
		Rates:        NewRateLimiter(time.Now),
		CursorSecret: []byte("secret"), AuditLog: audit.NewService(f.audited, time.Now), Idempotency: idempotency.NewService(new(memoryClaims), time.Now),
		Challenges:   newMemoryChallenges(f.t),
		Destinations: newDestinations(), TLSReports: f.reports,
		Listeners: func() []ListenerStatus {
			return []ListenerStatus{{Name: "inbound", Address: "127.0.0.1:2525", Connections: 3}, {Name: "outbound", Address: "127.0.0.1:0", Problem: "the port is taken"}}
		},
		Jobs: f.jobs, Events: f.events, Webhooks: oneWebhook{},
		Secrets: f.secrets, TestCoreProfile: f.probes.core,
		ExplainDestination: f.probes.destination, ExplainClient: f.probes.client,
		ExplainMessage: f.probes.message, Verify: f.probes.verify,
		NotReady: func(context.Context) []string { return f.reasons },
	}
}

func (f *fixture) measure(operation string, status int, took time.Duration) {
	f.metered.Store(fmt.Sprint(operation, " ", status), took)
}

// tokens knows one caller for each role: the token is the role's name. The same
// names are administrators with the password "secret".
type tokens struct{}

func (tokens) Authenticate(_ context.Context, shown account.Credential, from netip.Addr) (account.Principal, error) {
	name := shown.Password
	if shown.User != "" && shown.Password == "secret" {
		name = shown.User
	}
	role, err := account.ParseRole(name)
	if err != nil || !from.IsLoopback() {
		return account.Principal{}, domain.E(domain.Unauthenticated, "wrong name, password or token")
	}
	return account.Principal{Name: "test-" + name, Role: role}, nil
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// answer is a reply that was read whole.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
}

// call sends a request as the administrator. Headers are pairs of name and
// value; a Content-Type is added where there is a body and none is given.
func (f *fixture) call(method, path, body string, headers ...string) answer {
	f.t.Helper()
	return f.callAs("admin", method, path, body, headers...)
}

func (f *fixture) callAs(token, method, path, body string, headers ...string) answer {
	f.t.Helper()
	request, err := http.NewRequest(method, f.server.URL+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
		if method == http.MethodPatch {
			request.Header.Set("Content-Type", "application/merge-patch+json")
		}
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	return f.send(request)
}

func (f *fixture) send(request *http.Request) answer {
	f.t.Helper()
	response, err := f.client.Do(request)
	if err != nil {
		f.t.Fatal(err)
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return answer{f.t, response.StatusCode, response.Header, read}
}

// want fails the test unless the reply has the status.
func (a answer) want(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, want %d\n%s", a.status, status, a.body)
	}
	return a
}

// decoded returns the body as a T.
func decoded[T any](a answer) (value T) {
	a.t.Helper()
	if err := json.Unmarshal(a.body, &value); err != nil {
		a.t.Fatalf("%v in %s", err, a.body)
	}
	return value
}

// faults returns the faults of a problem document in words.
func (a answer) faults() (words []string) {
	a.t.Helper()
	for _, fault := range decoded[Problem](a).Errors {
		words = append(words, fault.Pointer+": "+fault.Message)
	}
	return words
}

func (a answer) etag() string { return a.header.Get("ETag") }

// example returns the example of a schema in the OpenAPI document.
func example(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "openapi", "examples", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// memorySecrets keeps secrets in memory; ids are positions from 1.
type memorySecrets struct {
	mu     sync.Mutex
	values []string
}

func (m *memorySecrets) Put(_ context.Context, value string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values = append(m.values, value)
	return strconv.Itoa(len(m.values)), nil
}

func (m *memorySecrets) Get(_ context.Context, id string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := strconv.Atoi(id)
	if err != nil || n < 1 || n > len(m.values) {
		return "", domain.E(domain.NotFound, "there is no secret %q", id)
	}
	return m.values[n-1], nil
}

// newCertificates returns the real service on a store in memory.
func newCertificates() *certificate.Service {
	store := &memoryCertificates{pairs: map[string]certificate.KeyPair{}}
	return certificate.NewService(certificate.Dependencies{
		Store: store, Editor: store, Keys: store, Bindings: store, Publications: store, Bus: new(event.Bus), Now: time.Now, NewID: store.newID,
	})
}

// memoryCertificates keeps certificates in the order of their ids.
type memoryCertificates struct {
	mu          sync.Mutex
	ids         []string
	pairs       map[string]certificate.KeyPair
	activations int64
}

func (m *memoryCertificates) newID() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return fmt.Sprintf("certificate-%03d", len(m.ids))
}

func (m *memoryCertificates) Insert(_ context.Context, c certificate.Certificate, key certificate.PrivateKey) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ids = append(m.ids, c.ID)
	m.pairs[c.ID] = certificate.KeyPair{Certificate: c, Key: key}
	return nil
}

func (m *memoryCertificates) KeyPair(_ context.Context, id string) (certificate.KeyPair, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	pair, ok := m.pairs[id]
	if !ok {
		return pair, domain.E(domain.NotFound, "there is no certificate %q", id)
	}
	return pair, nil
}

func (m *memoryCertificates) ActiveKeyPair(ctx context.Context) (certificate.KeyPair, error) {
	active, err := m.List(ctx, certificate.Query{State: certificate.Active, Limit: 1})
	if err != nil || len(active) == 0 {
		return certificate.KeyPair{}, domain.E(domain.NotFound, "no certificate is active")
	}
	return m.KeyPair(ctx, active[0].ID)
}

func (m *memoryCertificates) Get(ctx context.Context, id string) (certificate.Certificate, error) {
	pair, err := m.KeyPair(ctx, id)
	return pair.Certificate, err
}

func (m *memoryCertificates) List(_ context.Context, q certificate.Query) (list []certificate.Certificate, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ids := slices.Clone(m.ids)
	if q.NewestFirst {
		slices.Reverse(ids)
	}
	for _, id := range ids {
		pair, exists := m.pairs[id]
		wanted := (q.State == "" || q.State == pair.Certificate.State) && (q.Before == "" || id < q.Before)
		if exists && id > q.After && wanted && len(list) < q.Limit {
			list = append(list, pair.Certificate)
		}
	}
	return list, nil
}

func (m *memoryCertificates) Activate(_ context.Context, id string, act certificate.Act) (certificate.Certificate, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.activations++
	for other, pair := range m.pairs {
		if pair.Certificate.State == certificate.Active {
			pair.Certificate.State = certificate.Inactive
		}
		if other == id {
			pair.Certificate.State = certificate.Active
			pair.Certificate.Activation, pair.Certificate.ActivatedAt = m.activations, act.At
			pair.Certificate.ActivatedBy = act.Author
		}
		m.pairs[other] = pair
	}
	return m.pairs[id].Certificate, nil
}

func (m *memoryCertificates) Complete(_ context.Context, c certificate.Certificate, _ certificate.Act) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pairs[c.ID] = certificate.KeyPair{Certificate: c, Key: m.pairs[c.ID].Key}
	return nil
}

func (m *memoryCertificates) Stage(_ context.Context, id string, s *certificate.Staged, _ certificate.Act) (certificate.Certificate, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	pair := m.pairs[id]
	pair.Certificate.Staged = s
	m.pairs[id] = pair
	return pair.Certificate, nil
}

func (m *memoryCertificates) Previous(context.Context) (found certificate.Certificate, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, pair := range m.pairs {
		if c := pair.Certificate; c.State != certificate.Active && c.Activation > found.Activation {
			found = c
		}
	}
	if found.ID == "" {
		return found, domain.E(domain.NotFound, "no certificate was active before")
	}
	return found, nil
}

func (m *memoryCertificates) RecordExport(context.Context, certificate.Certificate, certificate.Act) error {
	return nil
}

func (m *memoryCertificates) Publications(context.Context) ([]certificate.Publication, error) {
	return nil, nil
}

func (m *memoryCertificates) Delete(_ context.Context, id string, _ certificate.Act) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.pairs, id)
	return nil
}

func (*memoryCertificates) Bindings(context.Context, string) ([]string, error) { return nil, nil }

// value returns the secret with the id.
func (m *memorySecrets) value(t *testing.T, id string) string {
	t.Helper()
	value, err := m.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return value
}
