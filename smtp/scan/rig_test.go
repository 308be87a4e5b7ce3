package scan

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"postern/domain"
	"postern/domain/config"
	"postern/domain/config/configtest"
	"postern/domain/delivery"
	"postern/domain/policy"
	"postern/smtp/reply"
	"postern/smtp/smtptest"
	"postern/smtp/tlsverify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is an inspector with everything around it.
type rig struct {
	*Inspector
	t       *testing.T
	config  *config.Service
	ca      *smtptest.CA
	secrets secrets
	log     *lockedBuffer
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, ca: smtptest.NewCA(t), secrets: secrets{}, log: new(lockedBuffer)}
	r.config, _ = configtest.Seeded(t)
	client := smtptest.SelfSigned(t, smtptest.Leaf{Names: []string{"mail.example.com"}}).TLS
	r.Inspector = New(Dependencies{
		Dialer:  new(net.Dialer),
		Secrets: r.secrets,
		Trust:   func() *tlsverify.Trust { return tlsverify.NewTrust(nil, []*x509.Certificate{r.ca.Root()}, nil) },
		ClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &client, nil
		},
		Metrics: NewMetrics(prometheus.NewRegistry()),
		Logger:  slog.New(slog.NewTextHandler(r.log, nil)),
		Now:     time.Now,
		Timing:  quickTiming(),
	})
	t.Cleanup(r.Forget)
	return r
}

// quickTiming is for servers that answer at once or never.
func quickTiming() Timing {
	return Timing{
		Connect: time.Second, Request: 200 * time.Millisecond,
		FirstPoll: time.Millisecond, LastPoll: 5 * time.Millisecond, Busy: time.Millisecond,
		Rest: time.Hour,
	}
}

// use makes the profile the one that is asked, with the settings of a fresh
// installation where change leaves them.
func (r *rig) use(p policy.CoreProfile, change ...func(*policy.InspectionSettings)) {
	r.t.Helper()
	p.Name, p.Type = "core", policy.ServerCore
	settings := policy.DefaultInspectionSettings()
	settings.Enabled, settings.Profile = true, p.Name
	for _, c := range change {
		c(&settings)
	}
	configtest.Commit(r.t, r.config,
		config.Edit{Kind: config.KindServerProfile, Key: p.Name, Value: policy.ServerProfile(p)},
		config.Edit{Kind: config.KindSettings, Key: config.SectionInspection, Value: settings})
}

func deliverUnavailable(s *policy.InspectionSettings) { s.OnUnavailable = policy.UnavailableDeliver }

const message = "Subject: x\r\n\r\ntext\r\n"

// inspect has the message judged; nil lets it go on.
func (r *rig) inspect() *reply.Reply {
	r.t.Helper()
	return r.Inspect(r.t.Context(), r.config.Snapshot(), delivery.MessageID(1), delivery.BytesBody(message))
}

// want fails the test unless the reply is the one; "" is none.
func want(t *testing.T, got *reply.Reply, text string) {
	t.Helper()
	switch {
	case got == nil && text != "":
		t.Errorf("the message goes on, want %s", text)
	case got != nil && got.String() != text:
		t.Errorf("got %s, want %q", got, text)
	}
}

// The replies of a rig.
const (
	goesOn       = ""
	notInspected = "451 4.7.1 the content cannot be inspected for now, try again later"
)

func secure(ca *smtptest.CA, t *testing.T) smtptest.CoreOptions {
	t.Helper()
	return smtptest.CoreOptions{Certificate: ca.Issue(t, smtptest.Leaf{IPs: []net.IP{net.IPv4(127, 0, 0, 1)}}).TLS}
}

type secrets map[string]string

func (s secrets) Get(_ context.Context, id string) (string, error) {
	if value, ok := s[id]; ok {
		return value, nil
	}
	return "", domain.E(domain.NotFound, "there is no secret %q", id)
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// closedURI is where nobody listens.
func closedURI(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}
