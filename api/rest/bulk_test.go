package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const controlsPath = basePath + "/destination-controls"

// bulk writes a table and returns what became of it.
func (f *fixture) bulk(path, mediaType, body string, status int, header ...string) (BulkResult, Problem) {
	f.t.Helper()
	reply := f.call("POST", path, body, append([]string{"Content-Type", mediaType}, header...)...).want(status)
	var result BulkResult
	var problem Problem
	into := any(&result)
	if status >= 300 {
		into = &problem
	}
	if err := json.Unmarshal(reply.body, into); err != nil {
		f.t.Fatal(err)
	}
	return result, problem
}

func TestBulkUpsertAndReplace(t *testing.T) {
	f := newFixture(t)
	got, _ := f.bulk(controlsPath, mediaNDJSON, `{"pattern":"A.example","tls_level":"required"}

{"pattern":".b.example","recipients_per_minutes":{"recipients":10,"minutes":1}}
`, http.StatusOK, "Change-Comment", "many")
	if diff := cmp.Diff(BulkResult{Revision: 2, Lines: 2, Written: 2}, got); diff != "" {
		t.Error(diff)
	}
	got, _ = f.bulk(controlsPath, mediaCSV, "tls_level,pattern,description\r\nrequired,a.example,\r\npreferred,c.example,\"with, comma\"\r\n", http.StatusOK)
	if diff := cmp.Diff(BulkResult{Revision: 3, Lines: 2, Written: 1}, got); diff != "" {
		t.Error(diff)
	}
	got, _ = f.bulk(controlsPath+"?mode=replace", mediaCSV, "pattern,tls_level\nc.example,preferred\n", http.StatusOK)
	if diff := cmp.Diff(BulkResult{Revision: 4, Lines: 1, Written: 1, Deleted: 2}, got); diff != "" {
		t.Error(diff)
	}
	got, _ = f.bulk(controlsPath+"?mode=replace", mediaCSV, "pattern,tls_level\nc.example,preferred\n", http.StatusOK)
	if diff := cmp.Diff(BulkResult{Revision: 4, Lines: 1}, got); diff != "" {
		t.Errorf("the same table once more: %s", diff)
	}
	f.call("GET", controlsPath+"/default", "").want(http.StatusOK)
	f.call("GET", controlsPath+"/a.example", "").want(http.StatusNotFound)
}

func TestBulkTablesGoRound(t *testing.T) {
	for path, line := range map[string]string{
		"/destination-controls":  `{"pattern":"x.example","tls_level":"required_verify","recipients_per_minutes":{"recipients":10,"minutes":1},"bounce_at_once":true,"description":"a \"quoted\",\nlong one"}`,
		"/routes":                `{"pattern":".x.example","next_hops":[{"host":"192.0.2.1","priority":0},{"host":"mx.example","port":2525,"priority":5}]}`,
		"/starttls-exemptions":   `{"pattern":"192.0.2.0/24","reason":"=broken","expires":"2099-01-01T00:00:00Z"}`,
		"/starttls-requirements": `{"pattern":"mx.x.example","reason":"agreed","bounce_at_once":true}`,
	} {
		t.Run(path, func(t *testing.T) {
			f := newFixture(t)
			f.bulk(basePath+path, mediaNDJSON, line, http.StatusOK)
			table := f.call("GET", basePath+path, "", "Accept", mediaCSV).want(http.StatusOK)
			if got := table.header.Get("Content-Type"); got != mediaCSV {
				t.Errorf("media type %q", got)
			}
			before := f.config.Status().Committed
			again, _ := f.bulk(basePath+path+"?mode=replace", mediaCSV, "\xef\xbb\xbf"+string(table.body), http.StatusOK)
			if again.Written+again.Deleted != 0 || again.Revision != before || again.Lines == 0 {
				t.Errorf("what was read as CSV changes something: %+v\n%s", again, table.body)
			}
		})
	}
}

func TestBulkFaultsHaveLines(t *testing.T) {
	f := newFixture(t)
	_, problem := f.bulk(controlsPath, mediaNDJSON, `{"pattern":"a.example","tls_level":"strange"}
{"pattern":"b.example"}
not JSON
{"tls_level":"none","unknown":1}
{"tls_level":"none"}
{"pattern":"B.example"}
{"pattern":"c.example","max_connections":5000}
`, http.StatusUnprocessableEntity)
	var got []string
	for _, e := range problem.Errors {
		got = append(got, fmt.Sprint(e.Line, " ", e.Pointer))
	}
	want := []string{"1 /tls_level", "3 ", "4 /unknown", "5 /pattern", "6 /pattern", "7 /max_connections"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff, problem.Detail)
	}
	_, problem = f.bulk(basePath+"/routes", mediaCSV, "pattern,next_hops\nx.example,\"[{\"\"server_profile\"\":\"\"none\"\"}]\"\ny.example,[\nz.example\n", http.StatusUnprocessableEntity)
	if len(problem.Errors) != 2 || problem.Errors[0].Line != 3 || problem.Errors[0].Pointer != "/next_hops" || problem.Errors[1].Line != 4 {
		t.Errorf("%+v", problem)
	}
	_, problem = f.bulk(basePath+"/routes", mediaCSV, "pattern,next_hops\n\nx.example,\"[{\"\"server_profile\"\":\"\"none\"\"}]\"\n", http.StatusUnprocessableEntity)
	if diff := cmp.Diff([]ProblemFault{{Line: 3, Pointer: "/next_hops/0/server_profile", Message: `there is no server profile "none": make it first`}}, problem.Errors); diff != "" {
		t.Errorf("a fault of the whole: %s", diff)
	}
	many := strings.Repeat(`{"pattern":""}`+"\n", 1500)
	if _, problem = f.bulk(controlsPath, mediaNDJSON, many, http.StatusUnprocessableEntity); len(problem.Errors) != 1000 || !strings.Contains(problem.Detail, "1500 faults in 1500 lines") {
		t.Errorf("%d faults listed: %s", len(problem.Errors), problem.Detail)
	}
	if got := f.config.Status().Committed; got != 1 {
		t.Errorf("refused tables made revision %d", got)
	}
}

func TestBulkRefusals(t *testing.T) {
	f := newFixture(t)
	for name, c := range map[string]struct {
		query, mediaType, body string
		status                 int
		says                   string
	}{
		"media type":      {"", "application/json", `[]`, http.StatusUnsupportedMediaType, "text/csv"},
		"mode":            {"?mode=merge", mediaCSV, "pattern\n", http.StatusBadRequest, "upsert or replace"},
		"unknown column":  {"", mediaCSV, "pattern,level\n", http.StatusUnprocessableEntity, `no column`},
		"column twice":    {"", mediaCSV, "pattern,pattern\n", http.StatusUnprocessableEntity, `twice`},
		"no CSV":          {"", mediaCSV, "pattern\n\"a.example\nb.example\n", http.StatusUnprocessableEntity, "is no CSV"},
		"a line too long": {"", mediaNDJSON, `{"pattern":"` + strings.Repeat("a", maxRowBytes) + `"}`, http.StatusUnprocessableEntity, "longer than"},
		"too large":       {"", mediaNDJSON, strings.Repeat(strings.Repeat(" ", 1023)+"\n", maxBulkBytes>>10+1), http.StatusRequestEntityTooLarge, "67108864"},
	} {
		t.Run(name, func(t *testing.T) {
			reply := f.call("POST", controlsPath+c.query, c.body, "Content-Type", c.mediaType).want(c.status)
			if !strings.Contains(string(reply.body), c.says) {
				t.Errorf("%s does not say %q", reply.body, c.says)
			}
		})
	}
	if got, _ := f.bulk(controlsPath, mediaNDJSON, "", http.StatusOK); got.Written != 0 || got.Revision != 1 {
		t.Errorf("an empty table: %+v", got)
	}
}

func TestBulkAsAJob(t *testing.T) {
	f := newFixture(t)
	var body strings.Builder
	for i := range 2500 {
		fmt.Fprintf(&body, `{"pattern":"d%d.example","tls_level":"required"}`+"\n", i)
	}
	reply := f.call("POST", controlsPath, body.String(), "Content-Type", mediaNDJSON, "Prefer", "wait=5, respond-async").want(http.StatusAccepted)
	done := f.call("GET", reply.header.Get("Location")+"?wait=30s", "").want(http.StatusOK)
	var j Job
	if err := json.Unmarshal(done.body, &j); err != nil {
		t.Fatal(err)
	}
	var result BulkResult
	if err := json.Unmarshal(j.Result, &result); err != nil {
		t.Fatalf("%v: %s", err, done.body)
	}
	if j.Progress != (JobProgress{Done: 2500, Total: 2500, Unit: "lines"}) || result.Written != 2500 || len(j.Steps) != 2 {
		t.Errorf("job %+v, result %+v", j, result)
	}
	refused := f.call("POST", controlsPath, `{"pattern":5}`, "Content-Type", mediaNDJSON, "Prefer", "respond-async").want(http.StatusAccepted)
	failed := f.call("GET", refused.header.Get("Location")+"?wait=30s", "").want(http.StatusOK)
	if !strings.Contains(string(failed.body), `"line":1`) || !strings.Contains(string(failed.body), `"failed"`) {
		t.Errorf("a refused job: %s", failed.body)
	}
}

func TestBulkIntoADraft(t *testing.T) {
	f := newFixture(t)
	var draft Change
	if err := json.Unmarshal(f.call("POST", basePath+"/changes", `{"comment":"later"}`).want(http.StatusCreated).body, &draft); err != nil {
		t.Fatal(err)
	}
	got, _ := f.bulk(controlsPath+"?change="+draft.ID, mediaNDJSON, `{"pattern":"a.example"}`, http.StatusOK)
	if got.Written != 1 || f.config.Status().Committed != 1 {
		t.Errorf("%+v", got)
	}
	f.call("GET", controlsPath+"/a.example", "").want(http.StatusNotFound)
	f.call("GET", controlsPath+"/a.example?change="+draft.ID, "").want(http.StatusOK)
}

func TestBulkWritesAreFew(t *testing.T) {
	f := newFixture(t)
	for range maxBulkWrites {
		f.api.bulkTurns <- struct{}{}
	}
	f.call("POST", controlsPath, "", "Content-Type", mediaNDJSON).want(http.StatusTooManyRequests)
	<-f.api.bulkTurns
	f.call("POST", controlsPath, "", "Content-Type", mediaNDJSON).want(http.StatusOK)
	f.call("POST", controlsPath, "", "Content-Type", mediaNDJSON, "Idempotency-Key", "k").want(http.StatusOK)
}

// drain reads all rows; each has a line behind the one before.
func drain(t *testing.T, next rowReader) {
	last := 0
	for {
		r, err := next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			if len(faultsIn(err)) == 0 {
				t.Fatalf("no fault in %v", err)
			}
			return
		}
		if r.line <= last {
			t.Fatalf("line %d behind line %d", r.line, last)
		}
		last = r.line
		if len(r.faults) == 0 && r.document == nil {
			t.Fatal("a row without document and fault")
		}
		if r.document != nil {
			_, _, _ = decodeParts[DestinationControl](r.document)
		}
	}
}

func FuzzReadCSV(f *testing.F) {
	f.Add([]byte("pattern,max_connections\na.example,5\n\"b\nc\",\n"))
	f.Add([]byte("\xef\xbb\xbfpattern\r\n\r\n\"\"\r\nx"))
	f.Add([]byte("pattern\n\"open"))
	f.Fuzz(func(t *testing.T, body []byte) {
		drain(t, readCSV(bytes.NewReader(body), columnsOf[DestinationControl]()))
	})
}

func FuzzReadNDJSON(f *testing.F) {
	f.Add([]byte("{\"pattern\":\"a\"}\n\n[]\r\n{"))
	f.Fuzz(func(t *testing.T, body []byte) { drain(t, readNDJSON(bytes.NewReader(body))) })
}
