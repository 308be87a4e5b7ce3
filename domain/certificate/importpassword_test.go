package certificate

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/domain"
)

// A password is hashed many times: its length is bounded, whatever else is wrong.
func TestImportBoundsThePassword(t *testing.T) {
	_, err := ImportRequest{Password: strings.Repeat("a", maxPasswordOctets+1)}.read(time.Now())
	refusal, ok := errors.AsType[*domain.Error](err)
	if !ok || !slices.ContainsFunc(refusal.Faults, func(f domain.Fault) bool { return f.Pointer == "/password" }) {
		t.Errorf("%v", err)
	}
}
