package scan

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"postern/domain/delivery"
	"postern/domain/policy"
	"postern/smtp/smtptest"
)

// What a Core says, and what becomes of the message (B34).
func TestVerdicts(t *testing.T) {
	tests := []struct {
		name          string
		options       smtptest.CoreOptions
		want          string // with on_unavailable: defer
		wantDelivered string // with on_unavailable: deliver
	}{
		{"allowed", smtptest.CoreOptions{}, goesOn, goesOn},
		{"slow", smtptest.CoreOptions{Looks: 7}, goesOn, goesOn},
		{
			"blocked",
			smtptest.CoreOptions{Result: "Blocked", BlockedReason: "Infected"},
			"550 5.7.1 content inspection refuses the message: Infected",
			"550 5.7.1 content inspection refuses the message: Infected",
		},
		{
			"blocked, with words that no reply may hold",
			smtptest.CoreOptions{Result: "Blocked", BlockedReason: "a\r\n250 é"},
			"550 5.7.1 content inspection refuses the message: a??250 ?",
			"550 5.7.1 content inspection refuses the message: a??250 ?",
		},
		// The Core did not let it pass, whatever the settings say of Cores that do
		// not answer; but it may pass another time.
		{"blocked, for the scan failed", smtptest.CoreOptions{Result: "Blocked", BlockedReason: "Failed"}, notInspected, notInspected},
		{"failed", smtptest.CoreOptions{Result: "Failed"}, notInspected, goesOn},
		{"key wanted", smtptest.CoreOptions{APIKey: "secret"}, notInspected, goesOn},
		{"busy at first", smtptest.CoreOptions{Busy: 3}, goesOn, goesOn},
		{"busy for long", smtptest.CoreOptions{Busy: 1, RetryAfter: "3600"}, notInspected, goesOn},
		{"error", respond("POST", smtptest.CoreReply{Status: 500, Body: `{"err":"unexpected"}`}), notInspected, goesOn},
		{"no JSON", respond("POST", smtptest.CoreReply{Body: "<html>"}), notInspected, goesOn},
		{"no id", respond("POST", smtptest.CoreReply{Body: `{}`}), notInspected, goesOn},
		{"an id that leads elsewhere", respond("POST", smtptest.CoreReply{Body: `{"data_id":"../admin"}`}), notInspected, goesOn},
		{"redirect", respond("POST", smtptest.CoreReply{Status: 307, Header: http.Header{"Location": {"/elsewhere"}}}), notInspected, goesOn},
		{"result without JSON", respond("GET", smtptest.CoreReply{Body: "}"}), notInspected, goesOn},
		{"result without process_info", respond("GET", smtptest.CoreReply{Body: `{"0123":"Not Found"}`}), notInspected, goesOn},
		{"endless result", respond("GET", smtptest.CoreReply{Body: `{"x":"` + strings.Repeat("x", maxResultOctets) + `"}`}), notInspected, goesOn},
		{"result lost", respond("GET", smtptest.CoreReply{Status: 404}), notInspected, goesOn},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for i, settings := range [][]func(*policy.InspectionSettings){nil, {deliverUnavailable}} {
				r, core := newRig(t), smtptest.NewCore(t, tt.options)
				r.use(policy.CoreProfile{URIs: []string{core.URI()}, Rule: "mail"}, settings...)
				want(t, r.inspect(), []string{tt.want, tt.wantDelivered}[i])
				for _, s := range core.Submissions() {
					if string(s.Content) != message || s.Filename != "0000000000002.eml" || s.Rule != "mail" || s.APIKey != "" {
						t.Errorf("submitted: %+v", s)
					}
				}
				if v := core.Violations(); len(v) > 0 {
					t.Errorf("violations: %v", v)
				}
			}
		})
	}
}

// respond is a Core that answers one method always the same.
func respond(method string, reply smtptest.CoreReply) smtptest.CoreOptions {
	return smtptest.CoreOptions{Respond: func(r *http.Request) (smtptest.CoreReply, bool) {
		return reply, r.Method == method
	}}
}

// A Core that hangs, at whatever point, does not hold the client longer than the
// profile says.
func TestTimeIsBounded(t *testing.T) {
	for name, options := range map[string]smtptest.CoreOptions{
		"hangs at the submission": respond("POST", smtptest.CoreReply{Hang: true}),
		"hangs at the result":     respond("GET", smtptest.CoreReply{Hang: true}),
		"never ends":              {Looks: -1},
		"always busy":             {Busy: 1 << 30},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, core := newRig(t), smtptest.NewCore(t, options)
			r.use(policy.CoreProfile{URIs: []string{core.URI()}, TimeoutSeconds: 1})
			began := time.Now()
			want(t, r.inspect(), notInspected)
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// When the gateway stops, an inspection under way ends, and its message is not
// let by uninspected.
func TestStopEndsInspections(t *testing.T) {
	r := newRig(t)
	asked := make(chan struct{}, 1)
	core := smtptest.NewCore(t, smtptest.CoreOptions{Respond: func(*http.Request) (smtptest.CoreReply, bool) {
		asked <- struct{}{}
		return smtptest.CoreReply{Hang: true}, true
	}})
	r.use(policy.CoreProfile{URIs: []string{core.URI()}}, deliverUnavailable)
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		<-asked
		stop()
	}()
	want(t, r.Inspect(ctx, r.config.Snapshot(), 1, delivery.BytesBody(message)), notInspected)
}

func TestTooBig(t *testing.T) {
	r, core := newRig(t), smtptest.NewCore(t, smtptest.CoreOptions{})
	profile := policy.CoreProfile{URIs: []string{core.URI()}}
	limit := func(s *policy.InspectionSettings) { s.MaxMessageBytes = int64(len(message)) - 1 }
	r.use(profile, limit)
	want(t, r.inspect(), "552 5.3.4 message too big")
	r.use(profile, limit, func(s *policy.InspectionSettings) { s.OnTooBig = policy.TooBigDeliver })
	want(t, r.inspect(), goesOn)
	if n := core.Requests(); n > 0 {
		t.Errorf("the Core was asked %d times", n)
	}
	r.use(profile, limit, func(s *policy.InspectionSettings) { s.MaxMessageBytes++ })
	want(t, r.inspect(), goesOn)
	if n := len(core.Submissions()); n != 1 {
		t.Errorf("%d submissions", n)
	}
}

// Failover: the next server is asked where one fails, and one that failed is
// asked last from then on.
func TestFailover(t *testing.T) {
	r := newRig(t)
	failing := smtptest.NewCore(t, respond("POST", smtptest.CoreReply{Status: 500}))
	good := smtptest.NewCore(t, smtptest.CoreOptions{})
	r.use(policy.CoreProfile{URIs: []string{closedURI(t), failing.URI(), good.URI()}})
	for range 3 {
		want(t, r.inspect(), goesOn)
	}
	if n := failing.Requests(); n != 1 {
		t.Errorf("the server that failed was asked %d times, want once", n)
	}
	if n := len(good.Submissions()); n != 3 {
		t.Errorf("%d submissions", n)
	}
	// Last does not mean never.
	failing.Update(func(o *smtptest.CoreOptions) { o.Respond = nil })
	good.Update(func(o *smtptest.CoreOptions) { o.Respond = respond("POST", smtptest.CoreReply{Status: 500}).Respond })
	want(t, r.inspect(), goesOn)
	if n := len(failing.Submissions()); n != 1 {
		t.Errorf("%d submissions to the server that came back", n)
	}
}

// A server that loses the file, or stops half way, is no reason to wait.
func TestFailoverAfterTheSubmission(t *testing.T) {
	r := newRig(t)
	loses := smtptest.NewCore(t, respond("GET", smtptest.CoreReply{Status: 404}))
	good := smtptest.NewCore(t, smtptest.CoreOptions{})
	r.use(policy.CoreProfile{URIs: []string{loses.URI(), good.URI()}})
	want(t, r.inspect(), goesOn)
	if len(loses.Submissions()) != 1 || len(good.Submissions()) != 1 {
		t.Errorf("%d and %d submissions", len(loses.Submissions()), len(good.Submissions()))
	}
}

func TestRoundRobin(t *testing.T) {
	r := newRig(t)
	first, second := smtptest.NewCore(t, smtptest.CoreOptions{}), smtptest.NewCore(t, smtptest.CoreOptions{})
	r.use(policy.CoreProfile{URIs: []string{first.URI(), second.URI()}, Preference: policy.PreferRoundRobin})
	for range 6 {
		want(t, r.inspect(), goesOn)
	}
	if len(first.Submissions()) != 3 || len(second.Submissions()) != 3 {
		t.Errorf("%d and %d submissions", len(first.Submissions()), len(second.Submissions()))
	}
}

// A missing profile cannot come about by the API; it would not let mail by.
func TestNoProfileNoMail(t *testing.T) {
	r := newRig(t)
	snapshot := *r.config.Snapshot()
	snapshot.Settings.Inspection = policy.InspectionSettings{Enabled: true, Profile: "gone", OnUnavailable: policy.UnavailableDefer}
	want(t, r.Inspect(t.Context(), &snapshot, 1, delivery.BytesBody(message)), notInspected)
}
