package acme

import (
	"crypto/tls"
	"strings"
	"sync"
)

// ALPN is the protocol by which an authority asks for the answer to a tls-alpn-01
// challenge (RFC 8737 §6.2).
const ALPN = "acme-tls/1"

// TLSAnswers are the certificates that answer tls-alpn-01 challenges, by name. They
// are of one order that is under way, and gone with the process as it is. The zero
// value is ready for use, and safe for concurrent use.
type TLSAnswers struct {
	mu     sync.RWMutex
	byName map[string]*tls.Certificate
}

// Put makes an answer known.
func (a *TLSAnswers) Put(name string, answer *tls.Certificate) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.byName == nil {
		a.byName = map[string]*tls.Certificate{}
	}
	a.byName[strings.ToLower(name)] = answer
}

// Delete takes an answer away.
func (a *TLSAnswers) Delete(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.byName, strings.ToLower(name))
}

// Get returns the answer for the name; nil where there is none.
func (a *TLSAnswers) Get(name string) *tls.Certificate {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.byName[strings.ToLower(name)]
}

// Asks reports whether a client hello is that of an authority: it offers this
// protocol and no other (RFC 8737 §3).
func Asks(hello *tls.ClientHelloInfo) bool {
	return len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == ALPN
}
