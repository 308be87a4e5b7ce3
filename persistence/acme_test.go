package persistence

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
	"postern/domain/acme"
)

// B48: account and renewal survive a restart.
func TestACMEStateIsKept(t *testing.T) {
	dir := t.TempDir()
	at := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	account := acme.Account{Directory: "https://ca.example/", URL: "https://ca.example/1", KeySecretID: "s", CreatedAt: at}
	renewal := acme.Renewal{CertificateID: "c", Directory: account.Directory, Names: []string{"a.example"}, RenewAt: at, Failures: 2}
	d, err := tryOpen(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.ACME().Account(t.Context(), account.Directory); domain.KindOf(err) != domain.NotFound {
		t.Errorf("no account yet: %v", err)
	}
	if r, err := d.ACME().Renewal(t.Context()); err != nil || !cmp.Equal(r, acme.Renewal{}) {
		t.Errorf("nothing ordered yet: %v %v", r, err)
	}
	for _, a := range []acme.Account{{Directory: account.Directory, KeySecretID: "s", CreatedAt: at}, account} {
		if err := d.ACME().PutAccount(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range []acme.Renewal{{Failures: 1}, renewal} {
		if err := d.ACME().PutRenewal(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	again := openTest(t, dir).ACME()
	if got, err := again.Account(t.Context(), account.Directory); err != nil || got != account {
		t.Errorf("account %v %v", got, err)
	}
	got, err := again.Renewal(t.Context())
	if diff := cmp.Diff(renewal, got); err != nil || diff != "" {
		t.Errorf("renewal %v (-want +got):\n%s", err, diff)
	}
}
