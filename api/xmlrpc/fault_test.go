package xmlrpc

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"postern/domain"
)

func TestFaultOf(t *testing.T) {
	cause := errors.New("database password s3cret refused")
	faults := domain.Faults{{Pointer: "/a", Message: "is wrong"}, {Pointer: "/b", Message: "is missing"}}
	tests := map[string]struct {
		err  error
		code int
		text string
	}{
		"invalid":             {domain.E(domain.Invalid, "no"), 422, "no"},
		"not found":           {domain.E(domain.NotFound, "no"), 404, "no"},
		"conflict":            {domain.E(domain.Conflict, "no"), 409, "no"},
		"stale":               {domain.E(domain.Stale, "no"), 412, "no"},
		"unauthenticated":     {domain.E(domain.Unauthenticated, "no"), 401, "no"},
		"forbidden":           {domain.E(domain.Forbidden, "no"), 403, "no"},
		"exhausted":           {domain.E(domain.Exhausted, "no"), 429, "no"},
		"unavailable":         {domain.E(domain.Unavailable, "no"), 503, "no"},
		"internal":            {domain.E(domain.Internal, "table accounts"), codeInternal, internalText},
		"unknown kind":        {domain.E(domain.Kind(200), "no"), codeInternal, internalText},
		"unclassified":        {cause, codeInternal, internalText},
		"no detail":           {&domain.Error{Kind: domain.NotFound}, 404, "not found"},
		"with a cause":        {&domain.Error{Kind: domain.Unavailable, Detail: "try later", Err: cause}, 503, "try later"},
		"with a field":        {&domain.Error{Kind: domain.Invalid, Field: "/x", Detail: "is wrong"}, 422, "/x: is wrong"},
		"wrapped":             {domain.Wrap(domain.E(domain.NotFound, "no"), "look up secret %d", 1), 404, "no"},
		"all faults":          {faults.Err(), 422, "/a: is wrong; /b: is missing"},
		"faults and a detail": {&domain.Error{Kind: domain.Invalid, Detail: "refused", Faults: faults}, 422, "refused: /a: is wrong; /b: is missing"},
		"deadline":            {fmt.Errorf("read: %w", context.DeadlineExceeded), 503, "the call took too long and was given up"},
		"of the protocol":     {fmt.Errorf("read: %w", notConforming("no")), codeNotConforming, "no"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := faultOf(tt.err)
			if f.code != tt.code || f.text != tt.text {
				t.Errorf("got %d %q, want %d %q", f.code, f.text, tt.code, tt.text)
			}
		})
	}
}
