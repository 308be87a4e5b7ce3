package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"postern/api/rest"
)

// bulkRows is how many rows the test writes; scripts/interop/bulk.sh writes
// 100,000.
const bulkRows = 10_000

// table returns a table of destination controls.
func table(rows int, level string) string {
	var text strings.Builder
	text.WriteString("pattern,tls_level,max_connections,description\r\n")
	for i := range rows {
		fmt.Fprintf(&text, "d%06d.example,%s,5,\"partner %d, from the table\"\r\n", i, level, i)
	}
	return text.String()
}

// bulk writes a table of destination controls.
func (g *gateway) bulk(query, body string) rest.BulkResult {
	g.t.Helper()
	request, err := http.NewRequest(http.MethodPost, "http://"+g.APIAddr()+"/api/v1/destination-controls"+query, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+g.token)
	request.Header.Set("Content-Type", "text/csv")
	client := http.Client{Transport: g.client.Transport, Timeout: time.Minute}
	response, err := client.Do(request)
	if err != nil {
		g.t.Fatal(err)
	}
	defer response.Body.Close()
	all, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		g.t.Fatalf("%d %s, error %v", response.StatusCode, all, err)
	}
	return decode[rest.BulkResult](g.t, apiReply{response.StatusCode, response.Header, all})
}

func TestBulkIsOneRevisionInForce(t *testing.T) {
	g := newGateway(t, t.TempDir())
	before := g.config.Status().Committed
	begun := time.Now()
	made := g.bulk("?wait=30s", table(bulkRows, "required"))
	t.Logf("%d rows committed and in force after %s", bulkRows, time.Since(begun).Round(time.Millisecond))
	if made.Written != bulkRows || made.Revision != before+1 || g.config.Status().Applied != made.Revision {
		t.Errorf("%+v, applied %d", made, g.config.Status().Applied)
	}
	explained := g.must("GET", "/tls/explain?domain=d000007.example", "")
	if !strings.Contains(string(explained.body), `"required"`) {
		t.Errorf("a row is not in force: %s", explained.body)
	}
	replaced := g.bulk("?mode=replace", table(bulkRows/2, "required"))
	if replaced.Written != 0 || replaced.Deleted != bulkRows/2 {
		t.Errorf("half of the table: %+v", replaced)
	}
}
