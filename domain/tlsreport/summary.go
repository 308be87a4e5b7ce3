package tlsreport

import "postern/domain/delivery"

// Summary is one line of the report: the sums of a group in one direction.
type Summary struct {
	Direction Direction
	// Group is what the report is broken down by: a domain, the beginning of an
	// hour or day in RFC 3339, a version, cipher or verification; empty for the
	// total.
	Group string

	RequiredSuccess, RequiredFailed   int64
	PreferredSuccess, PreferredFailed int64
	// Unencrypted are the connections that went on in clear.
	Unencrypted                            int64
	MessagesEncrypted, MessagesUnencrypted int64
}

// Add adds figures of a requirement and result.
func (s *Summary) Add(r Requirement, result delivery.TLSResult, f Figures) {
	switch result {
	case delivery.TLSSuccess:
		s.MessagesEncrypted += f.Messages
	default:
		s.MessagesUnencrypted += f.Messages
	}
	switch required := r == Required; {
	case result == delivery.TLSClear:
		s.Unencrypted += f.Connections
	case result == delivery.TLSSuccess && required:
		s.RequiredSuccess += f.Connections
	case result == delivery.TLSSuccess:
		s.PreferredSuccess += f.Connections
	case required:
		s.RequiredFailed += f.Connections
	default:
		s.PreferredFailed += f.Connections
	}
}

// Encrypted returns the connections that were encrypted.
func (s *Summary) Encrypted() int64 { return s.RequiredSuccess + s.PreferredSuccess }

// Failed returns the connections on which TLS came to nothing.
func (s *Summary) Failed() int64 { return s.RequiredFailed + s.PreferredFailed }

// Attempts returns the connections on which TLS was tried or mandatory.
func (s *Summary) Attempts() int64 { return s.Encrypted() + s.Failed() }

// Connections returns all that were counted.
func (s *Summary) Connections() int64 { return s.Attempts() + s.Unencrypted }

// EncryptedPercentage returns the share of connections that were encrypted, from
// 0 to 100; false where there was no connection.
func (s *Summary) EncryptedPercentage() (float64, bool) {
	all := s.Connections()
	if all == 0 {
		return 0, false
	}
	return float64(s.Encrypted()) / float64(all) * 100, true
}
