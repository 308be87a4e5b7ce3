package rest

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/config"
)

// Configuration is the one way to read and change configuration.
type Configuration interface {
	Commit(ctx context.Context, c config.Change) (config.Result, error)
	Get(ctx context.Context, k config.Kind, key string) (config.Item, config.Value, error)
	List(ctx context.Context, k config.Kind, after string, limit int) ([]config.Item, error)
	Status() config.Status
	WaitApplied(ctx context.Context, revision int64) error
}

// resource is a kind of configuration item as a REST resource: documents of
// type T under a name each. Reading, creating, replacing, patching and deleting
// are the same for every kind; the handlers of a kind only name it.
type resource[T any] struct {
	api  *API
	kind config.Kind
	// param is the path parameter that holds the name; empty for a section of
	// the settings, whose name is fixed.
	param string
	// key makes the item's key of the name in the path, so that EXAMPLE.com and
	// example.com are one item.
	key func(name string) (string, error)
	// read and show translate between the document and the domain's value. A
	// document that does not say its own name gets the key's.
	read func(key string, document T) config.Value
	show func(config.Value) T
	// seal, where a kind has it, takes secrets out of a document that is about to
	// be read, in favour of the references that keep returns; current is the value
	// as it is stored, nil where there is none. Its faults are those of the secrets
	// themselves.
	seal func(document T, current config.Value, keep keeper) (T, domain.Faults, error)
	// claims, where a kind has secrets, are the pointers of those that the document
	// says are stored.
	claims func(document T) []string
}

// fill gives the edit the domain's value of a document. Where the value or what
// was read of it has faults, so that it will not be committed, no secret is
// stored for it.
func (r resource[T]) fill(c echo.Context, edit *config.Edit, document T, current config.Value) error {
	return r.fillBy(r.api.keepSecrets(c.Request().Context()), edit, document, current)
}

// fillBy is fill with another way to keep secrets.
func (r resource[T]) fillBy(keep keeper, edit *config.Edit, document T, current config.Value) error {
	if r.seal == nil {
		edit.Value = r.read(edit.Key, document)
		return nil
	}
	judged, faults, err := r.seal(document, current, pend)
	if err != nil {
		return err
	}
	edit.Faults = append(edit.Faults, faults...)
	edit.Value = r.read(edit.Key, judged)
	if len(edit.Faults)+len(edit.Value.Validate()) > 0 {
		return nil
	}
	sealed, _, err := r.seal(document, current, keep)
	edit.Value = r.read(edit.Key, sealed)
	return err
}

func (r resource[T]) keyOf(c echo.Context) (string, error) {
	name, err := pathParam(c, r.param)
	if err != nil {
		return "", err
	}
	key, err := r.key(name)
	switch {
	case err == nil:
		return key, nil
	case c.Request().Method == http.MethodPut: // It would be made: how must it be written?
		return "", domain.Faults{{Pointer: "/" + r.param, Message: err.Error()}}.Err()
	}
	return "", &domain.Error{Kind: domain.NotFound, Detail: "nothing can have this name: " + err.Error(), Err: err}
}

// list answers with a page of documents in the order of their keys.
func (r resource[T]) list(c echo.Context) error {
	p, err := pageOf(c)
	if err != nil {
		return err
	}
	items, err := r.api.configuration(c).List(c.Request().Context(), r.kind, p.after, p.limit+1)
	if err != nil {
		return err
	}
	key := func(item config.Item) string { return item.Key }
	return writePage(c, p, items, key, func(item config.Item) (T, error) {
		return r.document(item)
	})
}

func (r resource[T]) document(item config.Item) (T, error) {
	value, err := config.Decode(item)
	if err != nil {
		var none T
		return none, err
	}
	return r.show(value), nil
}

// get answers with one document and its entity tag.
func (r resource[T]) get(c echo.Context) error {
	key, err := r.keyOf(c)
	if err != nil {
		return err
	}
	item, value, err := r.api.configuration(c).Get(c.Request().Context(), r.kind, key)
	if err != nil {
		return err
	}
	return replyTagged(c, item.ETag, r.show(value))
}

// put creates or replaces a document.
func (r resource[T]) put(c echo.Context) error {
	key, err := r.keyOf(c)
	if err != nil {
		return err
	}
	document, faults, err := readParts[T](c)
	if err != nil {
		return err
	}
	current, stored, err := r.api.configuration(c).Get(c.Request().Context(), r.kind, key)
	exists := err == nil
	if err != nil && domain.KindOf(err) != domain.NotFound {
		return err
	}
	edit := config.Edit{Kind: r.kind, Key: key, Faults: faults}
	if edit.IfMatch, edit.IfNoneMatch, err = preconditions(c, current.ETag, exists); err != nil {
		return err
	}
	if err := r.fill(c, &edit, document, stored); err != nil {
		return err
	}
	if exists {
		return r.write(c, edit, http.StatusOK)
	}
	return r.write(c, edit, http.StatusCreated)
}

// patch changes a document by a merge patch. A patch without If-Match applies
// to whatever the document is, so it is repeated on a newer one if another
// writer comes between.
func (r resource[T]) patch(c echo.Context) error {
	key, err := r.keyOf(c)
	if err != nil {
		return err
	}
	patch, err := readBody(c, mediaMergePatch)
	if err != nil {
		return err
	}
	for range patchTries {
		err = r.patchOnce(c, key, patch)
		if domain.KindOf(err) != domain.Stale || namesTag(c) {
			return err
		}
	}
	return err
}

const patchTries = 5

// namesTag reports whether the write is about one state of the object only.
func namesTag(c echo.Context) bool {
	match, err := parseTags(c.Request().Header, "If-Match")
	return err == nil && len(match.tags) > 0
}

func (r resource[T]) patchOnce(c echo.Context, key string, patch []byte) error {
	item, value, err := r.api.configuration(c).Get(c.Request().Context(), r.kind, key)
	if err != nil {
		return err
	}
	if _, _, err := preconditions(c, item.ETag, true); err != nil {
		return err
	}
	document, faults, err := mergePatch(r.show(value), patch)
	if err != nil {
		return err
	}
	edit := config.Edit{Kind: r.kind, Key: key, IfMatch: item.ETag, Faults: faults}
	if err := r.fill(c, &edit, document, value); err != nil {
		return err
	}
	return r.write(c, edit, http.StatusOK)
}

// delete removes an item.
func (r resource[T]) delete(c echo.Context) error {
	key, err := r.keyOf(c)
	if err != nil {
		return err
	}
	item, _, err := r.api.configuration(c).Get(c.Request().Context(), r.kind, key)
	if err != nil {
		return err
	}
	edit := config.Edit{Kind: r.kind, Key: key}
	if edit.IfMatch, _, err = preconditions(c, item.ETag, true); err != nil {
		return err
	}
	if _, err := r.api.commit(c, edit); err != nil {
		return r.withCurrentTag(c, key, err)
	}
	return c.NoContent(http.StatusNoContent)
}

// write commits the edit and answers with the document as it is now stored.
func (r resource[T]) write(c echo.Context, edit config.Edit, status int) error {
	result, err := r.api.commit(c, edit)
	if err != nil {
		return r.withCurrentTag(c, edit.Key, err)
	}
	document, err := r.document(result.Items[0])
	if err != nil {
		return err
	}
	setETag(c, result.Items[0].ETag)
	if status == http.StatusCreated {
		c.Response().Header().Set("Location", c.Request().URL.EscapedPath())
	}
	return replyWritten(c, status, document, result.Warnings)
}

// withCurrentTag adds the entity tag of now to a refusal for staleness.
func (r resource[T]) withCurrentTag(c echo.Context, key string, refusal error) error {
	if domain.KindOf(refusal) == domain.Stale {
		if item, _, err := r.api.configuration(c).Get(c.Request().Context(), r.kind, key); err == nil {
			setETag(c, item.ETag)
		}
	}
	return refusal
}
