package rest

import (
	"cmp"
	"encoding/json"
	"errors"

	jsonpatch "github.com/evanphx/json-patch/v5"

	"postern/domain"
)

// mergePatch applies a JSON merge patch (RFC 7396) to a document of the API and
// judges patch and result as strictly as a whole document. Faults of type are
// returned beside the value, as decodeParts does.
func mergePatch[T any](current T, patch []byte) (T, domain.Faults, error) {
	refusal := checkPatch[T](patch)
	if _, malformed := errors.AsType[*malformedError](refusal); malformed {
		return current, nil, refusal
	}
	patched, err := jsonpatch.MergePatch(mustJSON(current), patch)
	if err != nil {
		return current, nil, cmp.Or(refusal, error(&domain.Error{Kind: domain.Invalid, Detail: "the patch cannot be applied", Err: err}))
	}
	value, faults, err := decodeParts[T](patched)
	if err == nil && len(faults) == 0 {
		err = refusal
	}
	return value, faults, err
}

// mustJSON marshals a value of our own types, which cannot fail.
func mustJSON(value any) []byte {
	data, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return data
}
