package outbound

import (
	"bufio"
	"strings"
	"testing"

	"postern/smtp/reply"
)

func readExtensions(t *testing.T, text string) extensions {
	t.Helper()
	r, err := reply.Read(bufio.NewReader(strings.NewReader(text)), reply.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return parseExtensions(r)
}

func TestParseExtensions(t *testing.T) {
	tests := []struct {
		name, text string
		want       extensions
	}{
		{"all", "250-mx greets\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n250-DSN\r\n250-REQUIRETLS\r\n250-SIZE 100\r\n250-LIMITS RCPTMAX=5 MAILMAX=2\r\n250 STARTTLS\r\n", extensions{
			startTLS: true, pipelining: true, eightBitMIME: true, smtpUTF8: true, chunking: true, dsn: true,
			requireTLS: true, size: true, maxSize: 100, maxRecipients: 5, maxMessages: 2,
		}},
		{"none", "250 mx greets\r\n", extensions{}},
		{"B30: a greeting that reads like a keyword", "250-STARTTLS\r\n250 PIPELINING\r\n", extensions{pipelining: true}},
		{"B30: a greeting alone that reads like a keyword", "250 STARTTLS\r\n", extensions{}},
		{"case and spaces", "250-mx\r\n250-StartTLS \r\n250   size   7  \r\n", extensions{startTLS: true, size: true, maxSize: 7}},
		{"SIZE without a number", "250-mx\r\n250 SIZE\r\n", extensions{size: true}},
		{"SIZE=0 is no limit", "250-mx\r\n250 SIZE 0\r\n", extensions{size: true}},
		{"SIZE with junk", "250-mx\r\n250 SIZE -1\r\n", extensions{size: true}},
		{"SIZE beyond 64 bits", "250-mx\r\n250 SIZE 99999999999999999999\r\n", extensions{size: true}},
		{"a keyword within another", "250-mx\r\n250-XSTARTTLS\r\n250-STARTTLS.example\r\n250 AUTH=STARTTLS\r\n", extensions{}},
		{"limits with junk", "250-mx\r\n250 LIMITS RCPTMAX=x MAILMAX RCPTDOMAINMAX=1\r\n", extensions{}},
		{"limits in small letters", "250-mx\r\n250 limits rcptmax=3\r\n", extensions{maxRecipients: 3}},
		{"mechanisms", "250-mx\r\n250 AUTH plain XOAUTH2 CRAM-MD5\r\n", extensions{auth: mechanismPlain | mechanismCRAMMD5}},
		{"empty line", "250-mx\r\n250-\r\n250 DSN\r\n", extensions{dsn: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := readExtensions(t, tt.text); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// FuzzParseExtensions holds any reply to the bounds that the sender relies on.
func FuzzParseExtensions(f *testing.F) {
	f.Add("250-mx\r\n250-SIZE 1\r\n250 LIMITS RCPTMAX=1\r\n")
	f.Add("250-STARTTLS\r\n250-\r\n250 \x00\xff\r\n")
	f.Add("250 STARTTLS\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := reply.Read(bufio.NewReader(strings.NewReader(text)), reply.Limits{})
		if err != nil {
			return
		}
		e := parseExtensions(r)
		if e.maxSize < 0 || e.maxRecipients < 0 || e.maxMessages < 0 {
			t.Errorf("negative limit in %+v", e)
		}
		if len(r.Lines) < 2 && e != (extensions{}) {
			t.Errorf("%+v from a greeting alone", e)
		}
	})
}
