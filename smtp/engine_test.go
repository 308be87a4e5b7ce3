package smtp

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"postern/domain"
	"postern/domain/certificate"
	"postern/domain/config"
	"postern/domain/config/configtest"
	"postern/domain/delivery"
	"postern/domain/event"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/smtp/inbound"
	"postern/smtp/keyring"
	"postern/smtp/smtptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newEngine returns an engine on a configuration with the listeners, not yet
// started.
func newEngine(t *testing.T, listeners ...policy.Listener) (*Engine, *config.Service) {
	t.Helper()
	service, _ := configtest.Seeded(t)
	configtest.Commit(t, service, config.Edit{Kind: config.KindListener, Key: "inbound"}, config.Edit{Kind: config.KindListener, Key: "outbound"})
	for _, l := range listeners {
		put(t, service, l)
	}
	ring := keyring.New(keyring.Config{
		Keys: noKeys{}, Bus: new(event.Bus), Applied: func(int64) {}, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	e := New(service, new(event.Bus), inbound.Dependencies{
		Snapshot: service.Snapshot, Queue: new(sunk), Names: noNames{}, Keys: ring,
		Limits: inbound.NewLimits(), Metrics: inbound.NewMetrics(prometheus.NewRegistry()),
		Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		NewID: func() delivery.MessageID { return new(delivery.IDSource).Next(time.Now(), 1) },
	}, func(context.Context, *config.Snapshot) []config.Problem { return nil }, slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), smtptest.Timeout)
		defer cancel()
		if err := e.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return e, service
}

func listener(name string, port int) policy.Listener {
	return policy.Listener{
		Name: name, Kind: policy.ListenerPublic, Protocol: policy.ProtocolSMTP,
		Address: "127.0.0.1", Port: port, HostName: "mail.example.com",
	}
}

func put(t *testing.T, s *config.Service, l policy.Listener) int64 {
	t.Helper()
	return configtest.Commit(t, s, config.Edit{Kind: config.KindListener, Key: l.Name, Value: l}).Revision
}

// greets reports what the listener says to a new connection; 0 if it does not
// listen.
func greets(t *testing.T, addr string) int {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return 0
	}
	c := smtptest.NewClient(t, conn)
	code := c.Expect(220).Code
	c.Quit()
	return code
}

func address(t *testing.T, e *Engine, name string) string {
	t.Helper()
	for _, l := range e.Listeners() {
		if l.Name == name {
			return l.Address
		}
	}
	t.Fatalf("no listener %q", name)
	return ""
}

func taken(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

func TestListenerKeepsItsSocketOverRevisions(t *testing.T) {
	e, service := newEngine(t, listener("one", 0))
	e.Start(t.Context())
	addr := address(t, e, "one")
	session := smtptest.Dial(t, addr)
	session.Expect(220)
	for i := range 20 {
		revision := put(t, service, policy.Listener{
			Name: "one", Kind: policy.ListenerPublic, Protocol: policy.ProtocolSMTP, Address: "127.0.0.1",
			HostName: mailaddr.DomainName("m" + strconv.Itoa(i) + ".example.com"),
		})
		e.Start(t.Context())
		if status := service.Status(); status.Applied != revision || address(t, e, "one") != addr {
			t.Fatalf("applied %d of %d, listening on %s", status.Applied, revision, address(t, e, "one"))
		}
	}
	if got := greets(t, addr); got != 220 {
		t.Errorf("a new connection was greeted with %d", got)
	}
	session.Cmd(250, "EHLO client.test") // its generation is twenty revisions old
	session.Quit()
}

func TestTakenPortAtStartKeepsTheRestServing(t *testing.T) {
	port := taken(t)
	e, service := newEngine(t, listener("good", 0), listener("bad", port))
	e.Start(t.Context())
	if got := greets(t, address(t, e, "good")); got != 220 {
		t.Errorf("the good listener greeted with %d", got)
	}
	status := service.Status()
	if status.Applied != status.Committed || len(status.Problems) != 1 || status.Problems[0].Part != "listener bad" {
		t.Errorf("status %+v", status)
	}
	if err := e.Ready(); err != nil {
		t.Errorf("not ready while a listener serves: %v", err)
	}
	// Changes take effect although the other listener still cannot start.
	revision := put(t, service, policy.Listener{
		Name: "good", Kind: policy.ListenerPublic, Protocol: policy.ProtocolSMTP, Address: "127.0.0.1", HostName: "changed.example.com",
	})
	e.Start(t.Context())
	if status := service.Status(); status.Applied != revision || len(status.Problems) != 1 {
		t.Errorf("status after a change %+v", status)
	}
	if got := smtptest.Dial(t, address(t, e, "good")).Expect(220); !strings.Contains(got.Text(), "changed.example.com") {
		t.Errorf("greeted with %s", got)
	}
}

func TestNoListenerThatServesIsNotReady(t *testing.T) {
	e, _ := newEngine(t, listener("bad", taken(t)))
	e.Start(t.Context())
	if e.Ready() == nil {
		t.Error("ready while no listener serves")
	}
}

// A connection that is accepted while everything ends is closed, and the stop
// does not wait for ever.
func TestStopUnderAFloodOfConnections(t *testing.T) {
	e, _ := newEngine(t, listener("one", 0))
	e.Start(t.Context())
	addr := address(t, e, "one")
	ended := make(chan struct{})
	var flood sync.WaitGroup
	for range 4 {
		flood.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
				}
				if conn, err := net.Dial("tcp", addr); err == nil {
					_ = conn.Close()
				}
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), smtptest.Timeout)
	defer cancel()
	if err := e.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
	close(ended)
	flood.Wait()
}

func TestRevisionThatCannotBeAppliedLeavesTheOldOneServing(t *testing.T) { // B70
	port := taken(t)
	e, service := newEngine(t, listener("one", 0))
	e.Start(t.Context())
	addr := address(t, e, "one")
	before := service.Status().Applied
	put(t, service, listener("bad", port))
	for range 3 { // as the ticker does
		e.Start(t.Context())
	}
	if status := service.Status(); status.Applied != before || len(status.Problems) != 1 {
		t.Errorf("status %+v", status)
	}
	if got := greets(t, addr); got != 220 {
		t.Errorf("the old generation greeted with %d", got)
	}
	mended := put(t, service, listener("bad", 0))
	e.Start(t.Context())
	if status := service.Status(); status.Applied != mended || len(status.Problems) != 0 || e.Ready() != nil {
		t.Errorf("status after the mend %+v", status)
	}
}

func TestPortThatBecomesFreeIsTakenUp(t *testing.T) {
	held, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := held.Addr().(*net.TCPAddr).Port
	e, service := newEngine(t, listener("late", port))
	e.Start(t.Context())
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	e.Start(t.Context()) // as the ticker does
	if status := service.Status(); status.Applied != status.Committed {
		t.Errorf("status %+v", status)
	}
	if got := greets(t, address(t, e, "late")); got != 220 {
		t.Errorf("greeted with %d", got)
	}
}

func TestRemovedListenerStopsListeningAndKeepsItsSessions(t *testing.T) {
	e, service := newEngine(t, listener("one", 0), listener("two", 0))
	e.Start(t.Context())
	addr := address(t, e, "two")
	session := smtptest.Dial(t, addr)
	session.Expect(220)
	configtest.Commit(t, service, config.Edit{Kind: config.KindListener, Key: "two"})
	e.Start(t.Context())
	if got := greets(t, addr); got != 0 {
		t.Errorf("a removed listener greeted with %d", got)
	}
	session.Cmd(250, "EHLO client.test")
	session.Quit()
}

func TestRunFollowsTheBus(t *testing.T) {
	e, service := newEngine(t, listener("one", 0))
	bus := new(event.Bus)
	e.bus = bus
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { e.Run(ctx) })
	revision := put(t, service, listener("two", 0))
	bus.Publish(event.ConfigurationChanged)
	smtptest.Eventually(t, func() bool { return service.Status().Applied == revision })
	cancel()
	running.Wait()
}

func TestExplainClient(t *testing.T) {
	e, _ := newEngine(t, listener("one", 0))
	e.Start(t.Context())
	got, err := e.ExplainClient("one", netip.MustParseAddr("192.0.2.1"))
	if err != nil || got.Policy.Name != "ACCEPTED" || got.OffersSTARTTLS || got.Groups[len(got.Groups)-1].Name != policy.AllGroup {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := e.ExplainClient("none", netip.Addr{}); domain.KindOf(err) != domain.NotFound {
		t.Errorf("unknown listener: %v", err)
	}
}

func TestExplainClientUnder(t *testing.T) { // B71
	e, service := newEngine(t, listener("one", 0))
	e.Start(t.Context())
	required := listener("two", 0)
	required.Defaults.TLS = policy.ListenerTLSRequired
	preview, err := service.Preview(t.Context(), config.Change{Edits: []config.Edit{
		{Kind: config.KindListener, Key: "two", Value: required},
		{Kind: config.KindSettings, Key: config.SectionTLS, Value: policy.TLSSettings{Enabled: true, MinVersion: 0x0303}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	client := netip.MustParseAddr("192.0.2.1")
	if got, err := e.ExplainClientUnder(t.Context(), preview.Snapshot, "two", client); err != nil || !got.RequiresTLS || got.Policy.Name != "ACCEPTED" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := e.ExplainClient("two", client); domain.KindOf(err) != domain.NotFound {
		t.Errorf("what was explained runs: %v", err)
	}
	if _, err := e.ExplainClientUnder(t.Context(), preview.Snapshot, "none", client); domain.KindOf(err) != domain.NotFound {
		t.Errorf("unknown listener: %v", err)
	}
}

type sunk struct{}

func (*sunk) NewBody(delivery.MessageID) delivery.BodyWriter   { return nil }
func (*sunk) Enqueue(context.Context, *delivery.Message) error { return nil }
func (*sunk) Accepting() error                                 { return nil }

type noNames struct{}

func (noNames) ConfirmedNames(context.Context, netip.Addr) ([]mailaddr.DomainName, error) {
	return nil, nil
}

type noKeys struct{}

func (noKeys) ActiveKeyPair(context.Context) (certificate.KeyPair, error) {
	return certificate.KeyPair{}, domain.E(domain.NotFound, "no certificate is active")
}

func (k noKeys) KeyPair(ctx context.Context, _ string) (certificate.KeyPair, error) {
	return k.ActiveKeyPair(ctx)
}
