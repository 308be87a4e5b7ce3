package acme

import (
	"context"
	"crypto/x509"
	"math/rand/v2"
	"time"

	"postern/domain"
	kernel "postern/domain/acme"
)

// Advice is when an authority wants a certificate to be renewed; [Client] asks it.
type Advice interface {
	Window(ctx context.Context, directory string, leaf *x509.Certificate) (kernel.Window, error)
}

var _ Advice = (*Client)(nil)

const (
	lookEvery = time.Minute
	// askEvery is how often authorities are asked for advice (RFC 9773 §4.3).
	askEvery = 6 * time.Hour
	system   = "system" // in whose name renewals are
)

// Run orders what is due until the context ends. What is due stands in the store, so
// that a restart changes nothing.
func (o *Orders) Run(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	var asked time.Time
	for {
		if now := o.Now(); now.Sub(asked) >= askEvery {
			asked = now
			o.note("ACME advice not taken", o.Advise(ctx))
		}
		o.note("ACME renewal not begun", o.Renew(ctx))
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (o *Orders) note(what string, err error) {
	if err != nil {
		o.Log.Warn(what, "error", err.Error())
	}
}

// Renew begins an order where one is due, and waits for it.
func (o *Orders) Renew(ctx context.Context) error {
	settings := o.Snapshot().Settings
	known, err := o.State.Renewal(ctx)
	if err != nil {
		return domain.Wrap(err, "read the ACME renewal")
	}
	if !known.Due(settings.ACME, settings.ACME.Names(settings.Outbound.HostName), o.Now()) {
		return nil
	}
	j, err := o.Order(ctx, system)
	if domain.KindOf(err) == domain.Conflict && err != nil {
		return nil // somebody was faster
	}
	if err == nil {
		_, err = o.Jobs.Wait(ctx, j.ID) // what became of it is told by alert and job
	}
	return err
}

// Advise asks the authority when to renew. A moment that was chosen stays while the
// authority's window holds it; else another is chosen (RFC 9773 §4.2).
func (o *Orders) Advise(ctx context.Context) error {
	known, err := o.State.Renewal(ctx)
	if err != nil || known.CertificateID == "" || !o.Snapshot().Settings.ACME.Enabled {
		return err
	}
	c, err := o.Certificates.Get(ctx, known.CertificateID)
	if domain.KindOf(err) == domain.NotFound && err != nil {
		return nil // it was deleted: the schedule stays
	}
	if err != nil {
		return err
	}
	leaf, err := c.Leaf()
	if err != nil {
		return err
	}
	window, err := o.Advice.Window(ctx, known.Directory, leaf)
	if domain.KindOf(err) == domain.NotFound && err != nil {
		return nil
	}
	if err != nil || window.Holds(known.RenewAt) {
		return err
	}
	return o.reschedule(ctx, known.CertificateID, window.Pick(rand.Float64()))
}

// reschedule moves the renewal of the certificate; an order that ended meanwhile has
// the last word.
func (o *Orders) reschedule(ctx context.Context, certificateID string, at time.Time) error {
	if !o.busy.CompareAndSwap(false, true) {
		return nil
	}
	defer o.busy.Store(false)
	known, err := o.State.Renewal(ctx)
	if err != nil || known.CertificateID != certificateID {
		return err
	}
	known.RenewAt = at
	return o.State.PutRenewal(ctx, known)
}
