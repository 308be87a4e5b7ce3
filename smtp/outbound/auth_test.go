package outbound

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"

	"postern/domain/policy"
	"postern/smtp/smtptest"
)

func withCredentials(p *policy.ServerProfile) { p.Username, p.PasswordID = "postern", "pw" }

// TestAuth is B32: every mechanism, where credentials are withheld, and what
// follows a refusal. None of it leaves a trace of the password.
func TestAuth(t *testing.T) {
	required := policy.TransportSTARTTLSRequired
	untrusted := func(r *rig) tls.Certificate {
		return smtptest.SelfSigned(r.t, smtptest.Leaf{Names: []string{"relay.example"}}).TLS
	}
	allowed := func(p *policy.ServerProfile) { unverifying(p); p.AllowUnverified = true }
	tests := []struct {
		name      string
		profile   policy.ServerProfile
		auth      smtptest.Auth
		cert      func(*rig) tls.Certificate
		starttls  smtptest.StartTLS
		mechanism string // that was used
		want      string
	}{
		{"PLAIN", smarthost(required, withCredentials), smtptest.Auth{Mechanisms: "CRAM-MD5 LOGIN PLAIN"}, nil, 0, "PLAIN", delivered},
		{"LOGIN", smarthost(required, withCredentials), smtptest.Auth{Mechanisms: "LOGIN"}, nil, 0, "LOGIN", delivered},
		{"CRAM-MD5", smarthost(required, withCredentials), smtptest.Auth{Mechanisms: "CRAM-MD5"}, nil, 0, "CRAM-MD5", delivered},
		{"implicit TLS", smarthost("", withCredentials, implicit), smtptest.Auth{Mechanisms: "PLAIN"}, nil, 0, "PLAIN", delivered},
		{"optional and encrypted", smarthost(policy.TransportSTARTTLSOptional, withCredentials), smtptest.Auth{Mechanisms: "PLAIN"}, nil, 0, "PLAIN", delivered},
		{"optional and clear", smarthost(policy.TransportSTARTTLSOptional, withCredentials), smtptest.Auth{Mechanisms: "PLAIN"}, nil, smtptest.StartTLSHidden, "", "deferred auth 451 4.7.11"},
		{"optional and untrusted", smarthost(policy.TransportSTARTTLSOptional, withCredentials), smtptest.Auth{Mechanisms: "PLAIN"}, untrusted, 0, "", "deferred auth 451 4.7.11"},
		{"required and untrusted", smarthost(required, withCredentials), smtptest.Auth{Mechanisms: "PLAIN"}, untrusted, 0, "", "deferred verify 450 4.7.5"},
		{"unverified but trusted", smarthost(required, withCredentials, unverifying), smtptest.Auth{Mechanisms: "PLAIN"}, nil, 0, "PLAIN", delivered},
		{"unverified", smarthost(required, withCredentials, unverifying), smtptest.Auth{Mechanisms: "PLAIN"}, untrusted, 0, "", "deferred auth 451 4.7.11"},
		{"unverified and allowed", smarthost(required, withCredentials, allowed), smtptest.Auth{Mechanisms: "PLAIN CRAM-MD5"}, untrusted, 0, "CRAM-MD5", delivered},
		{"no mechanism", smarthost(required, withCredentials), smtptest.Auth{Mechanisms: "XOAUTH2"}, nil, 0, "", "deferred auth 451 4.7.11"},
		{"not offered", smarthost(required, withCredentials), smtptest.Auth{}, nil, 0, "", "deferred auth 451 4.7.11"},
		{"wrong password", smarthost(required, withCredentials), smtptest.Auth{Mechanisms: "PLAIN", Password: "another"}, nil, 0, "PLAIN", "deferred auth 451 4.7.8"},
		{"temporary", smarthost(required, withCredentials), smtptest.Auth{Mechanisms: "PLAIN", Reply: "454 4.7.0 later"}, nil, 0, "PLAIN", "deferred auth 451 4.7.8"},
		{"a peer that repeats them", smarthost(required, withCredentials), smtptest.Auth{Mechanisms: "PLAIN", Reply: "535 5.7.8 got %s"}, nil, 0, "PLAIN", "deferred auth 451 4.7.8"},
		{"nonsense for a challenge", smarthost(required, withCredentials), smtptest.Auth{Mechanisms: "PLAIN", Reply: "334 ***\r\n535 5.7.8 no"}, nil, 0, "PLAIN", "deferred auth 451 4.7.8"},
		{"closing", smarthost(required, withCredentials), smtptest.Auth{Mechanisms: "PLAIN", Reply: "421 4.3.2 closing"}, nil, 0, "PLAIN", "deferred auth 421 4.3.2"},
		{"no secret", smarthost(required, func(p *policy.ServerProfile) { p.Username, p.PasswordID = "postern", "lost" }), smtptest.Auth{Mechanisms: "PLAIN"}, nil, 0, "", "deferred auth 451 4.7.11"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tt.profile, routeToProfile(t, "smarthost"))
			options := smtptest.MXOptions{Auth: tt.auth, StartTLS: tt.starttls, ImplicitTLS: strings.HasPrefix(tt.profile.URIs[0], "smtps")}
			options.Auth.Username = "postern"
			if options.Auth.Password == "" {
				options.Auth.Password = password
			}
			if tt.cert != nil {
				options.Certificate = tt.cert(r)
			}
			mx := r.relay(options)
			a := r.send("b@example.com")
			want(t, a, tt.want)
			checkAuth(t, mx, tt.mechanism)
			trace := fmt.Sprintf("%+v %s", a, r.log)
			for _, secret := range []string{password, "cG9zdGVybg", "AHBvc3Rlcm4A"} {
				if strings.Contains(trace, secret) {
					t.Errorf("the password left a trace: %s", trace)
				}
			}
		})
	}
}

// checkAuth holds what the peer saw of AUTH against the mechanism, none where
// that is empty.
func checkAuth(t *testing.T, mx *smtptest.MX, mechanism string) {
	t.Helper()
	used := ""
	for _, c := range mx.Commands() {
		if c.Stage == "AUTH" {
			used = c.Argument
		}
	}
	if used != mechanism {
		t.Errorf("the peer was asked for AUTH %q, want %q", used, mechanism)
	}
	for _, m := range mx.Messages() {
		if m.User != "postern" {
			t.Errorf("the message came from user %q", m.User)
		}
	}
	for _, v := range mx.Violations() {
		if strings.Contains(v, "clear") {
			t.Error(v)
		}
	}
}

// A long initial response waits for a challenge (RFC 4954 §4).
func TestAuthWithALongPassword(t *testing.T) {
	r := newRig(t, smarthost(policy.TransportSTARTTLSRequired, withCredentials), routeToProfile(t, "smarthost"))
	long := strings.Repeat("x", 600)
	r.Secrets = secrets{"pw": long}
	mx := r.relay(smtptest.MXOptions{Auth: smtptest.Auth{Mechanisms: "PLAIN", Username: "postern", Password: long}})
	want(t, r.send("b@example.com"), delivered)
	checkAuth(t, mx, "PLAIN")
}
