package chart

import "time"

// panel draws one panel whose upper edge is at y: above, the shares of each
// bucket; below, how many connections they are shares of.
func (c Chart) panel(d *drawing, p Panel, y int) {
	d.text(left, y+16, `class="heading"`, p.Title)
	d.text(width-right, y+16, `text-anchor="end"`, p.summary())
	share := y + 28
	strip := share + shareHeight + stripGap
	for _, percent := range []int{0, 50, 100} {
		at := share + shareHeight*(100-percent)/100
		if percent != 50 {
			line(d, at)
		}
		d.printf(`<text class="small" x="%d" y="%d" text-anchor="end">%d %%</text>`+"\n", left-8, at+4, percent)
	}
	busiest := p.busiest()
	line(d, strip+stripHeight)
	if busiest > 0 {
		d.text(left-8, strip+10, `class="small" text-anchor="end"`, short(busiest))
		d.text(left-8, strip+stripHeight+4, `class="small" text-anchor="end"`, "0")
	}
	slot := float64(plotWidth) / float64(max(len(p.Buckets), 1))
	for i, b := range p.Buckets {
		if b.Connections() > 0 {
			c.bar(d, b, left+float64(i)*slot, slot, share, strip, busiest)
		}
	}
	line(d, share+shareHeight/2) // over the bars
	c.timeAxis(d, p, slot, strip+stripHeight)
}

func line(d *drawing, y int) {
	d.printf(`<path class="grid" d="M%d %d.5H%d"/>`+"\n", left, y, width-right)
}

// busiest returns the connections of the bucket with the most.
func (p Panel) busiest() (most int64) {
	for _, b := range p.Buckets {
		most = max(most, b.Connections())
	}
	return most
}

// bar draws a bucket: its shares from below (encrypted, failed, clear), and its
// volume.
func (c Chart) bar(d *drawing, b Bucket, x, slot float64, share, strip int, busiest int64) {
	d.printf("<g>")
	d.element("title", "", c.label(b.At)+": "+b.summary())
	gap := min(slot/5, 2)
	x, w := x+gap/2, slot-gap
	all, bottom := float64(b.Connections()), float64(share+shareHeight)
	for _, part := range []struct {
		fill  string
		count int64
	}{{`class="encrypted"`, b.Encrypted}, {`fill="url(#failed)"`, b.Failed}, {`class="clear"`, b.Unencrypted}} {
		h := float64(part.count) / all * shareHeight
		bottom -= h
		rectangle(d, part.fill, x, bottom, w, h)
	}
	h := max(all/float64(busiest)*stripHeight, 1)
	rectangle(d, `class="volume"`, x, float64(strip+stripHeight)-h, w, h)
	d.printf("</g>\n")
}

func rectangle(d *drawing, fill string, x, y, w, h float64) {
	if h > 0 {
		d.printf(`<rect %s x="%.2f" y="%.2f" width="%.2f" height="%.2f"/>`, fill, x, y, w, h)
	}
}

// label names a bucket.
func (c Chart) label(at time.Time) string {
	if c.Step == time.Hour {
		return at.UTC().Format("2 Jan 15:04")
	}
	return at.UTC().Format("2 Jan 2006")
}

// minTick is the room that a label of the time axis needs.
const minTick = 92

// timeAxis labels some of the buckets, at even distances.
func (c Chart) timeAxis(d *drawing, p Panel, slot float64, y int) {
	every := c.tickEvery(slot)
	for i, b := range p.Buckets {
		if !c.isTick(b.At, every) {
			continue
		}
		x := left + float64(i)*slot
		if c.Step != time.Hour {
			x += slot / 2 // a label of a day is below its bar, one of an hour at its beginning
		}
		d.printf(`<path class="grid" d="M%.2f %dv5"/>`, x, y)
		d.printf(`<text class="small" x="%.2f" y="%d" text-anchor="middle">%s</text>`+"\n", x, y+20, c.label(b.At))
	}
}

// tickEvery returns the steps between two labels.
func (c Chart) tickEvery(slot float64) int {
	steps := []int{1, 2, 5, 7, 14, 28, 56, 112}
	if c.Step == time.Hour {
		steps = []int{1, 2, 3, 6, 12, 24, 48}
	}
	for _, n := range steps {
		if float64(n)*slot >= minTick {
			return n
		}
	}
	return steps[len(steps)-1]
}

// isTick reports whether the bucket has a label: counted from midnight, or from
// the first day of 1970, so that the same times are labelled tomorrow.
func (c Chart) isTick(at time.Time, every int) bool {
	return at.Unix()/int64(c.Step/time.Second)%int64(every) == 0
}

// short writes a number in the room that the margin has.
func short(n int64) string {
	switch {
	case n >= 10_000_000:
		return grouped(n/1_000_000) + " M"
	case n >= 100_000:
		return grouped(n/1_000) + " k"
	}
	return grouped(n)
}
