package config

import (
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// ControlOrigins says for each field of [Snapshot.Control] which entry set it
// (B21).
func (s *Snapshot) ControlOrigins(name mailaddr.DomainName) []policy.FieldOrigin {
	var entries []policy.DestinationControl
	if entry := s.controls.Lookup(name); entry != nil && entry != s.controls.all {
		entries = append(entries, entry.Acting())
	}
	if s.controls.all != nil {
		entries = append(entries, s.controls.all.Acting())
	}
	return policy.ControlOrigins(entries...)
}
