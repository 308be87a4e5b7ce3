package main

import (
	"crypto/x509"
	"slices"
	"sync/atomic"

	"postern/domain/config"
	"postern/domain/policy"
	"postern/smtp/tlsverify"
)

// trust is the trust store that the newest configuration makes: the roots of
// the system, as they were at the start, own authorities, and pinned servers
// (B23).
type trust struct {
	system  *x509.CertPool
	current atomic.Pointer[tlsverify.Trust]
	// authorities and pinned are those of current; only follow reads and writes
	// them.
	authorities, pinned []*x509.Certificate
}

func newTrust(snapshot *config.Snapshot) (*trust, error) {
	system, err := x509.SystemCertPool()
	if err != nil {
		return nil, err
	}
	t := &trust{system: system}
	t.use(snapshot)
	return t, nil
}

// follow takes over the trust anchors of a snapshot and reports whether they
// are others. It is called by one goroutine at a time.
func (t *trust) follow(snapshot *config.Snapshot) (changed bool) {
	sameAuthorities := slices.EqualFunc(t.authorities, snapshot.TrustAnchors(policy.TrustAuthority), (*x509.Certificate).Equal)
	samePinned := slices.EqualFunc(t.pinned, snapshot.TrustAnchors(policy.TrustPinned), (*x509.Certificate).Equal)
	if sameAuthorities && samePinned {
		return false
	}
	t.use(snapshot)
	return true
}

func (t *trust) use(snapshot *config.Snapshot) {
	t.authorities, t.pinned = snapshot.TrustAnchors(policy.TrustAuthority), snapshot.TrustAnchors(policy.TrustPinned)
	t.current.Store(tlsverify.NewTrust(t.system, t.authorities, t.pinned))
}
