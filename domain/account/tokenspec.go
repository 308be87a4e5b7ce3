package account

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"postern/domain"
)

// TokenSpec is what a token is to be.
type TokenSpec struct {
	Name      string
	Role      Role
	Scopes    []string       // none: all that the role allows
	Addresses []netip.Prefix // none: from anywhere
	ExpiresAt *time.Time     // nil: never
}

// maxAddresses bounds the networks of one token.
const maxAddresses = 32

// check returns all faults as domain.Invalid.
func (want TokenSpec) check(now time.Time) error {
	var faults domain.Faults
	checkName(&faults, "/name", want.Name)
	if _, err := ParseRole(string(want.Role)); err != nil {
		faults.Add("/role", "%s", err)
	}
	for i, name := range want.Scopes {
		if _, err := ParseScopes([]string{name}); err != nil {
			faults.Add(fmt.Sprint("/scopes/", i), "must be one of %s", ^Scopes(0))
		}
	}
	if len(want.Addresses) > maxAddresses {
		faults.Add("/allowed_addresses", "may hold %d networks", maxAddresses)
	}
	for i, p := range want.Addresses {
		if !p.IsValid() || p != p.Masked() || p.Addr().Is4In6() {
			faults.Add(fmt.Sprint("/allowed_addresses/", i), "must be a network without host bits, as 192.0.2.0/24 or 2001:db8::/48")
		}
	}
	switch {
	case want.ExpiresAt == nil:
	case !want.ExpiresAt.After(now):
		faults.Add("/expires_at", "must lie in the future")
	case want.ExpiresAt.Year() > 9999: // which RFC 3339 cannot write
		faults.Add("/expires_at", "must lie before the year 10000")
	}
	return faults.Err()
}

// grantsNoMore refuses a token that holds more than its maker does: in role,
// scopes, addresses or time.
func (s *Service) grantsNoMore(ctx context.Context, by Principal, t Token) error {
	if !by.Allows(t.Role) {
		return domain.E(domain.Forbidden, "a token cannot hold the role %s, which you do not have", t.Role)
	}
	if !t.Scopes.Within(by.Scopes) {
		return domain.E(domain.Forbidden, "a token cannot hold more scopes than you have: %s", by.Scopes)
	}
	if by.Token == "" {
		return nil
	}
	maker, err := s.tokens.Token(ctx, by.Token)
	if err != nil {
		return domain.Wrap(err, "look up the token that makes another")
	}
	if maker.ExpiresAt != nil && (t.ExpiresAt == nil || t.ExpiresAt.After(*maker.ExpiresAt)) {
		return domain.E(domain.Forbidden, "a token cannot outlive the one that makes it, which expires on %s", maker.ExpiresAt.UTC().Format(time.RFC3339))
	}
	if len(maker.Addresses) > 0 && !within(t.Addresses, maker.Addresses) {
		return domain.E(domain.Forbidden, "a token cannot be used from more addresses than the one that makes it")
	}
	return nil
}

// within reports whether each of some networks lies in one of others; no
// networks stand for all.
func within(inner, outer []netip.Prefix) bool {
	for _, p := range inner {
		if !slices.ContainsFunc(outer, func(o netip.Prefix) bool { return o.Bits() <= p.Bits() && o.Contains(p.Addr()) }) {
			return false
		}
	}
	return len(inner) > 0
}
