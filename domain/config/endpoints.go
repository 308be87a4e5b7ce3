package config

import (
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// smtpPort is where mail servers find each other, and so where they look up TLSA
// records (RFC 7672 §2.2.3), whatever the port behind a translation of addresses.
const smtpPort = 25

// Owner is a host and a TCP port under which a TLSA record is published.
type Owner struct {
	Host mailaddr.DomainName
	Port uint16
}

// TLSAOwners returns under which names TLSA records for a certificate belong: those
// of the listeners that are bound to it, and of those that serve the active one
// (B54). An empty id leaves only the latter.
func (s *Snapshot) TLSAOwners(certificateID string) []Owner {
	var owners []Owner
	seen := map[Owner]bool{}
	for _, l := range s.Listeners() {
		o := Owner{Host: l.HostName, Port: uint16(l.Port)}
		if l.Kind == policy.ListenerPublic && l.Protocol == policy.ProtocolSMTP {
			o.Port = smtpPort
		}
		if l.CertificateID != "" && l.CertificateID != certificateID || o.Port == 0 || seen[o] {
			continue
		}
		seen[o] = true
		owners = append(owners, o)
	}
	return owners
}
