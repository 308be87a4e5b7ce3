package rest

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"postern/domain/account"
	"postern/domain/config"
	"postern/domain/policy"
)

// ContentFilters are the content filters in order (B59). All enabled ones that match act, unless one of them rejects the message: it is the last.
type ContentFilters struct {
	// Filters are in the order in which a message meets them.
	Filters []ContentFilter `json:"content_filters" validate:"required" maxItems:"100"`
}

// ContentFilter is a rule for messages that are received: conditions, and what is done with a message that meets them (B59). A filter that asks about the recipient matches for those recipients only.
type ContentFilter struct {
	// Name identifies the filter, here and in the path.
	Name string `json:"name" maxLength:"64"`
	// Description is an administrator's own words.
	Description string `json:"description,omitempty" maxLength:"1000"`
	// Enabled is whether the filter is looked at.
	Enabled bool `json:"enabled"`
	// ReportOnly is whether reject and hold do not act but are counted; other actions act (B72).
	ReportOnly bool `json:"report_only,omitempty"`
	// Match is how many of the conditions must hold.
	Match policy.ConditionMatch `json:"match" swaggertype:"string" enums:"all,any"`
	// Conditions that a message must meet.
	Conditions []policy.FilterCondition `json:"conditions" minItems:"1" maxItems:"20"`
	// Actions on a message that does. With reject there is no other.
	Actions []policy.FilterAction `json:"actions" minItems:"1" maxItems:"10"`
}

func newContentFilters(a *API) resource[ContentFilters] {
	return resource[ContentFilters]{
		api: a, kind: config.KindContentFilters, key: sectionKey(config.ContentFiltersKey),
		read: func(_ string, l ContentFilters) config.Value { return readContentFilters(l.Filters) },
		show: func(v config.Value) ContentFilters { return ContentFilters{showContentFilters(v)} },
	}
}

func newContentFilterMembers(a *API) orderedList[ContentFilter] {
	return orderedList[ContentFilter]{
		api: a, kind: config.KindContentFilters, param: "name", noun: "content filter", pointer: "/content_filters",
		key:    func(echo.Context) (string, error) { return config.ContentFiltersKey, nil },
		nameOf: func(f *ContentFilter) *string { return &f.Name },
		place:  func(length int) int { return length },
		open:   showContentFilters,
		close:  func(_ string, members []ContentFilter) config.Value { return readContentFilters(members) },
	}
}

func readContentFilters(filters []ContentFilter) policy.ContentFilters {
	l := policy.ContentFilters{Filters: []policy.ContentFilter{}}
	for _, f := range filters {
		l.Filters = append(l.Filters, policy.ContentFilter(f))
	}
	return l
}

func showContentFilters(v config.Value) []ContentFilter {
	list := []ContentFilter{}
	for _, f := range v.(policy.ContentFilters).Filters {
		f.Conditions, f.Actions = orEmpty(f.Conditions), orEmpty(f.Actions)
		list = append(list, ContentFilter(f))
	}
	return list
}

func (a *API) contentFiltersOperations() []operation {
	const all, one = "/content-filters", "/content-filters/:name"
	return []operation{
		{http.MethodGet, all, "getContentFilters", account.RoleViewer, nil, a.getContentFilters},
		{http.MethodPut, all, "replaceContentFilters", account.RoleAdmin, writeQuery, a.replaceContentFilters},
		{http.MethodGet, one, "getContentFilter", account.RoleViewer, nil, a.getContentFilter},
		{http.MethodPut, one, "replaceContentFilter", account.RoleAdmin, writeQuery, a.replaceContentFilter},
		{http.MethodPatch, one, "patchContentFilter", account.RoleAdmin, writeQuery, a.patchContentFilter},
		{http.MethodDelete, one, "deleteContentFilter", account.RoleAdmin, writeQuery, a.deleteContentFilter},
		{http.MethodPost, all + "/test", "testContentFilters", account.RoleOperator, []string{changeParam}, a.testContentFilters},
	}
}

// getContentFilters godoc
//
//	@Summary	Show the content filters, in order
//	@ID			getContentFilters
//	@Tags		Receiving
//	@Success	200	{object}	ContentFilters
//	@Router		/content-filters [get]
//	@x-shape	"read"
//	@x-role		"viewer"
func (a *API) getContentFilters(c echo.Context) error { return a.contentFilters.get(c) }

// replaceContentFilters godoc
//
//	@Summary	Replace the content filters, or their order
//	@ID			replaceContentFilters
//	@Tags		Receiving
//	@Param		body	body		ContentFilters	true	"All filters in order"
//	@Success	200		{object}	ContentFilters
//	@Success	201		{object}	ContentFilters
//	@Router		/content-filters [put]
//	@x-shape	"replace"
//	@x-role		"admin"
func (a *API) replaceContentFilters(c echo.Context) error { return a.contentFilters.put(c) }

// getContentFilter godoc
//
//	@Summary	Show a content filter
//	@ID			getContentFilter
//	@Tags		Receiving
//	@Param		name	path		string	true	"Name of the content filter"
//	@Success	200		{object}	ContentFilter
//	@Router		/content-filters/{name} [get]
//	@x-shape	"read"
//	@x-role		"viewer"
func (a *API) getContentFilter(c echo.Context) error { return a.contentFilterMembers.get(c) }

// replaceContentFilter godoc
//
//	@Summary		Create or replace a content filter
//	@Description	A new filter is put behind the others. Replace all filters to give it another place.
//	@ID				replaceContentFilter
//	@Tags			Receiving
//	@Param			name	path		string			true	"Name of the content filter"
//	@Param			body	body		ContentFilter	true	"The whole filter"
//	@Success		200		{object}	ContentFilter
//	@Success		201		{object}	ContentFilter
//	@Router			/content-filters/{name} [put]
//	@x-shape		"replace"
//	@x-role			"admin"
func (a *API) replaceContentFilter(c echo.Context) error { return a.contentFilterMembers.put(c) }

// patchContentFilter godoc
//
//	@Summary	Change a content filter
//	@ID			patchContentFilter
//	@Tags		Receiving
//	@Accept		application/merge-patch+json
//	@Param		name	path		string			true	"Name of the content filter"
//	@Param		body	body		ContentFilter	true	"A JSON merge patch (RFC 7396)"
//	@Success	200		{object}	ContentFilter
//	@Router		/content-filters/{name} [patch]
//	@x-shape	"patch"
//	@x-role		"admin"
func (a *API) patchContentFilter(c echo.Context) error { return a.contentFilterMembers.patch(c) }

// deleteContentFilter godoc
//
//	@Summary	Delete a content filter
//	@ID			deleteContentFilter
//	@Tags		Receiving
//	@Param		name	path	string	true	"Name of the content filter"
//	@Success	204
//	@Router		/content-filters/{name} [delete]
//	@x-shape	"delete"
//	@x-role		"admin"
func (a *API) deleteContentFilter(c echo.Context) error { return a.contentFilterMembers.delete(c) }
