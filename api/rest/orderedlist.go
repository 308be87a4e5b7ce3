package rest

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/config"
)

// orderedList is a kind of configuration item that holds members in an order
// that matters. To callers each member is a resource of its own, under its name;
// to the configuration it is a part of the item.
type orderedList[M any] struct {
	api  *API
	kind config.Kind
	// key is the key of the item that a request is about.
	key func(echo.Context) (string, error)
	// param is the path parameter that holds the name of the member, noun what
	// people call one.
	param, noun string
	// pointer leads to the list within the document of the item.
	pointer string
	nameOf  func(*M) *string
	// place is where a new member goes in a list of the length.
	place func(length int) int
	// open and close translate between the item and its members.
	open  func(config.Value) []M
	close func(key string, members []M) config.Value
}

// get answers with one member and its entity tag.
func (l orderedList[M]) get(c echo.Context) error {
	e, err := l.edit(c)
	if err != nil {
		return err
	}
	if !e.found {
		return e.notFound()
	}
	return replyTagged(c, e.etag(), e.member())
}

// put creates or replaces a member. One that does not say its name gets that of
// the path.
func (l orderedList[M]) put(c echo.Context) error {
	member, faults, err := readParts[M](c)
	if err != nil {
		return err
	}
	return l.change(c, func(e *memberEdit[M]) error {
		if name := l.nameOf(&member); *name == "" {
			*name = e.name
		}
		return e.put(member, faults)
	})
}

// patch changes a member by a merge patch.
func (l orderedList[M]) patch(c echo.Context) error {
	patch, err := readBody(c, mediaMergePatch)
	if err != nil {
		return err
	}
	return l.change(c, func(e *memberEdit[M]) error {
		if !e.found {
			return e.notFound()
		}
		patched, faults, err := mergePatch(e.member(), patch)
		if err != nil {
			return err
		}
		return e.put(patched, faults)
	})
}

// delete takes a member off the list.
func (l orderedList[M]) delete(c echo.Context) error {
	return l.change(c, func(e *memberEdit[M]) error {
		if !e.found {
			return e.notFound()
		}
		e.members = slices.Delete(slices.Clone(e.members), e.at, e.at+1)
		e.deleted = true
		return nil
	})
}

// change reads the item, lets alter change one member, and commits. The caller's
// preconditions are about the member; that of the commit is about the item, so
// another writer in between makes it start again.
func (l orderedList[M]) change(c echo.Context, alter func(*memberEdit[M]) error) (err error) {
	for range patchTries {
		err = l.changeOnce(c, alter)
		if !errors.Is(err, errListMoved) {
			return err
		}
	}
	return domain.E(domain.Unavailable, "other changes to the list keep coming between")
}

// errListMoved says that the list, not the member, changed meanwhile.
var errListMoved = errors.New("the list was changed meanwhile")

func (l orderedList[M]) changeOnce(c echo.Context, alter func(*memberEdit[M]) error) error {
	e, err := l.edit(c)
	if err != nil {
		return err
	}
	if _, _, err := preconditions(c, e.etag(), e.found); err != nil {
		return err
	}
	if err := alter(e); err != nil {
		return err
	}
	result, err := l.api.commit(c, config.Edit{
		Kind: l.kind, Key: e.key, Value: l.close(e.key, e.members), IfMatch: e.itemTag, Faults: e.faults,
	})
	if domain.KindOf(err) == domain.Stale {
		return errListMoved
	}
	if err != nil {
		return e.relativeFaults(err)
	}
	return e.reply(c, result)
}

// memberEdit is one member of a list under work.
type memberEdit[M any] struct {
	list         orderedList[M]
	key, itemTag string // of the item
	members      []M
	name         string
	at           int // place of the member; where it is missing, its place to be
	found        bool
	deleted      bool
	faults       domain.Faults // of type, relative to the item
}

func (l orderedList[M]) edit(c echo.Context) (*memberEdit[M], error) {
	key, err := l.key(c)
	if err != nil {
		return nil, err
	}
	name, err := pathParam(c, l.param)
	if err != nil {
		return nil, err
	}
	item, value, err := l.api.configuration(c).Get(c.Request().Context(), l.kind, key)
	if err != nil {
		return nil, err
	}
	e := &memberEdit[M]{list: l, key: key, itemTag: item.ETag, members: l.open(value), name: name}
	e.at = slices.IndexFunc(e.members, func(m M) bool { return *l.nameOf(&m) == name })
	e.found = e.at >= 0
	if !e.found {
		e.at = l.place(len(e.members))
	}
	return e, nil
}

func (e *memberEdit[M]) notFound() error {
	return domain.E(domain.NotFound, "there is no %s %q", e.list.noun, shorten(e.name, 100))
}

func (e *memberEdit[M]) member() M { return e.members[e.at] }

// etag is the entity tag of the member by itself; empty where it is missing.
func (e *memberEdit[M]) etag() string {
	if !e.found {
		return ""
	}
	return config.ETagOf(mustJSON(e.member()))
}

func (e *memberEdit[M]) put(member M, faults domain.Faults) error {
	e.faults = nil
	e.faults.Merge(e.prefix(), faults)
	if *e.list.nameOf(&member) != e.name {
		return domain.Faults{{Pointer: "/name", Message: "is not the name in the path"}}.Err()
	}
	members := slices.Clone(e.members)
	if !e.found {
		members = slices.Insert(members, e.at, member)
	}
	members[e.at] = member
	e.members = members
	return nil
}

// prefix leads to the member within the document of the item.
func (e *memberEdit[M]) prefix() string { return e.list.pointer + "/" + strconv.Itoa(e.at) }

func (e *memberEdit[M]) reply(c echo.Context, result config.Result) error {
	if e.deleted {
		return c.NoContent(http.StatusNoContent)
	}
	status := http.StatusOK
	if !e.found {
		status = http.StatusCreated
		c.Response().Header().Set("Location", c.Request().URL.EscapedPath())
	}
	setETag(c, config.ETagOf(mustJSON(e.member())))
	return replyWritten(c, status, e.member(), e.relative(result.Warnings))
}

// relativeFaults makes the pointers of an error, which are of the item, those of
// the member that the caller sent.
func (e *memberEdit[M]) relativeFaults(err error) error {
	known, ok := errors.AsType[*domain.Error](err)
	if !ok || len(known.Faults) == 0 {
		return err
	}
	relative := *known
	relative.Faults = e.relative(known.Faults)
	return &relative
}

// relative makes pointers below the member relative to it. What is about another
// part of the list, perhaps because of this member, says where in words.
func (e *memberEdit[M]) relative(faults domain.Faults) (relative domain.Faults) {
	prefix := e.prefix()
	for _, fault := range faults {
		rest, within := strings.CutPrefix(fault.Pointer, prefix)
		if !within || (rest != "" && rest[0] != '/') {
			relative.Add("", "%s", fault)
			continue
		}
		relative.Add(rest, "%s", fault.Message)
	}
	return relative
}
