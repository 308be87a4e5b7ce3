package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
)

// progressBar shows on a terminal how much of a document is sent. Where the
// output is no terminal it shows nothing.
type progressBar struct {
	out         io.Writer // nil: no terminal
	sent, total int
	shown       int // percent
}

// progressOf returns a bar for an output.
func progressOf(out io.Writer) *progressBar {
	file, ok := out.(*os.File)
	if !ok {
		return &progressBar{}
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return &progressBar{}
	}
	return &progressBar{out: out}
}

// follow returns a reader of the document that moves the bar.
func (p *progressBar) follow(document []byte) io.Reader {
	p.total, p.shown = len(document), -1
	return io.TeeReader(bytes.NewReader(document), p)
}

const barWidth = 40

// Write counts what was sent.
func (p *progressBar) Write(part []byte) (int, error) {
	p.sent += len(part)
	percent := 100
	if p.total > 0 {
		percent = p.sent * 100 / p.total
	}
	if p.out != nil && percent != p.shown {
		p.shown = percent
		full := barWidth * percent / 100
		state := "sent"
		if percent == 100 {
			state = "sent; the gateway checks and commits"
		}
		fmt.Fprintf(p.out, "\r[%s%s] %3d %% %s", strings.Repeat("#", full), strings.Repeat(" ", barWidth-full), percent, state)
	}
	return len(part), nil
}

// end clears the line.
func (p *progressBar) end() {
	if p.out != nil {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
