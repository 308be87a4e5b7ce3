package mtasts

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func hosting() Hosting {
	return Hosting{Domain: "example.com", Mode: ModeTesting, MX: []MXPattern{"mx.example.com", "*.example.net"}, MaxAgeSeconds: 604800}
}

// TestHostingID is B61: the id changes exactly when the policy does.
func TestHostingID(t *testing.T) {
	first := hosting().ID()
	changes := map[string]func(*Hosting){
		"mode":    func(h *Hosting) { h.Mode = ModeEnforce },
		"hosts":   func(h *Hosting) { h.MX = h.MX[:1] },
		"max_age": func(h *Hosting) { h.MaxAgeSeconds++ },
	}
	seen := map[string]string{first: "nothing"}
	for name, change := range changes {
		h := hosting()
		change(&h)
		if other, taken := seen[h.ID()]; taken {
			t.Errorf("%s changes, and the id is that of %s", name, other)
		}
		seen[h.ID()] = name
	}
	same := hosting()
	same.Domain = "example.org"
	if same.ID() != first {
		t.Error("an equal policy has another id")
	}
	if id, err := ParseRecord([]string{hosting().Record()}); id != first || err != nil {
		t.Errorf("the record %q says %q, %v", hosting().Record(), id, err)
	}
	if p, err := ParsePolicy(hosting().Policy().String()); err != nil || !cmp.Equal(p, hosting().Policy()) {
		t.Errorf("the text says %+v, %v", p, err)
	}
}

// TestHostingValidate has the faults of a policy to publish.
func TestHostingValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Hosting)
		want   string // the pointers
	}{
		{"good", func(*Hosting) {}, ""},
		{"none needs no host", func(h *Hosting) { h.Mode, h.MX = ModeNone, nil }, ""},
		{"no domain", func(h *Hosting) { h.Domain = "" }, "/domain"},
		{"no mode", func(h *Hosting) { h.Mode = "" }, "/mode"},
		{"no host", func(h *Hosting) { h.MX = nil }, "/mx"},
		{"an address", func(h *Hosting) { h.MX = []MXPattern{"192.0.2.1"} }, "/mx/0"},
		{"not canonical", func(h *Hosting) { h.MX = []MXPattern{"MX.example.com"} }, "/mx/0"},
		{"twice", func(h *Hosting) { h.MX = append(h.MX, h.MX[0]) }, "/mx/2"},
		{"too many", func(h *Hosting) { h.MX = append(make([]MXPattern, 0, 101), many(101)...) }, "/mx"},
		{"too short a life", func(h *Hosting) { h.MaxAgeSeconds = 86399 }, "/max_age_seconds"},
		{"too long a life", func(h *Hosting) { h.MaxAgeSeconds = 31557601 }, "/max_age_seconds"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := hosting()
			tt.change(&h)
			var pointers []string
			for _, f := range h.Validate() {
				pointers = append(pointers, f.Pointer)
			}
			if got := strings.Join(pointers, " "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	h := hosting()
	if h.Mode, h.MaxAgeSeconds = ModeEnforce, 86400; len(h.Warnings()) != 1 || len(hosting().Warnings()) != 0 {
		t.Error("a short life in force is not told of")
	}
}

func many(n int) (list []MXPattern) {
	for i := range n {
		list = append(list, MXPattern("mx"+strings.Repeat("x", i%50)+string(rune('a'+i/50))+".example"))
	}
	return list
}

// TestEntry walks through the life of a cached policy.
func TestEntry(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	e := Entry{Domain: "example.com"}
	if e.InForce(at) {
		t.Error("nothing is in force")
	}
	e = e.Failed("1", Problem{Result: ResultFetch, Detail: "404"}, at, at.Add(time.Minute))
	e = e.Failed("1", Problem{Result: ResultFetch, Detail: "404"}, at, at.Add(time.Minute))
	if e.Failures != 2 || e.InForce(at) {
		t.Errorf("after failures: %+v", e)
	}
	e = e.Fetched("2", rfcExample, rfcPolicy, at)
	if e.Failures != 0 || e.Problem != (Problem{}) || !e.InForce(at.Add(rfcPolicy.MaxAge-1)) || e.InForce(at.Add(rfcPolicy.MaxAge)) {
		t.Errorf("after success: %+v", e)
	}
	kept := e.Failed("3", Problem{Result: ResultInvalid}, at, at)
	if !kept.InForce(at) || kept.RecordID != "2" {
		t.Errorf("a failure must not touch what is in force: %+v", kept)
	}
	e.Pinned = &Pin{By: "admin"}
	if !e.InForce(at.Add(2 * rfcPolicy.MaxAge)) {
		t.Error("a pinned policy does not expire")
	}
}

// TestFinding says what a finding means for hosts.
func TestFinding(t *testing.T) {
	listed := Entry{Policy: Policy{Mode: ModeEnforce, MX: []MXPattern{"*.example.com"}}}
	with := func(m Mode) Entry { e := listed; e.Policy.Mode = m; return e }
	tests := []struct {
		name    string
		finding Finding
		want    string // for a host that is listed, and one that is not
	}{
		{"no policy", Finding{Entry: listed}, "none none false false"},
		{"enforce", Finding{Entry: listed, Applies: true}, "enforce unlisted true false"},
		{"testing", Finding{Entry: with(ModeTesting), Applies: true}, "testing testing true false"},
		{"none", Finding{Entry: with(ModeNone), Applies: true}, "none none false false"},
		{"unknown", Finding{Unknown: true}, "unknown unknown false false"},
	}
	for _, tt := range tests {
		f := tt.finding
		got := strings.Join([]string{
			f.State("mx.example.com").String(), f.State("mx.example.net").String(),
			map[bool]string{true: "true", false: "false"}[f.VouchesFor("mx.example.com")],
			map[bool]string{true: "true", false: "false"}[f.VouchesFor("mx.example.net")],
		}, " ")
		if got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}
