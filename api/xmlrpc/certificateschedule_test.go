package xmlrpc

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
	"postern/domain/certificate"
)

var _ CertificateSchedule = (*certificate.Service)(nil)

func (c *testCertificates) Stage(ctx context.Context, author, id, ifMatch string, at time.Time, force bool) (certificate.Certificate, error) {
	c.asked = append(c.asked, fmt.Sprintf("stage %s by %s %q at %s %t", id, author, ifMatch, at.Format(time.RFC3339), force))
	entry, err := c.Get(ctx, id)
	entry.Staged = &certificate.Staged{At: at.UTC(), By: author, Force: force}
	return entry, err
}

func (c *testCertificates) Unstage(ctx context.Context, author, id, ifMatch string) (certificate.Certificate, error) {
	c.asked = append(c.asked, fmt.Sprintf("unstage %s by %s %q", id, author, ifMatch))
	return c.Get(ctx, id)
}

func (c *testCertificates) Revert(_ context.Context, author string, force bool) (certificate.Certificate, error) {
	c.asked = append(c.asked, fmt.Sprintf("revert by %s %t", author, force))
	return certificate.Certificate{ID: "before", State: certificate.Active, Activation: 8}, c.err
}

// B41: an activation to come, taken back, and the way back.
func TestCertificateSchedule(t *testing.T) {
	f := newFixture(t)
	f.certificates.add("c1")
	at := time.Date(2027, 3, 1, 4, 0, 0, 0, time.UTC)
	staged := f.mustCall(t, asManager, "certificate.stage", "c1", at, "tag", true).(map[string]any)
	if staged["id"] != "c1" || staged["activate_at"] != at || staged["state"] != "inactive" {
		t.Errorf("staged %v", staged)
	}
	f.mustCall(t, asManager, "certificate.stage", map[string]any{"id": "c1", "activate_at": at})
	unstaged := f.mustCall(t, asManager, "certificate.unstage", "c1", "tag").(map[string]any)
	if unstaged["activate_at"] != nil {
		t.Errorf("unstaged %v", unstaged)
	}
	want := map[string]any{"id": "before", "state": "active", "revision": int64(8), "applied": true}
	if diff := cmp.Diff(want, f.mustCall(t, asManager, "certificate.revert", true)); diff != "" {
		t.Errorf("revert (-want +got):\n%s", diff)
	}
	asked := []string{
		`stage c1 by certificate_manager "tag" at 2027-03-01T04:00:00Z true`,
		`stage c1 by certificate_manager "" at 2027-03-01T04:00:00Z false`,
		`unstage c1 by certificate_manager "tag"`,
		"revert by certificate_manager true", "wait for 8",
	}
	if diff := cmp.Diff(asked, f.certificates.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func TestCertificateScheduleFaults(t *testing.T) {
	f := newFixture(t)
	f.wantFault(t, codeBadParams, asManager, "certificate.stage", "c1", "2027-03-01T04:00:00Z")
	f.wantFault(t, codeBadParams, asManager, "certificate.stage", "c1")
	f.wantFault(t, 404, asManager, "certificate.stage", "none", time.Now())
	f.wantFault(t, 404, asManager, "certificate.unstage", "none")
	for _, method := range []string{"certificate.stage", "certificate.unstage", "certificate.revert"} {
		f.wantFault(t, 403, asViewer, method)
	}
	f.certificates.err = domain.E(domain.NotFound, "no certificate was active before")
	f.wantFault(t, 404, asManager, "certificate.revert")
}
