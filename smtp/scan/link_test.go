package scan

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"postern/domain/policy"
	"postern/smtp/smtptest"
)

// The certificate of a server must be trusted and be for the host of the URI;
// nothing is said to one that is not (B32).
func TestTrust(t *testing.T) {
	local := []net.IP{net.IPv4(127, 0, 0, 1)}
	other := smtptest.NewCA(t)
	tests := []struct {
		name   string
		issue  func(*smtptest.CA) smtptest.Identity
		reason string // in the log; empty: trusted
	}{
		{"good", func(ca *smtptest.CA) smtptest.Identity { return ca.Issue(t, smtptest.Leaf{IPs: local}) }, ""},
		{"self-signed", func(*smtptest.CA) smtptest.Identity { return smtptest.SelfSigned(t, smtptest.Leaf{IPs: local}) }, "self_signed"},
		{"unknown authority", func(*smtptest.CA) smtptest.Identity { return other.Issue(t, smtptest.Leaf{IPs: local}) }, "untrusted"},
		{"expired", func(ca *smtptest.CA) smtptest.Identity {
			return ca.Issue(t, smtptest.Leaf{IPs: local, Validity: smtptest.Expired})
		}, "expired"},
		{"another name", func(ca *smtptest.CA) smtptest.Identity { return ca.IssueFor(t, "core.example") }, "name_mismatch"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.secrets["1"] = "the-key"
			core := smtptest.NewCore(t, smtptest.CoreOptions{Certificate: tt.issue(r.ca).TLS, APIKey: "the-key"})
			profile := policy.CoreProfile{URIs: []string{core.URI()}, APIKeyID: "1"}
			r.use(profile)
			if tt.reason == "" {
				want(t, r.inspect(), goesOn)
				if s := core.Submissions(); len(s) != 1 || s[0].TLS == nil || len(s[0].TLS.PeerCertificates) > 0 {
					t.Errorf("submitted: %+v", s)
				}
			} else {
				want(t, r.inspect(), notInspected)
				if !strings.Contains(r.log.String(), tt.reason) || core.Requests() > 0 {
					t.Errorf("%d requests, log %s", core.Requests(), r.log)
				}
			}
			// verify: false is an explicit exception, and so is the key.
			profile.Verify, profile.AllowUnverified = new(bool), true
			r.use(profile)
			want(t, r.inspect(), goesOn)
			if strings.Contains(r.log.String(), "the-key") {
				t.Errorf("the key is in the log: %s", r.log)
			}
		})
	}
}

func TestClientCertificate(t *testing.T) {
	r := newRig(t)
	core := smtptest.NewCore(t, secure(r.ca, t))
	r.use(policy.CoreProfile{URIs: []string{core.URI()}, ClientCertificate: true})
	want(t, r.inspect(), goesOn)
	if shown := core.Submissions()[0].TLS.PeerCertificates; len(shown) != 1 || shown[0].DNSNames[0] != "mail.example.com" {
		t.Errorf("%d certificates shown", len(shown))
	}
}

// Even a profile that slipped through validation gives no key away.
func TestKeyStaysHomeWithoutVerifiedTLS(t *testing.T) {
	r := newRig(t)
	core := smtptest.NewCore(t, smtptest.CoreOptions{})
	profile := policy.CoreProfile{Name: "core", URIs: []string{core.URI()}, APIKeyID: "1"}
	if len(policy.ServerProfile(profile).Validate()) == 0 {
		t.Error("the profile is valid")
	}
	if _, err := r.round(t.Context(), profile, "the-key", harmless()); err != nil {
		t.Fatal(err)
	}
	if got := core.Submissions()[0].APIKey; got != "" {
		t.Errorf("the key went out in clear: %q", got)
	}
}

// A key that cannot be opened is no reason to go without it.
func TestKeyThatIsGone(t *testing.T) {
	r := newRig(t)
	core := smtptest.NewCore(t, secure(r.ca, t))
	r.use(policy.CoreProfile{URIs: []string{core.URI()}, APIKeyID: "gone"})
	want(t, r.inspect(), notInspected)
	if n := core.Requests(); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// A server that repeats the key does not get it into a reply, a test or the log.
func TestKeyIsNotRepeated(t *testing.T) {
	const key = "the-key"
	for name, answer := range map[string]func(*http.Request) (smtptest.CoreReply, bool){
		"refusal": func(r *http.Request) (smtptest.CoreReply, bool) {
			return smtptest.CoreReply{Status: http.StatusForbidden, Body: `{"err":"Invalid API key ` + r.Header.Get("apikey") + `"}`}, true
		},
		"reason": func(r *http.Request) (smtptest.CoreReply, bool) {
			body := `{"process_info":{"progress_percentage":100,"result":"Blocked","blocked_reason":"for ` + r.Header.Get("apikey") + `"}}`
			return smtptest.CoreReply{Body: body}, r.Method == http.MethodGet
		},
		"result": func(r *http.Request) (smtptest.CoreReply, bool) {
			body := `{"process_info":{"progress_percentage":100,"result":"` + r.Header.Get("apikey") + `"}}`
			return smtptest.CoreReply{Body: body}, r.Method == http.MethodGet
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.secrets["1"] = key
			options := secure(r.ca, t)
			var heard atomic.Bool
			options.Respond = func(q *http.Request) (smtptest.CoreReply, bool) {
				heard.Store(heard.Load() || q.Header.Get("apikey") == key)
				return answer(q)
			}
			profile := policy.CoreProfile{URIs: []string{smtptest.NewCore(t, options).URI()}, APIKeyID: "1"}
			r.use(profile)
			refusal := r.inspect()
			if refusal == nil || strings.Contains(refusal.String(), key) || strings.Contains(r.log.String(), key) {
				t.Errorf("reply %v, log %s", refusal, r.log)
			}
			tested, err := r.Test(t.Context(), profile)
			if err != nil || tested.Passed() || strings.Contains(fmt.Sprint(tested), key) {
				t.Errorf("test %v %v", tested, err)
			}
			if !heard.Load() {
				t.Error("the key was not sent")
			}
		})
	}
}
