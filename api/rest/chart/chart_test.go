package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden pictures")

var monday = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

// week has a bucket for each hour of seven days: busy by day, one outage, a
// quarter without TLS at the beginning.
func week() Chart {
	var in, out Panel
	in.Title, out.Title = "Incoming", "Outgoing"
	for i := range 168 {
		at, hour := monday.Add(time.Duration(i)*time.Hour), i%24
		n := int64(400 + 100*min(hour, 24-hour))
		b := Bucket{At: at, Encrypted: n * int64(760+i) / 1000, Unencrypted: n * int64(200-i) / 1000}
		b.Failed = n - b.Encrypted - b.Unencrypted
		in.Buckets = append(in.Buckets, b)
		switch {
		case i < 40 || i >= 60 && i < 66:
			b = Bucket{At: at} // nothing was sent
		case i >= 100 && i < 104:
			b = Bucket{At: at, Encrypted: 3, Failed: 20}
		default:
			b = Bucket{At: at, Encrypted: n / 5, Unencrypted: n / 100}
		}
		out.Buckets = append(out.Buckets, b)
	}
	return Chart{Title: "TLS of connections, 23 to 29 November 2026", Step: time.Hour, Panels: []Panel{in, out}}
}

func days() Chart {
	p := Panel{Title: `Outgoing to "a<b>&c"`}
	for i := range 12 {
		p.Buckets = append(p.Buckets, Bucket{At: monday.AddDate(0, 0, i), Encrypted: int64(i * 1_234_567), Unencrypted: 800_000})
	}
	return Chart{Title: "TLS <of> & days", Step: 24 * time.Hour, Panels: []Panel{p}}
}

func empty() Chart {
	return Chart{Title: "TLS of nothing", Step: time.Hour, Panels: []Panel{{Title: "Incoming", Buckets: []Bucket{{At: monday}}}}}
}

func TestGoldenPictures(t *testing.T) {
	for name, c := range map[string]Chart{"week": week(), "days": days(), "empty": empty()} {
		t.Run(name, func(t *testing.T) {
			got := c.SVG()
			file := "testdata/" + name + ".svg"
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("look at it, then run with -update (-want +got):\n%s", diff)
			}
		})
	}
}

// A picture is well-formed XML without script, links or foreign parts, and says
// what it shows to those who do not see it.
func TestPictureIsPlainAndAccessible(t *testing.T) {
	for _, c := range []Chart{week(), days(), empty(), {Title: "none"}} {
		picture := c.SVG()
		decoder := xml.NewDecoder(bytes.NewReader(picture))
		found := map[string]int{}
		for {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", c.Title, err)
			}
			if e, ok := token.(xml.StartElement); ok {
				found[e.Name.Local]++
				for _, a := range e.Attr {
					if a.Name.Local == "href" || strings.HasPrefix(a.Name.Local, "on") {
						t.Errorf("%s: attribute %s", c.Title, a.Name.Local)
					}
				}
			}
		}
		if found["script"]+found["image"]+found["foreignObject"] > 0 || found["title"] == 0 || found["desc"] != 1 {
			t.Errorf("%s: elements %v", c.Title, found)
		}
	}
	if text := string(days().SVG()); !strings.Contains(text, "TLS &lt;of&gt; &amp; days") || strings.Contains(text, "a<b>") {
		t.Error("text is not escaped")
	}
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 12345: "12,345", 100_000: "100 k", 9_999_999: "9,999 k", 10_000_000: "10 M"} {
		if got := short(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	if got := grouped(1234567); got != "1,234,567" {
		t.Error(got)
	}
}
