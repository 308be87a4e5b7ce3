package acme

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"postern/domain"
	kernel "postern/domain/acme"
	"postern/domain/alert"
	"postern/domain/certificate"
	"postern/domain/config"
	"postern/domain/job"
	"postern/domain/policy"
)

// Jobs begins long work.
type Jobs interface {
	Start(ctx context.Context, o job.Order) (job.Job, error)
	Wait(ctx context.Context, id string) (job.Job, error)
}

// Certificates takes in what was issued and puts it into service.
type Certificates interface {
	Get(ctx context.Context, id string) (certificate.Certificate, error)
	ImportPEM(ctx context.Context, author string, r certificate.ImportRequest) (certificate.Certificate, error)
	Activate(ctx context.Context, author, id, ifMatch string) (certificate.Certificate, error)
}

// Keys opens the key of a certificate, to use it again.
type Keys interface {
	KeyPair(ctx context.Context, id string) (certificate.KeyPair, error)
}

// Alerts are raised where an order fails, and resolved where one succeeds.
type Alerts interface {
	Raise(ctx context.Context, e alert.Event) error
	Resolve(ctx context.Context, key, reason string) error
}

// Authority is an ACME authority; [Client] speaks to real ones.
type Authority interface {
	Issue(ctx context.Context, r Request, transcript tell) ([][]byte, error)
}

var _ Authority = (*Client)(nil)

// Dependencies is what [Orders] is built on. All fields are required.
type Dependencies struct {
	Authority    Authority
	Advice       Advice
	State        kernel.StateStore
	Jobs         Jobs
	Certificates Certificates
	Keys         Keys
	Alerts       Alerts
	Snapshot     func() *config.Snapshot
	Log          *slog.Logger
	Now          func() time.Time
}

// Orders gets certificates and puts them into service. It is safe for concurrent
// use.
type Orders struct {
	Dependencies
	busy atomic.Bool // one order at a time: two would race to be the active one
}

// NewOrders returns orders on their dependencies.
func NewOrders(d Dependencies) *Orders { return &Orders{Dependencies: d} }

// orderTimeout bounds an order at one authority: some look at a challenge late.
const orderTimeout = 15 * time.Minute

// Order begins an order for the names of the configuration, as a job whose steps are
// the transcript of the challenges (B48). While another is under way it is
// [domain.Conflict]; where no directory is set, or its terms are not agreed to,
// [domain.Invalid].
func (o *Orders) Order(ctx context.Context, author string) (job.Job, error) {
	settings := o.Snapshot().Settings
	if settings.ACME.DirectoryURL == "" || !settings.ACME.TermsAgreed {
		return job.Job{}, domain.E(domain.Invalid, "set directory_url and terms_agreed in the ACME settings first")
	}
	if o.busy.Load() {
		return job.Job{}, underWay()
	}
	names := settings.ACME.Names(settings.Outbound.HostName)
	work := func(ctx context.Context, p *job.Progress) (any, error) {
		return o.work(ctx, author, settings.ACME, names, p.Step)
	}
	return o.Jobs.Start(ctx, job.Order{Kind: kernel.JobKind, Author: author, Work: work})
}

func underWay() error { return domain.E(domain.Conflict, "an ACME order is under way already") }

// work is an order from its key to its activation, with what is remembered of it.
func (o *Orders) work(ctx context.Context, author string, s policy.ACMESettings, names []string, tell tell) (any, error) {
	if !o.busy.CompareAndSwap(false, true) {
		return nil, underWay()
	}
	defer o.busy.Store(false)
	known, err := o.State.Renewal(ctx)
	if err != nil {
		return nil, domain.Wrap(err, "read the ACME renewal")
	}
	steps := &transcript{tell: tell}
	made, err := o.obtain(ctx, author, s, names, known, steps.step)
	if err != nil {
		o.failed(ctx, known, names[0], steps.text(), err)
		return nil, err
	}
	return kernel.Issued{CertificateID: made.CertificateID, Directory: made.Directory, Names: made.Names}, o.succeeded(ctx, made)
}

// obtain asks the first directory, and the second where that comes to nothing.
func (o *Orders) obtain(ctx context.Context, author string, s policy.ACMESettings, names []string, known kernel.Renewal, tell tell) (kernel.Renewal, error) {
	key, err := o.key(ctx, s, known)
	if err != nil {
		return known, err
	}
	directory := s.DirectoryURL
	chain, err := o.issue(ctx, Request{directory, s, names, key, o.replaced(ctx, directory, known)}, tell)
	if err != nil && s.FallbackDirectoryURL != "" && ctx.Err() == nil {
		tell("%s. The second directory is asked.", words(err))
		directory = s.FallbackDirectoryURL
		chain, err = o.issue(ctx, Request{directory, s, names, key, o.replaced(ctx, directory, known)}, tell)
	}
	if err != nil {
		return known, err
	}
	c, err := o.install(ctx, author, names[0], chain, certificate.NewPrivateKey(key))
	if err != nil {
		return known, &notInstalledError{err}
	}
	tell("Certificate %s is active.", c.ID)
	renewAt := kernel.LifetimeWindow(c.NotBefore, c.NotAfter).Pick(rand.Float64())
	return kernel.Renewal{CertificateID: c.ID, Directory: directory, Names: names, RenewAt: renewAt}, nil
}

// replaced returns the certificate that an order at the directory renews; nil where
// there is none that the directory issued. One that was deleted is not missed.
func (o *Orders) replaced(ctx context.Context, directory string, known kernel.Renewal) *x509.Certificate {
	if known.CertificateID == "" || known.Directory != directory {
		return nil
	}
	c, err := o.Certificates.Get(ctx, known.CertificateID)
	if err != nil {
		return nil
	}
	leaf, err := c.Leaf()
	if err != nil || len(leaf.AuthorityKeyId) == 0 {
		return nil
	}
	return leaf
}

func (o *Orders) issue(ctx context.Context, r Request, tell tell) ([][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	tell("%s is asked for a certificate for %s.", r.Directory, strings.Join(r.Names, ", "))
	return o.Authority.Issue(ctx, r, tell)
}

// key returns the key of the certificate before, where it is to be used again and is
// still there, or else a new one.
func (o *Orders) key(ctx context.Context, s policy.ACMESettings, known kernel.Renewal) (crypto.Signer, error) {
	if s.ReuseKey && known.CertificateID != "" {
		pair, err := o.Keys.KeyPair(ctx, known.CertificateID)
		if err == nil && string(pair.Certificate.KeyType) == s.KeyType {
			return pair.Key.Signer(), nil
		}
	}
	key, err := certificate.KeyType(s.KeyType).NewKey()
	return key.Signer(), err
}

// install takes the certificate in by the checks of any import (B44) and makes it the
// active one (B41). Where it does not pass, the one before stays.
func (o *Orders) install(ctx context.Context, author, name string, chain [][]byte, key certificate.PrivateKey) (certificate.Certificate, error) {
	der, err := key.Reveal()
	if err != nil {
		return certificate.Certificate{}, err
	}
	defer clear(der)
	request := certificate.ImportRequest{
		Label:      "ACME: " + name,
		PrivateKey: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	}
	for _, c := range chain {
		request.Chain = append(request.Chain, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c})))
	}
	c, err := o.Certificates.ImportPEM(ctx, author, request)
	if err != nil {
		return c, domain.Wrap(err, "import what was issued")
	}
	c, err = o.Certificates.Activate(ctx, author, c.ID, "")
	return c, domain.Wrap(err, "activate what was issued")
}

func (o *Orders) succeeded(ctx context.Context, made kernel.Renewal) error {
	ctx = context.WithoutCancel(ctx) // it is done
	key := alert.Event{Kind: alert.ACMEFailed, About: made.Names[0]}.Key()
	if err := o.Alerts.Resolve(ctx, key, "a certificate was issued"); err != nil {
		o.Log.Error("alert not resolved", "error", err.Error())
	}
	return domain.Wrap(o.State.PutRenewal(ctx, made), "store the ACME renewal")
}

// failed remembers a failure and raises an alert with the transcript (B48). An order
// that a person or a stop of the gateway ended did not fail: the one waits, the other
// is begun anew after the start.
func (o *Orders) failed(ctx context.Context, known kernel.Renewal, name, transcript string, err error) {
	if errors.Is(context.Cause(ctx), job.ErrCancelled) {
		if err := o.State.PutRenewal(context.WithoutCancel(ctx), known.Cancelled(o.Now())); err != nil {
			o.Log.Error("end of an ACME order not stored", "error", err.Error())
		}
	}
	if ctx.Err() != nil {
		return
	}
	if err := o.State.PutRenewal(ctx, known.Failed(o.Now(), RetryAfter(err), rand.Float64())); err != nil {
		o.Log.Error("failure of an ACME order not stored", "error", err.Error())
	}
	e := alert.Event{Kind: alert.ACMEFailed, About: name, Severity: policy.SeverityCritical, Detail: words(err) + "\n\n" + transcript}
	if err := o.Alerts.Raise(ctx, e); err != nil {
		o.Log.Error("alert not stored", "error", err.Error())
	}
}
