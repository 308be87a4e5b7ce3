package smtptest

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ask sends a request to a Core and returns status and body.
func ask(t *testing.T, request *http.Request) string {
	t.Helper()
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.Status + " " + strings.TrimSpace(string(body))
}

func post(t *testing.T, c *Core, body io.Reader) string {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, c.URI()+"/file", body)
	if err != nil {
		t.Fatal(err)
	}
	return ask(t, request)
}

func look(t *testing.T, c *Core, id string) string {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, c.URI()+"/file/"+id, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ask(t, request)
}

func TestCore(t *testing.T) {
	c := NewCore(t, CoreOptions{Busy: 1, RetryAfter: "2", Looks: 2, Result: "Blocked", BlockedReason: "Infected"})
	const id = "00000000000000000000000000000001"
	got := []string{
		post(t, c, strings.NewReader("content")),
		post(t, c, strings.NewReader("content")),
		post(t, c, io.MultiReader(strings.NewReader("chunked"))), // of unknown length
		post(t, c, nil),
		look(t, c, "unknown"),
		look(t, c, id), look(t, c, id), look(t, c, id),
	}
	want := []string{
		`503 Service Unavailable {"err":"Server is too busy. Try again later."}`,
		`200 OK {"data_id":"` + id + `"}`,
		`411 Length Required {"err":"Content-Length header is missing"}`,
		`422 Unprocessable Entity {"err":"Body input is empty"}`,
		`404 Not Found {"err":"Not found"}`,
		`200 OK {"data_id":"` + id + `","process_info":{"blocked_reason":"","progress_percentage":0,"result":"Processing"}}`,
		`200 OK {"data_id":"` + id + `","process_info":{"blocked_reason":"","progress_percentage":10,"result":"Processing"}}`,
		`200 OK {"data_id":"` + id + `","process_info":{"blocked_reason":"Infected","progress_percentage":100,"result":"Blocked"}}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a body without Content-Length", "an empty body"}, c.Violations()); diff != "" {
		t.Errorf("violations:\n%s", diff)
	}
	if s := c.Submissions(); len(s) != 1 || string(s[0].Content) != "content" || c.Requests() != len(want) {
		t.Errorf("%d requests, submissions %+v", c.Requests(), s)
	}
}

func TestCoreWantsItsKey(t *testing.T) {
	c := NewCore(t, CoreOptions{APIKey: "secret"})
	if got := post(t, c, strings.NewReader("content")); !strings.HasPrefix(got, "403 ") {
		t.Errorf("without the key: %s", got)
	}
}
