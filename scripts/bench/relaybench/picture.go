package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

const (
	panelWidth, panelHeight = 460, 220
	margin                  = 50
)

// colours tell relays, and what grows, apart.
var colours = []string{"#1f6feb", "#8250df", "#bf8700", "#8c959f"}

// picture draws throughput and growth as one SVG.
func (r *record) picture() string {
	var b strings.Builder
	panels := []func(*strings.Builder, int){r.drawThroughput}
	if len(r.Growth) > 0 {
		panels = append(panels, r.drawGrowth)
	}
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">`+"\n",
		len(panels)*(panelWidth+margin)+margin, panelHeight+2*margin+20)
	b.WriteString(`<rect width="100%" height="100%" fill="white"/>` + "\n")
	for i, draw := range panels {
		draw(&b, margin+i*(panelWidth+margin))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func write(b *strings.Builder, x, y float64, anchor, format string, args ...any) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s">%s</text>`+"\n", x, y, anchor, fmt.Sprintf(format, args...))
}

// key draws a coloured square with its name.
func key(b *strings.Builder, left, index int, name string) {
	x, y := float64(left+index*110), float64(panelHeight+margin+40)
	fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="10" height="10" fill="%s"/>`+"\n", x, y-9, colours[index%len(colours)])
	write(b, x+14, y, "start", "%s", name)
}

// drawThroughput draws messages per CPU second, each scenario to a scale of its own:
// what counts is how the relays compare.
func (r *record) drawThroughput(b *strings.Builder, left int) {
	relays := r.relays()
	write(b, float64(left), 25, "start", "Messages per CPU second of the relay, each scenario to its own scale")
	const group = panelWidth / 4
	for i, id := range []string{"A", "B", "C", "D"} {
		var most float64
		for _, relay := range relays {
			m, _ := r.middle(relay, id)
			most = max(most, m.PerCPU)
		}
		write(b, float64(left+i*group+group/2), panelHeight+margin+15, "middle", "%s", id)
		for k, relay := range relays {
			m, ran := r.middle(relay, id)
			if !ran || most == 0 {
				continue
			}
			height := m.PerCPU / most * panelHeight
			x, y := float64(left+i*group+k*25), float64(margin+panelHeight)-height
			fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="21" height="%.1f" fill="%s"/>`+"\n", x, y, height, colours[k])
			write(b, x+10, y-4, "middle", "%.0f", m.PerCPU)
		}
	}
	for k, relay := range relays {
		key(b, left, k, relay)
	}
}

// relays are those that ran, ours first.
func (r *record) relays() []string {
	return slices.DeleteFunc([]string{nameOfPostern, nameOfBase, nameOfTuned, nameOfDefault}, func(relay string) bool {
		return !slices.ContainsFunc([]string{"A", "B", "C", "D"}, func(id string) bool { _, ran := r.middle(relay, id); return ran })
	})
}

// drawGrowth draws what is left of the throughput at the first size, over a
// logarithmic axis.
func (r *record) drawGrowth(b *strings.Builder, left int) {
	write(b, float64(left), 25, "start", "Throughput beside that of the smallest size")
	const from, to, most = 2.0, 6.0, 1.2 // powers of ten; the upper end of the other axis
	across := func(size int) float64 { return float64(left) + (math.Log10(float64(size))-from)/(to-from)*panelWidth }
	up := func(share float64) float64 { return float64(margin) + (1-min(share, most)/most)*panelHeight }
	for _, share := range []float64{0, 0.5, 1} {
		fmt.Fprintf(b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#d0d7de"/>`+"\n", left, left+panelWidth, up(share), up(share))
		write(b, float64(left-6), up(share)+4, "end", "%.1f", share)
	}
	for power := from; power <= to; power++ {
		size := int(math.Pow(10, power))
		write(b, across(size), panelHeight+margin+15, "middle", "%d", size)
	}
	for i, what := range []string{"controls", "queue", "drain"} {
		var points []string
		var first float64
		for _, g := range r.Growth {
			if g.What != what {
				continue
			}
			share := g.OfSmall
			if what == "drain" {
				if first == 0 {
					first = g.Rate
				}
				share = ratio(g.Rate, first)
			}
			points = append(points, fmt.Sprintf("%.1f,%.1f", across(g.Size), up(share)))
		}
		fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(points, " "), colours[i])
		key(b, left, i, what)
	}
}
