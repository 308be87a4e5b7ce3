package certificate

import (
	"context"
	"slices"
	"strings"
	"time"

	"postern/domain"
	"postern/domain/event"
)

// Page sizes of [Service.List].
const (
	defaultPage = 100
	maxPage     = 1000
)

// systemAuthor stands for the gateway itself where no administrator acts.
const systemAuthor = "system"

// Dependencies is what a [Service] is built on. All fields are required.
type Dependencies struct {
	Store    Store
	Editor   Editor
	Keys     KeyReader
	Bindings Bindings
	// Publications are asked before each activation that is not forced.
	Publications Publications
	Bus          *event.Bus
	Now          func() time.Time
	// NewID returns a text id that sorts after all ids it returned before.
	NewID func() string
}

// Service makes, keeps, activates and deletes certificates. Every edge (REST,
// XML-RPC, command line) calls it; nothing is decided elsewhere.
type Service struct {
	Checker
	editor       Editor
	bindings     Bindings
	publications Publications
	bus          *event.Bus
	newID        func() string
	applied      event.Mark
	decrypting   chan struct{} // holds the one PKCS#12 file that is being decrypted
}

// NewService returns a service on its dependencies.
func NewService(d Dependencies) *Service {
	return &Service{
		Checker:      NewChecker(d.Store, d.Keys, d.Now),
		editor:       d.Editor,
		bindings:     d.Bindings,
		publications: d.Publications,
		decrypting:   make(chan struct{}, 1),
		bus:          d.Bus,
		newID:        d.NewID,
	}
}

// CreateSelfSigned makes a key and a certificate that it signs itself (B42).
// The certificate is stored and not activated. A bad request is
// [domain.Invalid] with all faults.
func (s *Service) CreateSelfSigned(ctx context.Context, author string, r SelfSignedRequest) (Certificate, error) {
	pair, err := r.issue(s.now())
	if err != nil {
		return Certificate{}, err
	}
	return s.keep(ctx, author, pair)
}

// ImportPEM takes in a certificate with its key and chain (B44). The
// certificate is stored and not activated. Bad input is [domain.Invalid] with
// all faults that could be found.
func (s *Service) ImportPEM(ctx context.Context, author string, r ImportRequest) (Certificate, error) {
	pair, err := r.read(s.now())
	if err != nil {
		return Certificate{}, err
	}
	return s.keep(ctx, author, pair)
}

// List returns a page of certificates in the order of their ids, beginning
// after the id given. A limit of 0 means 100; more than 1000 are never
// returned.
func (s *Service) List(ctx context.Context, after string, limit int) ([]Certificate, error) {
	return s.list(ctx, Query{After: after, Limit: limit})
}

// ListNewest is [Service.List] the other way round: it begins before the id given,
// or with the newest certificate.
func (s *Service) ListNewest(ctx context.Context, before string, limit int) ([]Certificate, error) {
	return s.list(ctx, Query{Before: before, NewestFirst: true, Limit: limit})
}

func (s *Service) list(ctx context.Context, q Query) ([]Certificate, error) {
	if q.Limit <= 0 {
		q.Limit = defaultPage
	}
	q.Limit = min(q.Limit, maxPage)
	list, err := s.store.List(ctx, q)
	return list, domain.Wrap(err, "list certificates")
}

// Get returns the certificate with the id, or [domain.NotFound].
func (s *Service) Get(ctx context.Context, id string) (Certificate, error) {
	c, err := s.store.Get(ctx, id)
	return c, domain.Wrap(err, "get certificate")
}

// Activate makes the certificate the active one, at once and outside any draft
// (B41). It refuses one that cannot be served now with [domain.Invalid]. The
// reply carries the activation number to give to [Service.WaitApplied].
//
// ifMatch is the ETag that the caller has seen, or empty or "*" for any
// (RFC 9110 §13.1.1); another state is [domain.Stale]. Published TLSA records that
// do not match the certificate are [domain.Conflict] (B54).
func (s *Service) Activate(ctx context.Context, author, id, ifMatch string) (Certificate, error) {
	return s.activate(ctx, author, id, ifMatch, false)
}

func (s *Service) activate(ctx context.Context, author, id, ifMatch string, force bool) (Certificate, error) {
	pair, err := s.keys.KeyPair(ctx, id)
	if err != nil {
		return Certificate{}, domain.Wrap(err, "activate certificate")
	}
	if err := checkMatch(pair.Certificate, ifMatch); err != nil {
		return Certificate{}, err
	}
	if err := s.checkServable(pair); err != nil {
		return Certificate{}, err
	}
	if !force {
		if err := s.checkPublished(ctx, pair.Certificate); err != nil {
			return Certificate{}, err
		}
	}
	c, err := s.store.Activate(ctx, id, Act{Author: author, At: s.now()})
	if err != nil {
		return Certificate{}, domain.Wrap(err, "activate certificate")
	}
	s.bus.Publish(event.CertificateActivated)
	return c, nil
}

// Delete removes a certificate and its key and returns it as it was. An active
// or bound one is [domain.Conflict] that names the bindings (B46); ifMatch is
// as for [Service.Activate].
//
// A configuration that binds the certificate between check and deletion keeps
// working: an endpoint whose certificate is gone serves the active one.
func (s *Service) Delete(ctx context.Context, author, id, ifMatch string) (Certificate, error) {
	c, err := s.store.Get(ctx, id)
	if err != nil {
		return Certificate{}, domain.Wrap(err, "delete certificate")
	}
	if err := checkMatch(c, ifMatch); err != nil {
		return Certificate{}, err
	}
	if err := s.checkUnused(ctx, c); err != nil {
		return Certificate{}, err
	}
	if err := s.store.Delete(ctx, id, Act{Author: author, At: s.now()}); err != nil {
		return Certificate{}, domain.Wrap(err, "delete certificate")
	}
	s.bus.Publish(event.CertificatesChanged)
	return c, nil
}

// EnsureDemonstration returns the active certificate; at first start, when there
// is none, it makes and activates the demonstration certificate for the host
// name (B52).
func (s *Service) EnsureDemonstration(ctx context.Context, hostName string) (Certificate, error) {
	c, err := s.Active(ctx)
	if domain.KindOf(err) != domain.NotFound {
		return c, err
	}
	pair, err := NewDemonstration(hostName, s.now())
	if err != nil {
		return Certificate{}, err
	}
	c, err = s.keep(ctx, systemAuthor, pair)
	if err != nil {
		return Certificate{}, err
	}
	return s.ForceActivate(ctx, systemAuthor, c.ID, "")
}

// ReportApplied is called by the key ring: from now on each handshake uses
// this activation or a later one.
func (s *Service) ReportApplied(activation int64) { s.applied.Raise(activation) }

// Applied returns the activation that handshakes use; 0 means none yet.
func (s *Service) Applied() int64 { return s.applied.Value() }

// WaitApplied returns nil once handshakes use the activation or a later one.
// When the context ends before, the error is [domain.Unavailable]; the
// activation stays committed.
func (s *Service) WaitApplied(ctx context.Context, activation int64) error {
	if err := s.applied.Wait(ctx, activation); err != nil {
		return &domain.Error{
			Kind:   domain.Unavailable,
			Detail: "the certificate is active, but handshakes do not use it yet",
			Err:    err,
		}
	}
	return nil
}

// act is what the author does now.
func (s *Service) act(author string) Act { return Act{Author: author, At: s.now()} }

// keep stores a new pair under a new id.
func (s *Service) keep(ctx context.Context, author string, pair KeyPair) (Certificate, error) {
	c := pair.Certificate
	c.ID, c.CreatedAt, c.CreatedBy = s.newID(), s.now().UTC(), author
	if err := s.store.Insert(ctx, c, pair.Key); err != nil {
		return Certificate{}, domain.Wrap(err, "store certificate")
	}
	s.bus.Publish(event.CertificatesChanged)
	return c, nil
}

// checkUnused refuses an active or bound certificate, naming every use (B46).
func (s *Service) checkUnused(ctx context.Context, c Certificate) error {
	bindings, err := s.bindings.Bindings(ctx, c.ID)
	if err != nil {
		return domain.Wrap(err, "look up what is bound to certificate %s", c.ID)
	}
	if c.State == Active {
		bindings = slices.Insert(slices.Clone(bindings), 0, "the active certificate")
	}
	if len(bindings) == 0 {
		return nil
	}
	return domain.E(domain.Conflict, "certificate %s is in use: %s", c.ID, strings.Join(bindings, ", "))
}

// checkMatch compares the entity with the ETag that a caller has seen.
func checkMatch(c Certificate, ifMatch string) error {
	if ifMatch != "" && ifMatch != "*" && ifMatch != c.ETag() {
		return domain.E(domain.Stale, "certificate %s has changed; its ETag is now %q", c.ID, c.ETag())
	}
	return nil
}
