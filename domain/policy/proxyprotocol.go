package policy

import (
	"fmt"

	"postern/domain"
)

// maxProxies bounds the trust list of a listener.
const maxProxies = 1000

// checkProxies holds the trust list to addresses: a name would have to be
// believed before anything is known of the connection.
func (l Listener) checkProxies(f *domain.Faults) {
	if len(l.ProxyProtocolFrom) > maxProxies {
		f.Add("/proxy_protocol_from", "may hold at most %d addresses and networks", maxProxies)
	}
	for i, p := range l.ProxyProtocolFrom {
		if _, ok := p.Prefix(); !ok {
			f.Add(fmt.Sprintf("/proxy_protocol_from/%d", i), "%q is a name: write the IP address or network of the proxy", p)
		}
	}
}

// widestProxies is the shortest prefix that can still be a network of one's own.
const widestProxies = 8

// warnProxies tells of networks so wide that strangers are in them: whoever is
// on the trust list can give itself any address, and with it any policy.
func (l Listener) warnProxies(f *domain.Faults) {
	for i, p := range l.ProxyProtocolFrom {
		if prefix, ok := p.Prefix(); ok && prefix.Bits() < widestProxies {
			f.Add(fmt.Sprintf("/proxy_protocol_from/%d", i),
				"%s is wider than /%d: every client in it can claim any address by a PROXY header", p, widestProxies)
		}
	}
}
