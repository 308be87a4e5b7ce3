package scan

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/policy"
	"postern/smtp/inbound"
	"postern/smtp/reply"
	"postern/smtp/tlsverify"
)

// Dialer makes TCP connections.
type Dialer interface {
	DialContext(ctx context.Context, network, addr string) (net.Conn, error)
}

// Secrets opens what profiles refer to.
type Secrets interface {
	Get(ctx context.Context, id string) (string, error)
}

// Dependencies are what an inspector works with. All are required, but for
// ClientCertificate.
type Dependencies struct {
	Dialer  Dialer
	Secrets Secrets
	Trust   func() *tlsverify.Trust // the newest trust store (B23)
	// ClientCertificate chooses the certificate for servers whose profile lets us
	// show one.
	ClientCertificate func(*tls.CertificateRequestInfo) (*tls.Certificate, error)
	Metrics           *Metrics
	Logger            *slog.Logger // the mail log
	Now               func() time.Time
	Timing            Timing
}

// Inspector has messages judged by the Cores of the profile that the settings
// name. It is safe for concurrent use.
type Inspector struct {
	Dependencies
	clients map[link]*http.Client
	order   *order
}

var _ inbound.Inspector = (*Inspector)(nil)

// New returns an inspector. It starts nothing by itself.
func New(deps Dependencies) *Inspector {
	i := &Inspector{Dependencies: deps, clients: map[link]*http.Client{}, order: newOrder(deps.Now, deps.Timing.Rest)}
	for _, l := range links() {
		i.clients[l] = i.client(l)
	}
	return i
}

// Forget closes the connections that wait for the next message, so that the next
// one is made under what is trusted now.
func (i *Inspector) Forget() {
	for _, c := range i.clients {
		c.CloseIdleConnections()
	}
}

// Inspect is [inbound.Inspector.Inspect]: nil lets the message go on.
func (i *Inspector) Inspect(ctx context.Context, s *config.Snapshot, id delivery.MessageID, content delivery.Body) *reply.Reply {
	settings := s.Settings.Inspection
	began := i.Now()
	v, err := i.inspect(ctx, s, file{name: id.String() + ".eml", body: content})
	result, refusal := conclude(settings, v, err)
	if ctx.Err() != nil {
		// We are stopping: that is no reason to let anything by uninspected.
		result, refusal = resultUnavailable, refuse(reply.NotInspected())
	}
	i.Metrics.count(result, i.Now().Sub(began))
	i.log(ctx, settings, id, result, v, err, i.Now().Sub(began))
	return refusal
}

// errTooBig says that a message is not shown to the Core for its size.
var errTooBig = errors.New("the message is too big to be inspected")

func (i *Inspector) inspect(ctx context.Context, s *config.Snapshot, f file) (verdict, error) {
	settings := s.Settings.Inspection
	if settings.MaxMessageBytes > 0 && f.body.Size() > settings.MaxMessageBytes {
		return verdict{}, errTooBig
	}
	profile, ok := s.CoreProfile(settings.Profile)
	if !ok {
		return verdict{}, fmt.Errorf("there is no core profile %q", settings.Profile)
	}
	return i.judge(ctx, profile, f)
}

// conclude says what becomes of the message: the name of the outcome, and the
// reply where it is refused (B34).
func conclude(s policy.InspectionSettings, v verdict, err error) (string, *reply.Reply) {
	switch {
	case errors.Is(err, errTooBig) && s.OnTooBig == policy.TooBigDeliver:
		return resultTooBig, nil
	case errors.Is(err, errTooBig):
		return resultTooBig, refuse(reply.TooBig())
	case err != nil && s.OnUnavailable == policy.UnavailableDeliver:
		return resultUnavailable, nil
	case err != nil:
		return resultUnavailable, refuse(reply.NotInspected())
	case v.blocked && v.retry:
		return resultBlocked, refuse(reply.NotInspected())
	case v.blocked:
		return resultBlocked, refuse(reply.ContentBlocked(v.reason))
	}
	return resultAllowed, nil
}

func refuse(r reply.Reply) *reply.Reply { return &r }

func (i *Inspector) log(ctx context.Context, s policy.InspectionSettings, id delivery.MessageID, result string, v verdict, err error, took time.Duration) {
	level, problem := slog.LevelInfo, ""
	if err != nil {
		level, problem = slog.LevelWarn, err.Error()
	}
	i.Logger.LogAttrs(ctx, level, "inspection",
		slog.String("event", "inspection"),
		slog.String("queue_id", id.String()),
		slog.String("profile", s.Profile),
		slog.String("result", result),
		slog.String("reason", v.reason),
		slog.String("error", problem),
		slog.Int64("duration_ms", took.Milliseconds()),
	)
}

// judge asks the servers of the profile, one after the other, until one has a
// verdict. Where some are busy it asks again, as long as the profile's time
// lasts.
func (i *Inspector) judge(ctx context.Context, p policy.CoreProfile, f file) (verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout())
	defer cancel()
	key, err := i.keyOf(ctx, p)
	if err != nil {
		return verdict{}, err
	}
	for {
		v, err := i.round(ctx, p, key, f)
		var busy busyError
		if err == nil || !errors.As(err, &busy) || !fits(ctx, busy.wait) || !sleep(ctx, busy.wait) {
			return v, err
		}
	}
}

// fits reports whether there is time to wait and something to follow.
func fits(ctx context.Context, wait time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) > wait
}

// round asks each server once. A server that hangs while the message is handed
// over leaves time for the others, and for the verdict.
func (i *Inspector) round(ctx context.Context, p policy.CoreProfile, key string, f file) (verdict, error) {
	list := i.order.of(p)
	submission := p.Timeout() / time.Duration(len(list)+1)
	var errs []error
	for _, u := range list {
		v, err := i.server(p, u, key, i.clients[linkOf(p)]).judge(ctx, f, submission)
		if err == nil {
			i.order.served(u)
			return v, nil
		}
		if ctx.Err() == nil {
			i.order.failed(u)
		}
		errs = append(errs, fmt.Errorf("%s: %w", u.Host, err))
	}
	return verdict{}, errors.Join(errs...)
}

// keyOf opens the profile's API key; empty where it has none.
func (i *Inspector) keyOf(ctx context.Context, p policy.CoreProfile) (string, error) {
	if p.APIKeyID == "" {
		return "", nil
	}
	key, err := i.Secrets.Get(ctx, p.APIKeyID)
	if err != nil {
		return "", fmt.Errorf("open the API key: %w", err)
	}
	return key, nil
}

// server returns the server at an endpoint. The key goes along only where it may:
// validation refuses other profiles, and this does not rely on it (B32).
func (i *Inspector) server(p policy.CoreProfile, u *url.URL, key string, client *http.Client) *server {
	if !p.MaySendKey(u) {
		key = ""
	}
	return &server{base: u, http: client, key: key, rule: p.Rule, timing: i.Timing}
}
