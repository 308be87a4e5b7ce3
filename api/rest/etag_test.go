package rest

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseTags(t *testing.T) {
	tests := map[string]struct {
		lines []string
		want  tagList
		bad   bool
	}{
		"absent":       {nil, tagList{}, false},
		"any":          {[]string{" * "}, tagList{any: true}, false},
		"one":          {[]string{`"a"`}, tagList{tags: []entityTag{{opaque: "a"}}}, false},
		"weak":         {[]string{`W/"a"`}, tagList{tags: []entityTag{{weak: true, opaque: "a"}}}, false},
		"list":         {[]string{`"a", W/"b,c" ,"d"`}, tagList{tags: []entityTag{{opaque: "a"}, {weak: true, opaque: "b,c"}, {opaque: "d"}}}, false},
		"lines":        {[]string{`"a"`, `"b"`}, tagList{tags: []entityTag{{opaque: "a"}, {opaque: "b"}}}, false},
		"empty tag":    {[]string{`""`}, tagList{tags: []entityTag{{}}}, false},
		"empty line":   {[]string{""}, tagList{}, true},
		"bare":         {[]string{`a`}, tagList{}, true},
		"open":         {[]string{`"a`}, tagList{}, true},
		"no comma":     {[]string{`"a" "b"`}, tagList{}, true},
		"any and one":  {[]string{`*, "a"`}, tagList{}, true},
		"lower weak":   {[]string{`w/"a"`}, tagList{}, true},
		"space inside": {[]string{`"a b"`}, tagList{}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseTags(http.Header{"If-Match": tt.lines}, "If-Match")
			if (err != nil) != tt.bad {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(tagList{}, entityTag{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestComparisonOfTags(t *testing.T) {
	strong := tagList{tags: []entityTag{{opaque: "a"}}}
	weak := tagList{tags: []entityTag{{weak: true, opaque: "a"}}}
	if !strong.strongMatch("a") || strong.strongMatch("b") || weak.strongMatch("a") {
		t.Error("strong comparison (RFC 9110 §8.8.3.2)")
	}
	if !strong.weakMatch("a") || !weak.weakMatch("a") || weak.weakMatch("b") {
		t.Error("weak comparison (RFC 9110 §8.8.3.2)")
	}
}

func FuzzParseTags(f *testing.F) {
	for _, seed := range []string{"", "*", `"a"`, `W/"a", "b"`, `"a",,`, `"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		list, err := parseTags(http.Header{"If-Match": {line}}, "If-Match")
		if err == nil && !list.present() {
			t.Errorf("%q is neither a fault nor a condition", line)
		}
		if len(list.tags) > maxTags {
			t.Errorf("%d tags", len(list.tags))
		}
	})
}

// What is no configuration has preconditions too.
func TestConditionsOnMessagesAccountsAndTheOneHourList(t *testing.T) {
	f := newFixture(t)
	f.hosts.peers = []NoTLSHost{{Address: netip.MustParseAddr("192.0.2.1"), Since: noon, Reason: "x"}, {Address: netip.MustParseAddr("192.0.2.2"), Since: noon, Reason: "x"}}
	message := "/api/v1/messages/" + f.queue.messages[0].ID.String()
	const list, admin = "/api/v1/no-tls-hosts", "/api/v1/administrators/test-operator"
	const password = `{"password":"correct horse battery staple"}`
	for _, tc := range []struct{ read, method, write, body string }{
		{message, "POST", message + "/hold", ""},
		{message, "DELETE", message, ""},
		{admin, "PUT", admin + "/password", password},
		{"", "DELETE", list + "/192.0.2.1", ""},
		{list, "DELETE", list, ""},
	} {
		stale := f.call(tc.method, tc.write, tc.body, "If-Match", `"stale"`).want(http.StatusPreconditionFailed)
		if tc.read != "" {
			got := f.call("GET", tc.read, "").want(http.StatusOK)
			if got.etag() == "" || got.etag() != stale.etag() {
				t.Errorf("%s has the tag %s, the 412 says %s", tc.read, got.etag(), stale.etag())
			}
			f.call("GET", tc.read, "", "If-None-Match", got.etag()).want(http.StatusNotModified)
		}
		f.call(tc.method, tc.write, tc.body, "If-Match", "bare").want(http.StatusBadRequest)
		f.call(tc.method, tc.write, tc.body, "If-Match", stale.etag()).want(http.StatusNoContent)
	}
	f.call("PUT", "/api/v1/administrators/nobody/password", password, "If-Match", "*").want(http.StatusPreconditionFailed)
	f.call("PUT", "/api/v1/administrators/nobody/password", password).want(http.StatusNotFound)
	f.call("DELETE", list+"/192.0.2.99", "", "If-Match", "*").want(http.StatusNotFound)
	if len(f.queue.did) != 2 {
		t.Errorf("done: %v", f.queue.did)
	}
}
