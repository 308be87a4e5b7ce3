package tlsreport

import (
	"time"

	"postern/domain/delivery"
)

// Key is what figures are kept apart by.
type Key struct {
	Hour         time.Time // its beginning, UTC
	Direction    Direction
	Domain       string
	Requirement  Requirement
	Result       delivery.TLSResult
	Version      string // as TLS1.3; empty without TLS
	Cipher       string
	Verification string // SessionTLS.Verdict
}

// Figures are what is counted under a key.
type Figures struct {
	Connections int64
	Messages    int64
}

func (f Figures) plus(g Figures) Figures {
	return Figures{f.Connections + g.Connections, f.Messages + g.Messages}
}

func keyOf(c Connection, at time.Time) Key {
	return Key{
		Hour: at.UTC().Truncate(time.Hour), Direction: c.Direction, Domain: c.Domain,
		Requirement: c.Requirement, Result: c.Result,
		Version: c.TLS.Version, Cipher: c.TLS.Cipher, Verification: c.TLS.Verdict(),
	}
}

// Others is the domain under which is counted what comes from more domains than
// memory has room for. It is no name that a domain can have.
const Others = "(others)"

// Statistics are figures by key.
type Statistics map[Key]Figures

// Add counts under the key. Beyond a limit of keys new domains are counted
// together.
func (s Statistics) Add(k Key, f Figures, limit int) {
	if _, known := s[k]; !known && len(s) >= limit {
		k.Domain = Others
	}
	s[k] = s[k].plus(f)
}
