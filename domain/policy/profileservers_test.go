package policy

import "testing"

func TestProfileAddsServers(t *testing.T) { // B32
	for _, tc := range []struct {
		kind          ServerType
		before, after []string
		adds          bool
	}{
		{ServerSMTP, []string{"smtp://a.example"}, []string{"smtp://A.example.:25/"}, false},
		{ServerSMTP, []string{"smtp://a.example"}, []string{"smtp://b.example"}, true},
		{ServerSMTP, []string{"smtp://a.example"}, []string{"smtp://a.example:587"}, true},
		{ServerSMTP, []string{"smtp://a.example"}, []string{"smtp://a.example", "smtp://b.example"}, true},
		{ServerSMTP, []string{"smtp://a.example", "smtp://b.example"}, []string{"smtp://b.example"}, false},
		{ServerSMTP, []string{"smtp://a.example", "smtp://b.example"}, []string{"smtp://b.example", "smtp://a.example"}, false},
		{ServerSMTP, []string{"smtps://a.example:25"}, []string{"smtp://a.example:25"}, true},
		{ServerSMTP, []string{"smtp://192.0.2.1"}, []string{"smtp://192.0.2.2"}, true},
		{ServerCore, []string{"https://a.example/one"}, []string{"https://A.example:443/two"}, false},
		{ServerCore, []string{"https://a.example"}, []string{"http://a.example:443"}, true},
		{ServerCore, []string{"https://a.example"}, []string{"https://a.example:8443"}, true},
		{ServerCore, []string{"http://a.example"}, []string{"http://a.example:80"}, false},
		{ServerCore, []string{"https://a.example"}, []string{"https://evil.example"}, true},
	} {
		before, after := ServerProfile{Type: tc.kind, URIs: tc.before}, ServerProfile{Type: tc.kind, URIs: tc.after}
		if got := after.AddsServers(before); got != tc.adds {
			t.Errorf("%v after %v: %t", tc.after, tc.before, got)
		}
	}
}
