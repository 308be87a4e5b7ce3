package rest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"postern/domain"
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
		read: func(key string, g SenderGroups) config.Value {
			table := policy.HostAccessTable{Listener: key}
			for _, group := range g.Groups {
				table.Groups = append(table.Groups, policy.SenderGroup(group))
			}
			return table
		},
		show: func(v config.Value) SenderGroups {
			groups := SenderGroups{Groups: []SenderGroup{}}
			for _, group := range v.(policy.HostAccessTable).Groups {
				groups.Groups = append(groups.Groups, SenderGroup(group))
			}
			return groups
		},
	}
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
func (a *API) getSenderGroup(c echo.Context) error {
	e, err := a.groupEdit(c)
	if err != nil {
		return err
	}
	if !e.exists() {
		return e.notFound()
	}
	return replyTagged(c, e.tag(), e.group())
}

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
func (a *API) replaceSenderGroup(c echo.Context) error {
	group, err := readJSON[SenderGroup](c)
	if err != nil {
		return err
	}
	return a.editGroup(c, func(e *groupEdit) error {
		if group.Name == "" {
			group.Name = e.name
		}
		return e.put(group)
	})
}

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
func (a *API) patchSenderGroup(c echo.Context) error {
	patch, err := readBody(c, mediaMergePatch)
	if err != nil {
		return err
	}
	return a.editGroup(c, func(e *groupEdit) error {
		if !e.exists() {
			return e.notFound()
		}
		patched, err := mergePatch(e.group(), patch)
		if err != nil {
			return err
		}
		return e.put(patched)
	})
}

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
func (a *API) deleteSenderGroup(c echo.Context) error {
	return a.editGroup(c, func(e *groupEdit) error {
		if !e.exists() {
			return e.notFound()
		}
		e.table.Groups = slices.Delete(slices.Clone(e.table.Groups), e.at, e.at+1)
		e.deleted = true
		return nil
	})
}

// groupEdit is one sender group of a host access table under work. The group is
// a resource of its own to callers, and a part of the table to the
// configuration.
type groupEdit struct {
	table    policy.HostAccessTable
	tableTag string
	name     string
	at       int // place of the group; where it is missing, its place to be
	found    bool
	deleted  bool
}

func (a *API) groupEdit(c echo.Context) (*groupEdit, error) {
	listener, err := pathParam(c, "name")
	if err != nil {
		return nil, err
	}
	name, err := pathParam(c, "group")
	if err != nil {
		return nil, err
	}
	item, value, err := a.config.Get(c.Request().Context(), config.KindHostAccessTable, listener)
	if err != nil {
		return nil, err
	}
	e := &groupEdit{table: value.(policy.HostAccessTable), tableTag: item.ETag, name: name}
	e.at = slices.IndexFunc(e.table.Groups, func(g policy.SenderGroup) bool { return g.Name == name })
	e.found = e.at >= 0
	if !e.found {
		e.at = max(0, len(e.table.Groups)-1)
	}
	return e, nil
}

func (e *groupEdit) exists() bool { return e.found }

func (e *groupEdit) notFound() error {
	return domain.E(domain.NotFound, "listener %q has no sender group %q", e.table.Listener, shorten(e.name, 100))
}

func (e *groupEdit) group() SenderGroup { return SenderGroup(e.table.Groups[e.at]) }

// tag is the entity tag of the group by itself; empty where it is missing.
func (e *groupEdit) tag() string {
	if !e.found {
		return ""
	}
	return config.ETagOf(mustJSON(e.group()))
}

func (e *groupEdit) put(group SenderGroup) error {
	if group.Name != e.name {
		return domain.Faults{{Pointer: "/name", Message: "is not the name in the path"}}.Err()
	}
	groups := slices.Clone(e.table.Groups)
	if !e.found {
		groups = slices.Insert(groups, e.at, policy.SenderGroup{})
	}
	groups[e.at] = policy.SenderGroup(group)
	e.table.Groups = groups
	return nil
}

// editGroup reads the table, lets change alter one group, and commits. The
// caller's preconditions are about the group; that of the commit is about the
// table, so another writer in between makes it start again.
func (a *API) editGroup(c echo.Context, change func(*groupEdit) error) (err error) {
	for range patchTries {
		err = a.editGroupOnce(c, change)
		if !errors.Is(err, errTableMoved) {
			return err
		}
	}
	return domain.E(domain.Unavailable, "other changes to the sender groups keep coming between")
}

// errTableMoved says that the table, not the group, changed meanwhile.
var errTableMoved = errors.New("the host access table was changed meanwhile")

func (a *API) editGroupOnce(c echo.Context, change func(*groupEdit) error) error {
	e, err := a.groupEdit(c)
	if err != nil {
		return err
	}
	if _, _, err := preconditions(c, e.tag(), e.exists()); err != nil {
		return err
	}
	if err := change(e); err != nil {
		return err
	}
	result, err := a.commit(c, config.Edit{
		Kind: config.KindHostAccessTable, Key: e.table.Listener, Value: e.table, IfMatch: e.tableTag,
	})
	if domain.KindOf(err) == domain.Stale {
		return errTableMoved
	}
	if err != nil {
		return e.relativeFaults(err)
	}
	return e.reply(c, result)
}

func (e *groupEdit) reply(c echo.Context, result config.Result) error {
	if e.deleted {
		return c.NoContent(http.StatusNoContent)
	}
	status := http.StatusOK
	if !e.found {
		status = http.StatusCreated
		c.Response().Header().Set("Location", c.Request().URL.EscapedPath())
	}
	setETag(c, config.ETagOf(mustJSON(e.group())))
	return replyWritten(c, status, e.group(), e.relative(result.Warnings))
}

// relativeFaults makes the pointers of an error, which are of the table, those
// of the group that the caller sent.
func (e *groupEdit) relativeFaults(err error) error {
	known, ok := errors.AsType[*domain.Error](err)
	if !ok || len(known.Faults) == 0 {
		return err
	}
	relative := *known
	relative.Faults = e.relative(known.Faults)
	return &relative
}

func (e *groupEdit) relative(faults domain.Faults) (relative domain.Faults) {
	prefix := fmt.Sprintf("/sender_groups/%d", e.at)
	for _, fault := range faults {
		rest, within := strings.CutPrefix(fault.Pointer, prefix)
		if !within || (rest != "" && rest[0] != '/') {
			rest = ""
		}
		relative.Add(rest, "%s", fault.Message)
	}
	return relative
}
