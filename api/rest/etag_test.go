package rest

import (
	"net/http"
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
