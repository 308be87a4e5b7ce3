package config

import (
	"fmt"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"postern/domain/mailaddr"
)

// A table behaves as a map, and every table that was made from it is left as
// it was.
func TestTableIsAMapThatNeverChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type version struct {
			table table[string, int]
			model map[string]int
		}
		versions := []version{{model: map[string]int{}}}
		for range rapid.IntRange(1, 30).Draw(t, "edits") {
			from := versions[rapid.IntRange(0, len(versions)-1).Draw(t, "from")]
			model, edit := maps.Clone(from.model), from.table.edit()
			for range rapid.IntRange(0, 5).Draw(t, "sets") {
				key := fmt.Sprint(rapid.IntRange(0, 20).Draw(t, "key"))
				if rapid.Bool().Draw(t, "delete") {
					delete(model, key)
					edit.Set(key, nil)
					continue
				}
				value := rapid.Int().Draw(t, "value")
				model[key] = value
				edit.Set(key, &value)
			}
			versions = append(versions, version{edit.done(), model})
		}
		for _, v := range versions {
			if diff := cmp.Diff(v.model, maps.Collect(v.table.All())); diff != "" || v.table.Len() != len(v.model) {
				t.Fatalf("length %d, difference:\n%s", v.table.Len(), diff)
			}
		}
	})
}

// One edit shares all but a sliver with its predecessor.
func BenchmarkEditAmong100000(b *testing.B) {
	var domains table[mailaddr.DomainName, int]
	edit := domains.edit()
	for i := range 100_000 {
		edit.Set(mailaddr.DomainName(fmt.Sprintf("d%d.example", i)), &i)
	}
	domains = edit.done()
	for i := 0; b.Loop(); i++ {
		edit := domains.edit()
		edit.Set("d5.example", &i)
		domains = edit.done()
	}
}
