package inbound

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	gosmtp "github.com/emersion/go-smtp"
	"github.com/gaissmai/bart"

	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/smtp/keyring"
	"postern/smtp/reply"
	"postern/smtp/tlsverify"
)

// Names finds the forward-confirmed names of a client (B13).
type Names interface {
	ConfirmedNames(ctx context.Context, addr netip.Addr) ([]mailaddr.DomainName, error)
}

// Queue takes responsibility for messages.
type Queue interface {
	// NewBody returns where the body of the message with the id is written to.
	NewBody(id delivery.MessageID) delivery.BodyWriter
	// Enqueue returns nil once the message is durable (B74).
	Enqueue(ctx context.Context, m *delivery.Message) error
	// Accepting returns nil while messages can be stored (B77).
	Accepting() error
}

// Inspector judges the content of messages before they are accepted (B34).
type Inspector interface {
	// Inspect returns the reply that refuses the message, nil where it may go on.
	// It returns soon after the context ends.
	Inspect(ctx context.Context, s *config.Snapshot, id delivery.MessageID, content delivery.Body) *reply.Reply
}

// Dependencies are what every handler of every generation works with.
type Dependencies struct {
	Snapshot func() *config.Snapshot // the newest one
	Queue    Queue
	Names    Names
	Keys     *keyring.Ring
	Limits   *Limits
	Metrics  *Metrics
	Observer Observer     // nil: nobody is told
	Sessions Sessions     // nil: nobody keeps them
	Reports  Reports      // nil: nobody counts what rules that only report say
	Logger   *slog.Logger // the mail log
	Now      func() time.Time
	NewID    func() delivery.MessageID

	// Inspector is asked where the settings say so.
	Inspector Inspector
}

// Handler is what one generation does with the connections of one listener.
// It never changes; sessions keep it to their end.
type Handler struct {
	deps     Dependencies
	snapshot *config.Snapshot
	listener policy.Listener
	access   *policy.AccessTable
	tls      *tls.Config // nil: TLS is switched off (B1)
	variants map[string]*variant
	proxies  *bart.Lite // from whom a PROXY header is believed (B11)
	// tlsAsking asks for a client certificate, clientTrust judges it; nil where
	// no mail flow policy wants one (B17).
	tlsAsking   *tls.Config
	clientTrust *tlsverify.Trust
	// work ends when sessions were given their time and are cut off.
	work context.Context
	cut  context.CancelFunc

	mu      sync.Mutex
	clients map[*client]struct{}
	retired bool
	release func() // of the bound certificate
}

// variant is the go-smtp server for one mail flow policy. The servers of a
// handler differ in what go-smtp holds per server: the limits.
type variant struct {
	policy policy.MailFlowPolicy
	server *gosmtp.Server
	legs   *handover
}

// NewHandler builds what a listener needs under the snapshot. It fails where
// the configuration refers to nothing.
func NewHandler(ctx context.Context, deps Dependencies, snapshot *config.Snapshot, listener policy.Listener) (*Handler, error) {
	h := &Handler{
		deps: deps, snapshot: snapshot, listener: listener,
		variants: map[string]*variant{}, clients: map[*client]struct{}{}, release: func() {},
		proxies: proxyTable(listener.ProxyProtocolFrom),
	}
	h.work, h.cut = context.WithCancel(context.WithoutCancel(ctx))
	access, ok := snapshot.Access(listener.Name)
	if !ok {
		return nil, errors.New("the listener has no host access table")
	}
	h.access = access
	table, _ := snapshot.HostAccessTable(listener.Name)
	for _, group := range table.Groups {
		if err := h.addVariant(group.Policy); err != nil {
			return nil, err
		}
	}
	return h, h.bindTLS(ctx)
}

// bindTLS prepares TLS, if it is switched on (B1), and holds the certificate
// that the listener is bound to.
func (h *Handler) bindTLS(ctx context.Context) error {
	settings, listener := h.snapshot.Settings.TLS, h.listener
	if !settings.Enabled {
		return nil
	}
	if listener.CertificateID != "" {
		release, err := h.deps.Keys.Hold(ctx, listener.CertificateID)
		if err != nil {
			return err
		}
		h.release = release
	}
	h.tls = h.deps.Keys.ServerConfig(keyring.ServerOptions{
		Binding:        listener.CertificateID,
		MinVersion:     uint16(listener.MinVersion.Or(settings.MinVersion)),
		Ciphers:        listener.CipherProfile,
		SessionTickets: listener.SessionTickets,
	})
	for _, v := range h.variants {
		if v.policy.AsksClients() {
			h.prepareClientCertificates()
			break
		}
	}
	return nil
}

func (h *Handler) addVariant(name string) error {
	if _, exists := h.variants[name]; exists {
		return nil
	}
	p, ok := h.snapshot.FlowPolicy(h.listener, name)
	if !ok {
		return errors.New("there is no mail flow policy " + name)
	}
	v := &variant{policy: p, legs: newHandover(h.listener.Name)}
	v.server = gosmtp.NewServer(gosmtp.BackendFunc(newSession))
	v.server.Domain = h.listener.HostName.String()
	v.server.MaxMessageBytes = p.MaxMessageBytes
	v.server.MaxLineLength = 0 // the wire has a limit of its own
	v.server.EnableSMTPUTF8 = true
	v.server.EnableDSN = true
	v.server.EnableREQUIRETLS = true // what goes before it is judged by the leg
	v.server.ErrorLog = serverLog{h.deps.Logger}
	h.variants[name] = v
	return nil
}

// Start makes the handler ready for connections.
func (h *Handler) Start() {
	for _, v := range h.variants {
		go func() {
			_ = v.server.Serve(v.legs) // it ends when the handover closes, by design
		}()
	}
}

// Retire takes no new connections. Those that are there go on to their end,
// STARTTLS included; then the handler's servers end.
func (h *Handler) Retire() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.retired = true
	h.closeWhenIdle()
}

// enter counts a connection in; false once the handler has ended.
func (h *Handler) enter(c *client) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.retired {
		return false
	}
	h.clients[c] = struct{}{}
	return true
}

// leave counts a connection out.
func (h *Handler) leave(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.clients, c)
	h.closeWhenIdle()
}

// Idle reports whether the handler has no connections.
func (h *Handler) Idle() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.clients) == 0
}

func (h *Handler) closeWhenIdle() {
	if h.retired && len(h.clients) == 0 {
		h.release()
		h.cut()
		for _, v := range h.variants {
			_ = v.legs.Close()
		}
	}
}

// Drain asks every session to end: at the next command with 421, a message in
// progress is finished first. It returns when all have ended, or with the
// context's error after closing what is left.
func (h *Handler) Drain(ctx context.Context) error {
	h.Retire()
	h.each((*wire).drain)
	for _, v := range h.variants {
		select {
		case <-v.legs.closed:
		case <-ctx.Done():
			h.cut()
			h.each(func(w *wire) { _ = w.socket.Close() }) // they had their time
			return ctx.Err()
		}
	}
	return nil
}

func (h *Handler) each(do func(*wire)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.clients {
		do(c.wire)
	}
}

// serve gives a leg to the go-smtp server of its client's policy.
func (h *Handler) serve(l *leg) { h.variants[l.client.policy.Name].legs.give(l) }

// tlsConfig returns the configuration of a handshake under the policy; nil
// where no certificate can serve now (B16).
func (h *Handler) tlsConfig(p policy.MailFlowPolicy) *tls.Config {
	switch {
	case !h.deps.Keys.Usable(h.listener.CertificateID):
		return nil
	case p.AsksClients():
		return h.tlsAsking
	}
	return h.tls
}

// handover is a listener whose connections are given to it.
type handover struct {
	name   string
	legs   chan *leg
	closed chan struct{}
	once   sync.Once
}

func newHandover(name string) *handover {
	return &handover{name: name, legs: make(chan *leg), closed: make(chan struct{})}
}

// give waits until the server takes the leg. The handover cannot close under
// it: the leg's client is counted in.
func (h *handover) give(l *leg) { h.legs <- l }

// Accept returns the next leg.
func (h *handover) Accept() (net.Conn, error) {
	select {
	case l := <-h.legs:
		return l, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (h *handover) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

// Addr names the listener.
func (h *handover) Addr() net.Addr { return handoverAddr(h.name) }

type handoverAddr string

func (handoverAddr) Network() string  { return "handover" }
func (a handoverAddr) String() string { return string(a) }

// serverLog takes go-smtp's reports of panics and broken connections.
type serverLog struct{ logger *slog.Logger }

func (s serverLog) Printf(format string, v ...any) {
	s.logger.Warn("smtp server", "detail", fmt.Sprintf(format, v...))
}
func (s serverLog) Println(v ...any) { s.logger.Warn("smtp server", "detail", fmt.Sprintln(v...)) }
