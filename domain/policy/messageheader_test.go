package policy

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMessageHeaderValues(t *testing.T) {
	h := ParseMessageHeader([]byte("A: 1\r\nb:2\r\n\t3\r\nA:  x \r\n: y\r\nA\r\nC D: z\r\nB:\r\n\r\nA: body\r\n"))
	for name, want := range map[string][]string{
		"a": {"1", "x"}, "B": {"2 3", ""}, "C D": nil, "": nil, "D": nil,
	} {
		if diff := cmp.Diff(want, h.Values(name)); diff != "" {
			t.Errorf("%q:\n%s", name, diff)
		}
	}
}

// Encoded words in base64 are read as mail programs show them, with their padding
// or without.
func TestBase64WordsWithoutPadding(t *testing.T) {
	for text, want := range map[string]string{
		"=?utf-8?b?c2VjcmV0?=":                "secret",  // needs none
		"=?utf-8?B?c2VjcmV0IQ==?=":            "secret!", // has it
		"=?utf-8?B?c2VjcmV0IQ?=":              "secret!",
		"=?utf-8?B?c2VjcmV0IQ=?=":             "secret!",
		"=?utf-8?B?c2VjcmV0IQ====?=":          "secret!",
		"=?utf-8?b?w7w?= =?utf-8?B?c2VjIQ?=":  "\u00fcsec!",
		"a =?iso-8859-1?b?/A?= b =?utf-8?q?c": "a \u00fc b =?utf-8?q?c",
		"=?utf-8?b?c2Vjc?=":                   "=?utf-8?b?c2Vjc?=", // no base64 of any length
		"=?utf-8?q?b=3D?=":                    "b=",
	} {
		got := ParseMessageHeader([]byte("Subject: " + text + "\r\n\r\n")).Values("subject")
		if diff := cmp.Diff([]string{want}, got); diff != "" {
			t.Errorf("%s:\n%s", text, diff)
		}
	}
}

// A header that is all folds, or all encoded words, costs no more than its size.
func TestMessageHeaderIsReadInOnePass(t *testing.T) {
	folds := "Subject: x" + strings.Repeat("\r\n x", 100_000) + "\r\n\r\n"
	words := "Subject: " + strings.Repeat("=?gb18030?Q?x?= ", 30_000) + "\r\n\r\n"
	for _, text := range []string{folds, words} {
		if got := len(ParseMessageHeader([]byte(text)).Values("subject")); got != 1 {
			t.Errorf("%d fields", got)
		}
	}
}

// FuzzMessageHeader holds the parser to what filters rely on: it takes anything,
// line ends do not matter, the body does not either, and a value is one line of
// valid text unless an encoded word says otherwise.
func FuzzMessageHeader(f *testing.F) {
	for _, seed := range []string{
		"", "\r\n", "Subject: x\r\n\r\nbody", "Subject: =?utf-8?q?=C3=BC?= =?utf-8?b?w7w=?=\r\n", "Subject: =?utf-8?b?w7w?=\r\n", " folded\r\nA: b\r\n c\r\n",
		"Subject : x\n", "no field\r\nA: 1", "Subject: =?iso-2022-jp?B?GyRCRnxLXBsoQg==?=\r\n", "A: \xff\r\n", "A: =?\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		h := ParseMessageHeader(message)
		unix := ParseMessageHeader(bytes.ReplaceAll(message, []byte("\r\n"), []byte("\n")))
		if diff := cmp.Diff(h.fields, unix.fields); diff != "" && !bytes.Contains(message, []byte("\r\r")) {
			t.Fatalf("line ends matter:\n%s", diff)
		}
		header, _, whole := bytes.Cut(message, []byte("\n\n"))
		if alone := ParseMessageHeader(header); whole && !cmp.Equal(alone.fields, h.fields) && !bytes.Contains(header, []byte("\n\r\n")) {
			t.Fatalf("the body matters: %q", message)
		}
		for _, field := range h.fields {
			if !isFieldName(field.Name) || len(h.Values(field.Name)) == 0 {
				t.Fatalf("field %q", field.Name)
			}
			if strings.Contains(field.Value, "\n") && !bytes.Contains(message, []byte("=?")) {
				t.Fatalf("value %q holds a line end", field.Value)
			}
			if strings.ToValidUTF8(field.Value, "") != field.Value {
				t.Fatalf("value %q is not UTF-8", field.Value)
			}
		}
	})
}
