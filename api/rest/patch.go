package rest

import (
	"encoding/json"

	jsonpatch "github.com/evanphx/json-patch/v5"

	"postern/domain"
)

// mergePatch applies a JSON merge patch (RFC 7396) to a document of the API and
// judges patch and result as strictly as a whole document.
func mergePatch[T any](current T, patch []byte) (T, error) {
	if err := checkPatch[T](patch); err != nil {
		return current, err
	}
	patched, err := jsonpatch.MergePatch(mustJSON(current), patch)
	if err != nil {
		return current, &domain.Error{Kind: domain.Invalid, Detail: "the patch cannot be applied", Err: err}
	}
	return decodeStrict[T](patched)
}

// mustJSON marshals a value of our own types, which cannot fail.
func mustJSON(value any) []byte {
	data, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return data
}
