package rest

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"postern/domain/delivery"
	"postern/domain/job"
	"postern/domain/policy"
)

// Lists that can be turned around, by the field that they are sorted by: page by
// page each way has the same items, and a cursor belongs to its way.
func TestListsAreSortedBothWays(t *testing.T) {
	f := newFixture(t)
	f.raise(policy.SeverityWarning, "a.example", "b.example", "c.example")
	for i := range 3 {
		f.begin("nothing", func(context.Context, *job.Progress) (any, error) { return struct{}{}, nil })
		f.call("POST", "/api/v1/certificates/self-signed", `{"host_name":"mail.example.com"}`).want(http.StatusCreated)
		f.call("PUT", fmt.Sprintf("/api/v1/destination-controls/%d.example", i), `{}`).want(http.StatusCreated)
	}
	for _, n := range []int{8, 7} { // newest first
		f.queue.finished = append(f.queue.finished, delivery.FinishedMessage{Message: newMessage(n), FinishedAt: noon})
	}
	for path, by := range map[string]struct {
		field, name string
		descends    bool // without being asked
	}{
		"/alerts":       {"id", "id", true},
		"/certificates": {"id", "id", false},
		"/deliveries":   {"received_at", "id", true},
		"/jobs":         {"id", "id", true},
		"/revisions":    {"number", "number", true},
		"/sessions":     {"id", "id", true},
	} {
		t.Run(path, func(t *testing.T) {
			list := "/api/v1" + path + "?limit=1"
			up, down := f.walk(list+"&sort="+by.field, by.name), f.walk(list+"&sort=-"+by.field, by.name)
			plain := f.walk(list, by.name)
			if len(up) < 2 || !slices.IsSortedFunc(up, compareKeys) || len(slices.Compact(slices.Clone(up))) != len(up) {
				t.Errorf("ascending: %v", up)
			}
			if by.descends != slices.Equal(plain, down) || by.descends == slices.Equal(plain, up) {
				t.Errorf("without sort: %v", plain)
			}
			slices.Reverse(down)
			if !slices.Equal(up, down) {
				t.Errorf("ascending %v, descending turned around %v", up, down)
			}
			next := decoded[Page[any]](f.call("GET", list+"&sort="+by.field, "").want(http.StatusOK)).NextCursor
			f.call("GET", list+"&sort=-"+by.field+"&cursor="+next, "").want(http.StatusBadRequest)
			f.call("GET", list+"&sort=size", "").want(http.StatusBadRequest)
		})
	}
}

// compareKeys compares numbers and texts, which are of one kind in one list.
func compareKeys(a, b any) int {
	if number, ok := a.(float64); ok {
		return cmp.Compare(number, b.(float64))
	}
	return cmp.Compare(a.(string), b.(string))
}

// walk reads a list to its end and returns the value of a field of each item.
func (f *fixture) walk(list, field string) (values []any) {
	f.t.Helper()
	for cursor, more := "", true; more; more = cursor != "" {
		page := decoded[Page[map[string]any]](f.call("GET", list+"&cursor="+url.QueryEscape(cursor), "").want(http.StatusOK))
		for _, item := range page.Items {
			values = append(values, item[field])
		}
		cursor = page.NextCursor
	}
	return values
}
