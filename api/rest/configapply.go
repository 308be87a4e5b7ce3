package rest

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/config"
)

// ConfigurationDiff is what a document changes, value by value.
type ConfigurationDiff struct {
	// Revision that the change made; the newest one where nothing changed, of a dry run, and of a draft.
	Revision int64 `json:"revision" validate:"required"`
	// DryRun is whether nothing was changed.
	DryRun bool `json:"dry_run"`
	// Items are the items that change.
	Items []ItemDiff `json:"items" validate:"required"`
	// Warnings are what an administrator should look at, although it is allowed.
	Warnings []ProblemFault `json:"warnings,omitempty"`
}

// Text is the difference as a text to read.
func (d ConfigurationDiff) Text() string {
	text := diffText(d.Items, nil)
	for _, w := range d.Warnings {
		text += "! " + strings.TrimPrefix(w.Pointer+": ", ": ") + w.Message + "\n"
	}
	return text
}

const applyOperation = "applyConfiguration"

// maxConfigurationBytes bounds the whole document; larger tables are written in
// bulk.
const maxConfigurationBytes = 16 << 20

// What brings files along is read beyond what a certificate may have, so that the
// reply names the part that is too large.
const maxCertificateBytes = 16 << 20

var certificateFileOperations = []string{"importCertificate", "importPKCS12", "putSignedCertificate"}

// bodyLimit is how many octets the body of a request may have.
func bodyLimit(c echo.Context) int64 {
	id, _ := c.Get(operationKey).(string)
	switch {
	case id == applyOperation:
		return maxConfigurationBytes
	case slices.Contains(bulkOperations, id):
		return maxBulkBytes
	case slices.Contains(certificateFileOperations, id):
		return maxCertificateBytes
	}
	return maxBodyBytes
}

func (a *API) configDocumentOperations() []operation {
	const path = "/config"
	return []operation{
		{http.MethodGet, path, "getConfiguration", account.RoleViewer, nil, a.getConfiguration},
		{http.MethodPut, path, applyOperation, account.RoleAdmin, []string{"wait", "dry_run", "prune"}, a.applyConfiguration},
	}
}

// getConfiguration godoc
//
//	@Summary		Show the whole configuration as one document
//	@Description	Fit to be kept in a repository: the order is fixed, and secrets are not in it, only that they are stored. Certificates are no configuration; listeners refer to theirs by id.
//	@ID				getConfiguration
//	@Tags			Changes
//	@Success		200	{object}	ConfigurationDocument
//	@Router			/config [get]
//	@x-shape		"tagged"
//	@x-role			"viewer"
func (a *API) getConfiguration(c echo.Context) error {
	document, tag, err := a.exportConfiguration(c.Request().Context(), a.configuration(c))
	if err != nil {
		return err
	}
	return replyTagged(c, tag, document)
}

// applyConfiguration godoc
//
//	@Summary		Make the configuration as a document has it
//	@Description	In one commit; what is so already is left alone, so that applying twice makes one revision. Parts that the document does not have stay as they are. Items that a part does not name stay too, unless prune=true: host access tables go with their listeners, and the destination control default always stays. password_set, api_key_set and secret_set keep the secret that is stored. The entity tag is that of the whole configuration. The answer is the difference, as Accept: text/plain a text to read. The body may have 16 MiB.
//	@ID				applyConfiguration
//	@Tags			Changes
//	@Param			dry_run	query		bool					false	"Only say what would change"
//	@Param			prune	query		bool					false	"Delete items that a part of the document does not name"
//	@Param			body	body		ConfigurationDocument	true	"The configuration, or parts of it"
//	@Success		200		{object}	ConfigurationDiff
//	@Router			/config [put]
//	@x-shape		"replace"
//	@x-also			["text/plain"]
//	@x-role			"admin"
func (a *API) applyConfiguration(c echo.Context) error {
	dryRun, err := boolParam(c, "dry_run")
	if err != nil {
		return err
	}
	if dryRun && draftOf(c) != nil {
		return badQuery("dry_run", "is not for drafts: write into the draft and look at its diff")
	}
	prune, err := boolParam(c, "prune")
	if err != nil {
		return err
	}
	document, faults, err := readParts[ConfigurationDocument](c)
	if err != nil {
		return err
	}
	p := configPlan{document: &document, prune: prune, faults: faults, from: a.configuration(c)}
	if dryRun {
		return a.previewConfiguration(c, p)
	}
	return a.commitConfiguration(c, p)
}

// checkWhole holds the preconditions of a request against the whole configuration,
// and announces its tag.
func (a *API) checkWhole(c echo.Context) error {
	tag, err := a.configurationTag(c.Request().Context(), a.configuration(c))
	if err != nil {
		return err
	}
	_, _, err = preconditions(c, tag, true)
	return err
}

// previewConfiguration answers with what the document would change.
func (a *API) previewConfiguration(c echo.Context, p configPlan) error {
	ctx := c.Request().Context()
	if err := a.checkWhole(c); err != nil {
		return err
	}
	p.keep = a.compareSecrets(ctx)
	if err := a.planConfiguration(ctx, &p); err != nil {
		return err
	}
	preview, err := a.preview(ctx, config.Change{Edits: p.edits})
	if err := withFaults(p.faults, err); err != nil {
		return err
	}
	a.announceRevisions(c, a.config.Status().Committed)
	return a.replyApplied(c, ConfigurationDiff{Revision: a.config.Status().Committed, DryRun: true}, preview.Edits, preview.Result.Warnings)
}

// withFaults adds the faults of a change to those that were found before.
func withFaults(found domain.Faults, err error) error {
	if len(found) == 0 {
		return err
	}
	if refusal, ok := errors.AsType[*domain.Error](err); ok && refusal.Kind == domain.Invalid {
		found = append(found, refusal.Faults...)
	}
	return found.Err()
}

// commitConfiguration makes the configuration as the document has it. Where
// another writer comes between, the document is compared once more.
func (a *API) commitConfiguration(c echo.Context, p configPlan) error {
	var recorded []config.RecordedEdit
	result, err := a.change(c, func(ctx context.Context, act config.Act) (result config.Result, err error) {
		p.keep = a.keepSecrets(ctx)
		for range patchTries {
			result, recorded, err = a.commitPlan(c, p, act)
			if domain.KindOf(err) != domain.Stale || namesTag(c) {
				break
			}
		}
		return result, err
	})
	if err != nil {
		return err
	}
	return a.replyApplied(c, ConfigurationDiff{Revision: result.Revision}, recorded, result.Warnings)
}

// commitPlan makes and commits a plan for the configuration of now.
func (a *API) commitPlan(c echo.Context, p configPlan, act config.Act) (config.Result, []config.RecordedEdit, error) {
	ctx, base := c.Request().Context(), a.config.Status().Committed
	if err := a.checkWhole(c); err != nil {
		return config.Result{}, nil, err
	}
	if err := a.planConfiguration(ctx, &p); err != nil {
		return config.Result{}, nil, err
	}
	if len(p.faults) > 0 {
		_, err := a.preview(ctx, config.Change{Edits: p.edits})
		return config.Result{}, nil, withFaults(p.faults, err)
	}
	result, err := p.commit(ctx, a.configuration(c), base, act)
	if err != nil || result.Revision == base {
		return result, p.recorded, err
	}
	made, err := a.revisions.Revision(ctx, result.Revision) // with what the change entailed
	return result, made.Edits, err
}

func (p *configPlan) commit(ctx context.Context, to Configuration, base int64, act config.Act) (config.Result, error) {
	if len(p.edits) == 0 {
		return config.Result{Revision: base}, nil
	}
	return to.Commit(ctx, config.Change{
		Author: act.Author, Comment: act.Comment, ConfirmWithin: act.ConfirmWithin, Edits: p.edits, Base: base,
	})
}

// replyApplied answers with the difference, as JSON or as a text to read, and
// with the tag of the whole as it is now.
func (a *API) replyApplied(c echo.Context, diff ConfigurationDiff, edits []config.RecordedEdit, warnings domain.Faults) (err error) {
	tag, err := a.configurationTag(c.Request().Context(), a.configuration(c))
	if err != nil {
		return err
	}
	setETag(c, tag)
	diff.Warnings = problemFaults(warnings)
	if diff.Items, err = diffItems(edits); err != nil {
		return err
	}
	mediaType, err := negotiate(c.Request(), mediaJSON, mediaText)
	if err != nil {
		return err
	}
	if mediaType == mediaJSON {
		return reply(c, http.StatusOK, diff)
	}
	return replyRaw(c, http.StatusOK, mediaText+"; charset=utf-8", []byte(diff.Text()))
}
