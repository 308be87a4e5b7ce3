// Package chart draws the share of TLS over time as a picture: SVG without
// script, with text labels, a title and a description for those who do not see
// it, in colours that differ in brightness and pattern too, and that follow a
// light or dark page.
package chart

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
	"time"
)

// Bucket is what happened in one step of time.
type Bucket struct {
	At                             time.Time // its beginning
	Encrypted, Unencrypted, Failed int64     // connections
}

// Connections returns how many there were.
func (b Bucket) Connections() int64 { return b.Encrypted + b.Unencrypted + b.Failed }

// Panel is one part of the picture, with a bucket for every step.
type Panel struct {
	Title   string
	Buckets []Bucket
}

// Chart is a picture to be drawn. All panels have buckets of the same times.
type Chart struct {
	Title  string
	Step   time.Duration // an hour or a day
	Panels []Panel
}

// The measures of the picture, in units of its own.
const (
	width        = 960
	left, right  = 60, 24 // margins of the plots
	plotWidth    = width - left - right
	headerHeight = 76
	shareHeight  = 140
	stripGap     = 10
	stripHeight  = 40
	panelHeight  = 28 + shareHeight + stripGap + stripHeight + 46
)

// style is that of the light page; a dark one overrules it. What knows no media
// query shows the light one.
const style = `
text{font:13px system-ui,sans-serif;fill:#1b1f24}
.title{font-size:18px;font-weight:600}
.heading{font-weight:600}
.small{font-size:12px;fill:#57606a}
.page{fill:#ffffff}
.grid{stroke:#d8dee4;stroke-opacity:.8}
.encrypted{fill:#0b63b8}
.clear{fill:#b4bcc5}
.failed{fill:#e8590c}
.hatch{stroke:#ffffff;stroke-width:1.5}
.volume{fill:#6e7781}
@media (prefers-color-scheme:dark){
text{fill:#e6edf3}
.small{fill:#9aa4af}
.page{fill:#14181d}
.grid{stroke:#2f363e}
.encrypted{fill:#58a6ff}
.clear{fill:#59626c}
.failed{fill:#ff8c4b}
.hatch{stroke:#14181d}
.volume{fill:#8b949e}
}
`

// SVG draws the chart.
func (c Chart) SVG() []byte {
	height := headerHeight + len(c.Panels)*panelHeight
	d := new(drawing)
	d.printf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-labelledby="title desc">`+"\n",
		width, height, width, height)
	d.element("title", `id="title"`, c.Title)
	d.element("desc", `id="desc"`, c.description())
	d.printf("<style>%s</style>\n", style)
	d.printf(`<defs><pattern id="failed" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">` +
		`<rect class="failed" width="6" height="6"/><path class="hatch" d="M0 0V6"/></pattern></defs>` + "\n")
	d.printf(`<rect class="page" width="%d" height="%d"/>`+"\n", width, height)
	d.text(left, 30, `class="title"`, c.Title)
	c.legend(d)
	for i, p := range c.Panels {
		c.panel(d, p, headerHeight+i*panelHeight)
	}
	d.printf("</svg>\n")
	return d.Bytes()
}

// legend says what the fills mean.
func (c Chart) legend(d *drawing) {
	x := left
	for _, entry := range []struct{ fill, label string }{
		{`class="encrypted"`, "encrypted"}, {`fill="url(#failed)"`, "TLS failed"}, {`class="clear"`, "in clear"},
	} {
		d.printf(`<rect %s x="%d" y="44" width="14" height="14"/>`+"\n", entry.fill, x)
		d.text(x+20, 56, "", entry.label)
		x += 116
	}
	d.text(width-right, 56, `class="small" text-anchor="end"`, "connections, by "+c.stepName()+", UTC")
}

func (c Chart) stepName() string {
	if c.Step == time.Hour {
		return "hour"
	}
	return "day"
}

// description says in words what the picture shows.
func (c Chart) description() string {
	var text bytes.Buffer
	for _, p := range c.Panels {
		if n := len(p.Buckets); n > 0 {
			fmt.Fprintf(&text, "%s, %s to %s UTC: %s. ", p.Title, stamp(p.Buckets[0].At), stamp(p.Buckets[n-1].At.Add(c.Step)), p.summary())
		}
	}
	return string(bytes.TrimSpace(text.Bytes()))
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

// summary is the panel in a sentence.
func (p Panel) summary() string {
	var sum Bucket
	for _, b := range p.Buckets {
		sum.Encrypted, sum.Unencrypted, sum.Failed = sum.Encrypted+b.Encrypted, sum.Unencrypted+b.Unencrypted, sum.Failed+b.Failed
	}
	return sum.summary()
}

func (b Bucket) summary() string {
	all := b.Connections()
	if all == 0 {
		return "no connections"
	}
	return fmt.Sprintf("%.1f %% of %s connections encrypted, %s in clear, %s failed",
		100*float64(b.Encrypted)/float64(all), grouped(all), grouped(b.Unencrypted), grouped(b.Failed))
}

// grouped writes a number with commas between thousands.
func grouped(n int64) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// drawing is the text of the picture.
type drawing struct{ bytes.Buffer }

func (d *drawing) printf(format string, args ...any) { fmt.Fprintf(d, format, args...) }

// element writes an element that holds text.
func (d *drawing) element(name, attributes, text string) {
	if attributes != "" {
		attributes = " " + attributes
	}
	d.printf("<%s%s>", name, attributes)
	_ = xml.EscapeText(d, []byte(text)) // a buffer takes everything
	d.printf("</%s>\n", name)
}

func (d *drawing) text(x, y int, attributes, text string) {
	d.element("text", strings.TrimSpace(fmt.Sprintf(`x="%d" y="%d" %s`, x, y, attributes)), text)
}
