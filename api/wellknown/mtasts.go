package wellknown

import (
	"io"
	"net"
	"net/http"
	"strings"

	"postern/domain/mailaddr"
	"postern/domain/mtasts"
)

// policy returns the text of the policy that a request asks for; false where it asks
// for none that there is (B61).
//
// RFC 8461 §3.3: a policy is on the web server mta-sts.<domain>, and comes over HTTPS
// alone.
func (c Config) policy(r *http.Request) (text string, ok bool) {
	if r.URL.Path != mtasts.Path || r.TLS == nil {
		return "", false
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	name, err := mailaddr.ParseDomainName(host)
	if err != nil {
		return "", false
	}
	domain, ok := strings.CutPrefix(name.String(), mtasts.HostPrefix)
	if !ok {
		return "", false
	}
	return c.Policy(mailaddr.DomainName(domain))
}

func servePolicy(w http.ResponseWriter, text string) {
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8") // RFC 8461 §3.2
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store") // RFC 8461 §3.3: HTTP caching has no part in it
	_, _ = io.WriteString(w, text)          // a client that is gone needs no answer
}
