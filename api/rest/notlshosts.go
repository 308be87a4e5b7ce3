package rest

import (
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/account"
)

// OneHourList is the list of peers to which mail goes in clear until the list
// is emptied, which happens every hour (B24).
type OneHourList interface {
	List() []NoTLSHost
	EmptiedAt() time.Time
	Remove(netip.Addr) bool
	Clear() int
}

// NoTLSHost is a peer whose TLS handshake failed, so that mail goes to it in clear until the list is emptied (B24).
type NoTLSHost struct {
	// Address of the peer.
	Address netip.Addr `json:"address" validate:"required" swaggertype:"string"`
	// Host is the name by which it was reached; empty where by address.
	Host string `json:"host"`
	// Since is when it was listed.
	Since time.Time `json:"since" validate:"required" format:"date-time"`
	// Reason is how the handshake failed.
	Reason string `json:"reason"`
}

// NoTLSHosts is the one-hour list.
type NoTLSHosts struct {
	// Items are the peers in order of their addresses.
	Items []NoTLSHost `json:"items" validate:"required"`
	// EmptiedAt is when the whole list is emptied next.
	EmptiedAt time.Time `json:"emptied_at" validate:"required" format:"date-time"`
}

func (a *API) noTLSHostsOperations() []operation {
	const list = "/no-tls-hosts"
	return []operation{
		{http.MethodGet, list, "listNoTLSHosts", account.RoleViewer, nil, a.listNoTLSHosts},
		{http.MethodDelete, list, "clearNoTLSHosts", account.RoleOperator, nil, a.clearNoTLSHosts},
		{http.MethodDelete, list + "/:address", "deleteNoTLSHost", account.RoleOperator, nil, a.deleteNoTLSHost},
	}
}

// listNoTLSHosts godoc
//
//	@Summary	Show the one-hour list
//	@ID			listNoTLSHosts
//	@Tags		STARTTLS lists
//	@Success	200	{object}	NoTLSHosts
//	@Router		/no-tls-hosts [get]
//	@x-shape	"tagged"
//	@x-role		"viewer"
func (a *API) listNoTLSHosts(c echo.Context) error {
	list := a.noTLSHosts()
	return replyTagged(c, tagOf(list), list)
}

func (a *API) noTLSHosts() NoTLSHosts {
	return NoTLSHosts{Items: orEmpty(a.oneHour.List()), EmptiedAt: a.oneHour.EmptiedAt().UTC()}
}

// clearNoTLSHosts godoc
//
//	@Summary		Empty the one-hour list
//	@Description	TLS is tried again with every peer at once.
//	@ID				clearNoTLSHosts
//	@Tags			STARTTLS lists
//	@Success		204
//	@Router			/no-tls-hosts [delete]
//	@x-shape		"conditional"
//	@x-role			"operator"
func (a *API) clearNoTLSHosts(c echo.Context) error {
	if _, _, err := preconditions(c, tagOf(a.noTLSHosts()), true); err != nil {
		return err
	}
	a.oneHour.Clear()
	return c.NoContent(http.StatusNoContent)
}

// deleteNoTLSHost godoc
//
//	@Summary		Take a peer off the one-hour list
//	@Description	A peer has no resource to read, so its entity tag comes with the 412; `If-Match: *` asks only that it is listed.
//	@ID				deleteNoTLSHost
//	@Tags			STARTTLS lists
//	@Param			address	path	string	true	"IP address of the peer"
//	@Success		204
//	@Failure		404	{object}	Problem
//	@Router			/no-tls-hosts/{address} [delete]
//	@x-shape		"conditional"
//	@x-role			"operator"
func (a *API) deleteNoTLSHost(c echo.Context) error {
	text, err := pathParam(c, "address")
	if err != nil {
		return err
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return notListed()
	}
	list := a.oneHour.List()
	i := slices.IndexFunc(list, func(h NoTLSHost) bool { return h.Address == addr.Unmap() })
	if i < 0 {
		return notListed()
	}
	if _, _, err := preconditions(c, tagOf(list[i]), true); err != nil {
		return err
	}
	if !a.oneHour.Remove(addr.Unmap()) {
		return notListed()
	}
	return c.NoContent(http.StatusNoContent)
}

func notListed() error {
	return domain.E(domain.NotFound, "no peer of that address is on the list")
}
