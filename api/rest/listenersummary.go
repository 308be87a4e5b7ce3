package rest

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// ListenerSummary is a listener as the command line of the seed systems shows it (B11).
type ListenerSummary struct {
	// Name of the listener.
	Name string `json:"name"`
	// Type is public or private.
	Type policy.ListenerKind `json:"type" swaggertype:"string" enums:"public,private"`
	// Interface is the IP address, empty for all, and the TCP port.
	Interface string `json:"interface"`
	// Port is the TCP port.
	Port int `json:"port"`
	// Protocol is smtp or smtps.
	Protocol policy.ListenerProtocol `json:"protocol" swaggertype:"string" enums:"smtp,smtps"`
	// DefaultDomain completes addresses without a domain.
	DefaultDomain mailaddr.DomainName `json:"default_domain" swaggertype:"string"`
	// MaxConcurrency is how many connections are served at a time.
	MaxConcurrency int `json:"max_concurrency"`
	// TCPQueue is how many connections may wait to be accepted.
	TCPQueue int `json:"tcp_queue"`
	// DomainMap is whether recipient domains are rewritten; they never are.
	DomainMap bool `json:"domain_map"`
	// TLS is what the default policy parameters say about STARTTLS; required on listeners with the protocol smtps.
	TLS policy.ListenerTLS `json:"tls" swaggertype:"string" enums:"off,preferred,required"`
	// Text is the same as a block of lines.
	Text string `json:"text"`
}

// getListenerSummary godoc
//
//	@Summary	Show a listener in a block of lines
//	@ID			getListenerSummary
//	@Tags		Receiving
//	@Param		name	path		string	true	"Name of the listener"
//	@Success	200		{object}	ListenerSummary
//	@Failure	404		{object}	Problem
//	@Failure	409		{object}	Problem
//	@Failure	422		{object}	Problem
//	@Router		/listeners/{name}/summary [get]
//	@x-draft	true
//	@x-role		"viewer"
func (a *API) getListenerSummary(c echo.Context) error {
	name, err := pathParam(c, "name")
	if err != nil {
		return err
	}
	snapshot, err := a.snapshotOf(c)
	if err != nil {
		return err
	}
	listener, ok := snapshot.Listener(name)
	if !ok {
		return domain.E(domain.NotFound, "there is no listener %q", shorten(name, 100))
	}
	return reply(c, http.StatusOK, summaryOf(listener))
}

func summaryOf(l policy.Listener) ListenerSummary {
	s := ListenerSummary{
		Name:           l.Name,
		Type:           l.Kind,
		Interface:      l.Address,
		Port:           l.Port,
		Protocol:       l.Protocol,
		DefaultDomain:  l.DefaultDomain,
		MaxConcurrency: l.MaxConcurrency,
		TCPQueue:       l.TCPQueue,
		TLS:            l.Defaults.Inherit(policy.BuiltInParameters()).TLS,
	}
	if l.Protocol == policy.ProtocolSMTPS {
		s.TLS = policy.ListenerTLSRequired // RFC 8314: there is nothing without
	}
	s.Text = s.text()
	return s
}

// text is the block of B11.
func (s ListenerSummary) text() string {
	at := s.Interface
	if at == "" {
		at = "all"
	}
	lines := []string{
		"Name: " + s.Name,
		"Type: " + capitalized(string(s.Type)),
		fmt.Sprintf("Interface: %s TCP Port %d", at, s.Port),
		"Protocol: " + strings.ToUpper(string(s.Protocol)),
		"Default Domain: " + s.DefaultDomain.String(),
		fmt.Sprintf("Max Concurrency: %d (TCP Queue: %d)", s.MaxConcurrency, s.TCPQueue),
		"Domain map: Disabled",
		"TLS: " + tlsWord(s.TLS),
	}
	return strings.Join(lines, "\n") + "\n"
}

// tlsWord is the seed's word for a TLS mode.
func tlsWord(mode policy.ListenerTLS) string {
	if mode == policy.ListenerTLSOff {
		return "No"
	}
	return capitalized(mode.String())
}

func capitalized(word string) string {
	if word == "" {
		return ""
	}
	return strings.ToUpper(word[:1]) + word[1:]
}

func (a *API) listenerSummaryOperation() operation {
	return operation{
		http.MethodGet, "/listeners/:name/summary", "getListenerSummary", account.RoleViewer, nil, a.getListenerSummary,
	}
}
