package scan

import (
	"errors"
	"strings"
	"testing"
)

func TestParseResult(t *testing.T) {
	tests := []struct {
		text string
		want verdict
		err  error // nil with a verdict
	}{
		{`{"process_info":{"progress_percentage":100,"result":"Allowed","blocked_reason":""}}`, verdict{}, nil},
		{`{"process_info":{"progress_percentage":100,"result":"Blocked","blocked_reason":"Infected"}}`, verdict{blocked: true, reason: "Infected"}, nil},
		{`{"process_info":{"progress_percentage":100,"result":"Blocked"}}`, verdict{blocked: true}, nil},
		{`{"process_info":{"progress_percentage":100,"result":"Blocked","blocked_reason":"Not Scanned"}}`, verdict{blocked: true, reason: "Not Scanned", retry: true}, nil},
		{`{"process_info":{"progress_percentage":99,"result":"Allowed"}}`, verdict{}, errRunning},
		{`{"process_info":{"progress_percentage":100,"result":"Processing"}}`, verdict{}, errRunning},
		{`{"process_info":{}}`, verdict{}, errRunning},
		{`{"process_info":null}`, verdict{}, errMalformed},
		{`{"process_info":"Allowed"}`, verdict{}, errMalformed},
		{`[]`, verdict{}, errMalformed},
		{``, verdict{}, errMalformed},
	}
	for _, tt := range tests {
		got, err := parseResult(strings.NewReader(tt.text))
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %+v, %v", tt.text, got, err)
		}
	}
	// Words that nobody knows are no verdict, and are not waited for.
	unknown := `{"process_info":{"progress_percentage":100,"result":"allowed"}}`
	if _, err := parseResult(strings.NewReader(unknown)); err == nil || errors.Is(err, errRunning) {
		t.Errorf("%s: %v", unknown, err)
	}
}

// FuzzParseResult: only the very word "Allowed" at 100 per cent lets a message
// by, and what is shown of the answer fits into a reply.
func FuzzParseResult(f *testing.F) {
	f.Add(`{"process_info":{"progress_percentage":100,"result":"Allowed"}}`)
	f.Add(`{"process_info":{"progress_percentage":100,"result":"Blocked","blocked_reason":"a\r\nb"}}`)
	f.Add(`{"process_info":{"progress_percentage":1e400}}`)
	f.Fuzz(func(t *testing.T, text string) {
		v, err := parseResult(strings.NewReader(text))
		if err == nil && !v.blocked && !strings.Contains(text, "llowed") && !strings.Contains(text, `\u`) {
			t.Errorf("%q is allowed", text)
		}
		if strings.ContainsFunc(v.reason, func(r rune) bool { return r < ' ' || r > '~' }) || len(v.reason) > maxPeerTextOctets {
			t.Errorf("reason %q", v.reason)
		}
	})
}

// FuzzParseSubmission: an id is a plain segment of a path.
func FuzzParseSubmission(f *testing.F) {
	f.Add(`{"data_id":"61dffeaa728844adbf49eb090e4ece0e"}`)
	f.Add(`{"data_id":"../x"}`)
	f.Fuzz(func(t *testing.T, text string) {
		id, err := parseSubmission(strings.NewReader(text))
		if (err == nil) == (id == "") || strings.ContainsAny(id, "./?#% ") {
			t.Errorf("%q, %v", id, err)
		}
	})
}
