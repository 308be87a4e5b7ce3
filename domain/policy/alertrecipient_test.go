package policy

import (
	"strings"
	"testing"

	"postern/domain/mailaddr"
)

func TestAlertRecipient(t *testing.T) { // B62
	operator := mailaddr.Mailbox{Local: "operator", Domain: "example.com"}
	mail := AlertRecipient{Name: "a", Channel: ChannelMail, Address: operator}
	hook := AlertRecipient{Name: "a", Channel: ChannelWebhook, URL: "https://hooks.example.com/x"}
	for name, tc := range map[string]struct {
		change func(r *AlertRecipient)
		of     AlertRecipient
		fault  string // pointer and words of the message; empty: none
	}{
		"mail":    {of: mail},
		"webhook": {of: hook},
		"all members": {of: mail, change: func(r *AlertRecipient) {
			r.Types, r.MinSeverity, r.SubjectPrefix = []AlertType{AlertSystem}, SeverityCritical, "[gw 1]"
		}},
		"literal":                 {of: mail, change: func(r *AlertRecipient) { r.Address = mustMailbox(t, "x@[192.0.2.1]") }},
		"no name":                 {of: mail, change: func(r *AlertRecipient) { r.Name = "" }, fault: "/name: is required"},
		"unknown kind":            {of: mail, change: func(r *AlertRecipient) { r.Channel = "pager" }, fault: "/kind: \"pager\" is unknown"},
		"mail without address":    {of: mail, change: func(r *AlertRecipient) { r.Address = mailaddr.Mailbox{} }, fault: "/address: is required"},
		"postmaster":              {of: mail, change: func(r *AlertRecipient) { r.Address = mailaddr.Mailbox{Local: "postmaster"} }, fault: "/address: is required"},
		"mail with url":           {of: mail, change: func(r *AlertRecipient) { r.URL = hook.URL }, fault: "/url: is for webhooks"},
		"webhook without url":     {of: hook, change: func(r *AlertRecipient) { r.URL = "" }, fault: "/url: is required"},
		"webhook with address":    {of: hook, change: func(r *AlertRecipient) { r.Address = operator }, fault: "/address: is for mail"},
		"webhook with prefix":     {of: hook, change: func(r *AlertRecipient) { r.SubjectPrefix = "x" }, fault: "/subject_prefix: is for mail"},
		"another scheme":          {of: hook, change: func(r *AlertRecipient) { r.URL = "file:///etc/passwd" }, fault: "/url: must be an absolute URL"},
		"no host":                 {of: hook, change: func(r *AlertRecipient) { r.URL = "https:///x" }, fault: "/url: must be an absolute URL"},
		"a password in the url":   {of: hook, change: func(r *AlertRecipient) { r.URL = "https://a:b@x.example" }, fault: "/url: must not hold"},
		"a fragment in the url":   {of: hook, change: func(r *AlertRecipient) { r.URL = "https://x.example/#a" }, fault: "/url: must not have"},
		"a long url":              {of: hook, change: func(r *AlertRecipient) { r.URL = "https://x.example/" + strings.Repeat("a", 2000) }, fault: "/url: is longer"},
		"unknown type":            {of: mail, change: func(r *AlertRecipient) { r.Types = []AlertType{"gossip"} }, fault: "/types/0: \"gossip\""},
		"unknown severity":        {of: mail, change: func(r *AlertRecipient) { r.MinSeverity = "loud" }, fault: "/min_severity: \"loud\""},
		"a header in the prefix":  {of: mail, change: func(r *AlertRecipient) { r.SubjectPrefix = "x\r\nBcc: y" }, fault: "/subject_prefix: must be one line"},
		"a prefix that is a text": {of: mail, change: func(r *AlertRecipient) { r.SubjectPrefix = strings.Repeat("a", 65) }, fault: "/subject_prefix: must be one line"},
	} {
		r := tc.of
		if tc.change != nil {
			tc.change(&r)
		}
		faults := r.Validate()
		switch {
		case tc.fault == "" && len(faults) > 0:
			t.Errorf("%s: %v", name, faults)
		case tc.fault != "" && (len(faults) != 1 || !strings.HasPrefix(faults[0].String(), tc.fault)):
			t.Errorf("%s: %v, want %q", name, faults, tc.fault)
		}
	}
}

func mustMailbox(t *testing.T, s string) mailaddr.Mailbox {
	t.Helper()
	m, err := mailaddr.ParseMailbox(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestWarningOfClearWebhook(t *testing.T) {
	for url, want := range map[string]int{"http://x.example": 1, "HTTP://x.example": 1, "https://x.example": 0} {
		if got := (AlertRecipient{Channel: ChannelWebhook, URL: url}).Warnings(); len(got) != want {
			t.Errorf("%s: %v", url, got)
		}
	}
}

func TestRecipientWants(t *testing.T) { // B62
	for name, tc := range map[string]struct {
		r        AlertRecipient
		severity AlertSeverity
		want     bool
	}{
		"all":        {AlertRecipient{Enabled: true}, SeverityInfo, true},
		"as severe":  {AlertRecipient{Enabled: true, MinSeverity: SeverityWarning}, SeverityWarning, true},
		"severer":    {AlertRecipient{Enabled: true, MinSeverity: SeverityWarning}, SeverityCritical, true},
		"too mild":   {AlertRecipient{Enabled: true, MinSeverity: SeverityCritical}, SeverityWarning, false},
		"the type":   {AlertRecipient{Enabled: true, Types: []AlertType{AlertSystem}}, SeverityInfo, true},
		"other type": {AlertRecipient{Enabled: true, Types: []AlertType{"other"}}, SeverityCritical, false},
		"disabled":   {AlertRecipient{}, SeverityCritical, false},
	} {
		if got := tc.r.Wants(AlertSystem, tc.severity); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestAlertSettings(t *testing.T) {
	for host, want := range map[string]string{
		"mail.example.com":     "mail.example.com:25",
		"mail.example.com:587": "mail.example.com:587",
		"192.0.2.1":            "192.0.2.1:25",
		"192.0.2.1:2525":       "192.0.2.1:2525",
		"::1":                  "::1:25",
		"[::1]":                "::1:25",
		"[::1]:2525":           "::1:2525",
	} {
		s := AlertSettings{SmartHost: host}
		if hop, ok := s.NextHop(); !ok || hop.String() != want {
			t.Errorf("%q: %v %v, want %s", host, hop, ok, want)
		}
		if f := s.Validate(); len(f) > 0 {
			t.Errorf("%q: %v", host, f)
		}
	}
	for _, host := range []string{"mail.example.com:", "mail.example.com:0", "mail.example.com:99999", "x:y:z", "a b", "192.0.2.1:0", ":25"} {
		if f := (AlertSettings{SmartHost: host}).Validate(); len(f) != 1 || f[0].Pointer != "/smart_host" {
			t.Errorf("%q: %v", host, f)
		}
	}
	if _, ok := (AlertSettings{}).NextHop(); ok {
		t.Error("a smart host out of nowhere")
	}
	for from, faults := range map[string]int{"a@example.com": 0, "a@[192.0.2.1]": 1, "ü@example.com": 1} {
		if f := (AlertSettings{From: mustMailbox(t, from)}).Validate(); len(f) != faults {
			t.Errorf("from %s: %v", from, f)
		}
	}
}

// A smart host is either refused or a host with a port that can be dialled.
func FuzzSmartHost(f *testing.F) {
	for _, seed := range []string{"mail.example.com:587", "[::1]:25", "192.0.2.1", "a:b:c", ":", "[", "x:0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := AlertSettings{SmartHost: text}
		hop, ok := s.NextHop()
		if faulty := len(s.Validate()) > 0; text != "" && faulty == ok {
			t.Fatalf("%q: a next hop is %v, faulty %v", text, ok, faulty)
		}
		if ok && (hop.Host == "" || hop.PortOrDefault() < 1 || hop.PortOrDefault() > 65535) {
			t.Fatalf("%q: %+v", text, hop)
		}
	})
}
