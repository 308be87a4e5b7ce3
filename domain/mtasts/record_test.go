package mtasts

import (
	"errors"
	"strings"
	"testing"

	"postern/domain/mailaddr"
)

// TestRecord holds the grammar of RFC 8461 §3.1.
func TestRecord(t *testing.T) {
	long := strings.Repeat("a", 33)
	tests := []struct {
		name  string
		texts []string
		id    string
		err   error
	}{
		{"the RFC's example", []string{"v=STSv1; id=20160831085700Z;"}, "20160831085700Z", nil},
		{"without a delimiter at the end", []string{"v=STSv1;id=1"}, "1", nil},
		{"blanks around delimiters", []string{"v=STSv1 ;\tid=1 ; "}, "1", nil},
		{"an extension", []string{"v=STSv1; x-a.b_c=2; id=1;"}, "1", nil},
		{"the first id counts", []string{"v=STSv1; id=1; id=2"}, "1", nil},
		{"beside records of other kinds", []string{"v=spf1 -all", "v=STSv1; id=1", "v=STSv10; id=3", ""}, "1", nil},
		{"none", nil, "", ErrNoRecord},
		{"only others", []string{"v=spf1 -all", "v=stsv1; id=1", "v=STSv1"}, "", ErrNoRecord},
		{"two", []string{"v=STSv1; id=1", "v=STSv1; id=1"}, "", errSeveralRecords},
		{"no id", []string{"v=STSv1; x=1;"}, "", errNoID},
		{"nothing behind the version", []string{"v=STSv1;"}, "", errRecordSyntax},
		{"an empty id", []string{"v=STSv1; id=;"}, "", errRecordSyntax},
		{"an id with a hyphen", []string{"v=STSv1; id=2016-08-31"}, "", errNoID},
		{"an id that is too long", []string{"v=STSv1; id=" + long}, "", errNoID},
		{"a field without a value", []string{"v=STSv1; id"}, "", errRecordSyntax},
		{"an empty field", []string{"v=STSv1;; id=1"}, "", errRecordSyntax},
		{"a blank within a value", []string{"v=STSv1; id=1 2"}, "", errRecordSyntax},
		{"a long name", []string{"v=STSv1; id=1; " + long + "=1"}, "", errRecordSyntax},
		{"octets that are no ASCII", []string{"v=STSv1; id=1; x=\xff"}, "", errRecordSyntax},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id, err := ParseRecord(tt.texts)
			if id != tt.id || !errors.Is(err, tt.err) {
				t.Errorf("got %q, %v; want %q, %v", id, err, tt.id, tt.err)
			}
		})
	}
}

// TestRecordNames shows that a domain may be too long for the names.
func TestRecordNames(t *testing.T) {
	if name, err := RecordName("example.com"); err != nil || name != "_mta-sts.example.com" {
		t.Errorf("got %q, %v", name, err)
	}
	if host, err := Host("example.com"); err != nil || host != "mta-sts.example.com" {
		t.Errorf("got %q, %v", host, err)
	}
	label := strings.Repeat("a", 49) + "."
	if _, err := RecordName(mailaddr.DomainName(strings.Repeat(label, 5) + "com")); err == nil {
		t.Error("a name of more than 253 octets was made")
	}
}

// FuzzRecord shows that what is found is an id, whatever DNS says.
func FuzzRecord(f *testing.F) {
	for _, seed := range []string{"v=STSv1; id=20160831085700Z;", "v=STSv1;", "v=STSv1; id=1; id=", "v=spf1 -all", "v=STSv1 ; a=b;id=Z"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := ParseRecord([]string{text})
		if (err == nil) != (id != "") {
			t.Fatalf("%q, %v", id, err)
		}
		if len(id) > 32 || !only(id, isAlphanumeric) {
			t.Fatalf("id %q", id)
		}
		if again, err := ParseRecord([]string{recordVersion + "; id=" + id + ";"}); id != "" && (again != id || err != nil) {
			t.Fatalf("%q came back as %q, %v", id, again, err)
		}
	})
}
