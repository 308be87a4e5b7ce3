package rest

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"postern/domain/account"
	"postern/domain/config"
)

// Preset is a change set that comes with the gateway, fitted to the configuration as it is (B10).
type Preset struct {
	// Name of the preset.
	Name string `json:"name" validate:"required"`
	// Description says what it is for.
	Description string `json:"description" validate:"required"`
	// Items are what it would change; in the reply to applying it, what it changed.
	Items []ItemDiff `json:"items" validate:"required"`
	// LeftOut are the parts of the preset that do not fit, with the reason.
	LeftOut []string `json:"left_out" validate:"required"`
}

// Presets are the change sets that come with the gateway.
type Presets struct {
	// Items are the presets, sorted by name.
	Items []Preset `json:"items" validate:"required"`
}

func (a *API) presetsOperations() []operation {
	const one = "/presets/:name"
	apply := append([]string{"dry_run", changeParam}, confirmQuery...)
	return []operation{
		{http.MethodGet, "/presets", "listPresets", account.RoleViewer, []string{changeParam}, a.listPresets},
		{http.MethodGet, one, "getPreset", account.RoleViewer, []string{changeParam}, a.getPreset},
		{http.MethodPost, one + "/apply", "applyPreset", account.RoleAdmin, apply, a.applyPreset},
	}
}

// listPresets godoc
//
//	@Summary	List the presets, and what each would change
//	@ID			listPresets
//	@Tags		Changes
//	@Success	200	{object}	Presets
//	@Router		/presets [get]
//	@x-draft	true
//	@x-role		"viewer"
func (a *API) listPresets(c echo.Context) error {
	list := Presets{Items: []Preset{}}
	for _, name := range config.Presets() {
		preset, err := a.fitPreset(c, name)
		if err != nil {
			return err
		}
		shown, err := showPreset(preset)
		if err != nil {
			return err
		}
		list.Items = append(list.Items, shown)
	}
	return reply(c, http.StatusOK, list)
}

func (a *API) fitPreset(c echo.Context, name config.PresetName) (config.Preset, error) {
	return config.FitPreset(c.Request().Context(), a.configuration(c), name)
}

func showPreset(p config.Preset) (Preset, error) {
	items, err := diffItems(p.Recorded)
	shown := Preset{Name: string(p.Name), Description: p.Description, Items: items, LeftOut: []string{}}
	for _, warning := range p.Warnings {
		shown.LeftOut = append(shown.LeftOut, warning.Message)
	}
	return shown, err
}

// getPreset godoc
//
//	@Summary	Show what a preset would change
//	@ID			getPreset
//	@Tags		Changes
//	@Param		name	path		string	true	"Name of the preset"
//	@Success	200		{object}	Preset
//	@Failure	404		{object}	Problem
//	@Router		/presets/{name} [get]
//	@x-draft	true
//	@x-shape		"read"
//	@x-role		"viewer"
func (a *API) getPreset(c echo.Context) error {
	preset, err := a.fitPreset(c, config.PresetName(c.Param("name")))
	if err != nil {
		return err
	}
	shown, err := showPreset(preset)
	if err != nil {
		return err
	}
	return replyObject(c, shown)
}

// applyPreset godoc
//
//	@Summary		Apply a preset
//	@Description	One revision like any other: it is in the history and can be rolled back. With dry_run=true all checks are made and nothing is written; with change= it goes into a draft.
//	@ID				applyPreset
//	@Tags			Changes
//	@Param			name	path		string	true	"Name of the preset"
//	@Param			dry_run	query		boolean	false	"Check and show only"
//	@Success		200		{object}	Preset
//	@Failure		412		{object}	Problem
//	@Router			/presets/{name}/apply [post]
//	@x-shape		"change"
//	@x-draft		true
//	@x-role			"admin"
func (a *API) applyPreset(c echo.Context) error {
	dry, err := boolParam(c, "dry_run")
	if err != nil {
		return err
	}
	if dry && draftOf(c) != nil {
		return badQuery("dry_run", "is not for drafts: nothing of a draft takes effect before its commit")
	}
	preset, err := a.fitPreset(c, config.PresetName(c.Param("name")))
	if err != nil {
		return err
	}
	result, err := a.change(c, func(ctx context.Context, act config.Act) (config.Result, error) {
		if act.Comment != "" {
			preset.Change.Comment = act.Comment
		}
		preset.Change.Author, preset.Change.ConfirmWithin = act.Author, act.ConfirmWithin
		if dry {
			return a.dryRun(ctx, preset.Change)
		}
		return a.configuration(c).Commit(ctx, preset.Change)
	})
	if err != nil {
		return err
	}
	shown, err := showPreset(preset)
	if err != nil {
		return err
	}
	return replyWritten(c, http.StatusOK, shown, result.Warnings)
}

// dryRun makes all checks of a change. Its result is that of no revision.
func (a *API) dryRun(ctx context.Context, change config.Change) (config.Result, error) {
	preview, err := a.preview(ctx, change)
	preview.Result.Revision = a.config.Status().Committed
	return preview.Result, err
}
