package rest

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"postern/domain/account"
	"postern/domain/config"
	"postern/domain/policy"
)

// SenderGroups is the host access table of a listener: sender groups in order, the first match decides (B12).
type SenderGroups struct {
	// Groups are in order; the last is ALL, which has no senders of its own.
	Groups []SenderGroup `json:"sender_groups"`
}

// SenderGroup names the clients that one mail flow policy is for (B12).
type SenderGroup struct {
	// Name identifies the group within its listener, here and in the path.
	Name string `json:"name" maxLength:"64"`
	// Description is an administrator's own words.
	Description string `json:"description,omitempty" maxLength:"1000"`
	// Policy is the name of a mail flow policy.
	Policy string `json:"policy"`
	// Senders are the clients of the group.
	Senders []policy.Sender `json:"senders,omitempty"`
}

func newSenderGroups(a *API) resource[SenderGroups] {
	return resource[SenderGroups]{
		api: a, kind: config.KindHostAccessTable, param: "name", key: nameKey,
		read: func(key string, g SenderGroups) config.Value { return readSenderGroups(key, g.Groups) },
		show: func(v config.Value) SenderGroups { return SenderGroups{showSenderGroups(v)} },
	}
}

func newSenderGroupMembers(a *API) orderedList[SenderGroup] {
	return orderedList[SenderGroup]{
		api: a, kind: config.KindHostAccessTable, param: "group", noun: "sender group", pointer: "/sender_groups",
		key:    func(c echo.Context) (string, error) { return pathParam(c, "name") },
		nameOf: func(g *SenderGroup) *string { return &g.Name },
		place:  func(length int) int { return max(0, length-1) }, // before ALL
		open:   showSenderGroups,
		close:  readSenderGroups,
	}
}

func readSenderGroups(listener string, groups []SenderGroup) config.Value {
	table := policy.HostAccessTable{Listener: listener}
	for _, group := range groups {
		table.Groups = append(table.Groups, policy.SenderGroup(group))
	}
	return table
}

func showSenderGroups(v config.Value) []SenderGroup {
	groups := []SenderGroup{}
	for _, group := range v.(policy.HostAccessTable).Groups {
		groups = append(groups, SenderGroup(group))
	}
	return groups
}

func (a *API) senderGroupsOperations() []operation {
	const all, one = "/listeners/:name/sender-groups", "/listeners/:name/sender-groups/:group"
	return []operation{
		{http.MethodGet, all, "getSenderGroups", account.RoleViewer, nil, a.getSenderGroups},
		{http.MethodPut, all, "replaceSenderGroups", account.RoleAdmin, writeQuery, a.replaceSenderGroups},
		{http.MethodGet, one, "getSenderGroup", account.RoleViewer, nil, a.getSenderGroup},
		{http.MethodPut, one, "replaceSenderGroup", account.RoleAdmin, writeQuery, a.replaceSenderGroup},
		{http.MethodPatch, one, "patchSenderGroup", account.RoleAdmin, writeQuery, a.patchSenderGroup},
		{http.MethodDelete, one, "deleteSenderGroup", account.RoleAdmin, writeQuery, a.deleteSenderGroup},
	}
}

// getSenderGroups godoc
//
//	@Summary	Show the sender groups of a listener, in order
//	@ID			getSenderGroups
//	@Tags		Receiving
//	@Param		name	path		string	true	"Name of the listener"
//	@Success	200		{object}	SenderGroups
//	@Router		/listeners/{name}/sender-groups [get]
//	@x-shape	"read"
//	@x-role		"viewer"
func (a *API) getSenderGroups(c echo.Context) error { return a.senderGroups.get(c) }

// replaceSenderGroups godoc
//
//	@Summary	Replace the sender groups of a listener, or their order
//	@ID			replaceSenderGroups
//	@Tags		Receiving
//	@Param		name	path		string			true	"Name of the listener"
//	@Param		body	body		SenderGroups	true	"All groups in order"
//	@Success	200		{object}	SenderGroups
//	@Router		/listeners/{name}/sender-groups [put]
//	@x-shape	"replace"
//	@x-role		"admin"
func (a *API) replaceSenderGroups(c echo.Context) error { return a.senderGroups.put(c) }

// getSenderGroup godoc
//
//	@Summary	Show a sender group
//	@ID			getSenderGroup
//	@Tags		Receiving
//	@Param		name	path		string	true	"Name of the listener"
//	@Param		group	path		string	true	"Name of the sender group"
//	@Success	200		{object}	SenderGroup
//	@Router		/listeners/{name}/sender-groups/{group} [get]
//	@x-shape	"read"
//	@x-role		"viewer"
func (a *API) getSenderGroup(c echo.Context) error { return a.senderGroupMembers.get(c) }

// replaceSenderGroup godoc
//
//	@Summary		Create or replace a sender group
//	@Description	A new group is put before the last group, ALL. Replace all groups to give it another place.
//	@ID				replaceSenderGroup
//	@Tags			Receiving
//	@Param			name	path		string		true	"Name of the listener"
//	@Param			group	path		string		true	"Name of the sender group"
//	@Param			body	body		SenderGroup	true	"The whole group"
//	@Success		200		{object}	SenderGroup
//	@Success		201		{object}	SenderGroup
//	@Router			/listeners/{name}/sender-groups/{group} [put]
//	@x-shape		"replace"
//	@x-role			"admin"
func (a *API) replaceSenderGroup(c echo.Context) error { return a.senderGroupMembers.put(c) }

// patchSenderGroup godoc
//
//	@Summary	Change a sender group
//	@ID			patchSenderGroup
//	@Tags		Receiving
//	@Accept		application/merge-patch+json
//	@Param		name	path		string		true	"Name of the listener"
//	@Param		group	path		string		true	"Name of the sender group"
//	@Param		body	body		SenderGroup	true	"A JSON merge patch (RFC 7396)"
//	@Success	200		{object}	SenderGroup
//	@Router		/listeners/{name}/sender-groups/{group} [patch]
//	@x-shape	"patch"
//	@x-role		"admin"
func (a *API) patchSenderGroup(c echo.Context) error { return a.senderGroupMembers.patch(c) }

// deleteSenderGroup godoc
//
//	@Summary	Delete a sender group
//	@ID			deleteSenderGroup
//	@Tags		Receiving
//	@Param		name	path	string	true	"Name of the listener"
//	@Param		group	path	string	true	"Name of the sender group"
//	@Success	204
//	@Router		/listeners/{name}/sender-groups/{group} [delete]
//	@x-shape	"delete"
//	@x-role		"admin"
func (a *API) deleteSenderGroup(c echo.Context) error { return a.senderGroupMembers.delete(c) }
