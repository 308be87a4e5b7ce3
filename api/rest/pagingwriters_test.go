package rest

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// What is there all the time is on exactly one page, whatever others write and
// delete between the pages.
func TestPagesAreStableWhileOthersWrite(t *testing.T) {
	f := newFixture(t)
	const list, kept = basePath + "/destination-controls", 60
	for i := range kept {
		f.call("PUT", fmt.Sprintf("%s/kept%02d.example", list, i), `{}`).want(http.StatusCreated)
	}
	var writers sync.WaitGroup
	for w := range 3 {
		writers.Go(func() {
			for i := range 40 {
				path := fmt.Sprintf("%s/kept%02d-%d.example", list, (i*7)%kept, w) // between those that stay
				f.call("PUT", path, `{}`).want(http.StatusCreated)
				f.call("DELETE", path, "").want(http.StatusNoContent)
			}
		})
	}
	for range 3 {
		seen := map[string]int{}
		for query := "?limit=7"; query != ""; {
			page := decoded[Page[DestinationControl]](f.call("GET", list+query, "").want(http.StatusOK))
			for _, c := range page.Items {
				if name := c.Pattern.String(); strings.HasPrefix(name, "kept") && !strings.Contains(name, "-") {
					seen[name]++
				}
			}
			query = ""
			if page.NextCursor != "" {
				query = "?limit=7&cursor=" + page.NextCursor
			}
		}
		for i := range kept {
			if name := fmt.Sprintf("kept%02d.example", i); seen[name] != 1 {
				t.Errorf("%s was on %d pages", name, seen[name])
			}
		}
	}
	writers.Wait()
}

// computed are replies that are worked out for the question, not objects that are
// kept: they have no entity tag.
var computed = map[string]bool{
	"getChangeDiff": true, "getChangeImpact": true, "getRevisionDiff": true, "getListenerSummary": true,
	"getTLSConnectionsReport": true, "getTLSConnectionsChart": true, "explainTLS": true, "getStatus": true,
	"getVersion": true, "verifyAuditLog": true, "listPresets": true, "listReportOnly": true, "listMessageAttempts": true,
}

func TestEveryObjectHasAnEntityTag(t *testing.T) {
	for path, item := range document(t).Paths.Map() {
		get := item.Get
		if get == nil || computed[get.OperationID] {
			continue
		}
		ok := get.Responses.Value("200")
		if ok == nil || strings.HasPrefix(get.OperationID, "list") && ok.Value.Headers["ETag"] == nil {
			continue // a page, or a download
		}
		if ok.Value.Headers["ETag"] == nil || get.Responses.Value("304") == nil {
			t.Errorf("%s: no ETag, or no 304", path)
		}
	}
}
