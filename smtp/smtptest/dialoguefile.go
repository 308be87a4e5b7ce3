package smtptest

import (
	"fmt"
	"strconv"
	"strings"
)

type stepKind uint8

const (
	stepClient stepKind = iota // send text
	stepServer                 // expect a line that matches text
	stepHas
	stepLacks
	stepTLS            // text is the server name
	stepTLSCertificate // text names the certificate
	stepTLSFails
	stepClosed
	stepWaitClosed
)

// step is one step of a dialogue.
type step struct {
	line int // in the file, from 1
	kind stepKind
	text string
}

// parseDialogue parses a dialogue file; see [RunDialogue] for its form.
func parseDialogue(text string) ([]step, error) {
	var steps []step
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSuffix(line, "\r")
		if line == "" || line[0] == '#' {
			continue
		}
		s, err := parseStep(line)
		if err != nil {
			return nil, fmt.Errorf("%d: %w", i+1, err)
		}
		s.line = i + 1
		steps = append(steps, s)
	}
	if len(steps) == 0 {
		return nil, fmt.Errorf("1: no steps")
	}
	return steps, nil
}

func parseStep(line string) (step, error) {
	word, rest, _ := strings.Cut(line, " ")
	switch {
	case word == "C:":
		return step{kind: stepClient, text: rest + "\r\n"}, nil
	case word == "C-raw:":
		text, err := parseRaw(rest)
		return step{kind: stepClient, text: text}, err
	case word == "S:" && len(rest) >= 3:
		return step{kind: stepServer, text: rest}, nil
	case word == "!has" && rest != "":
		return step{kind: stepHas, text: rest}, nil
	case word == "!lacks" && rest != "":
		return step{kind: stepLacks, text: rest}, nil
	case word == "!tls":
		return parseTLS(rest)
	case line == "!close":
		return step{kind: stepClosed}, nil
	case line == "!wait-closed":
		return step{kind: stepWaitClosed}, nil
	}
	return step{}, fmt.Errorf("no step: %q", line)
}

func parseTLS(rest string) (step, error) {
	name, named := strings.CutPrefix(rest, "name=")
	certificate, shown := strings.CutPrefix(rest, "certificate=")
	switch {
	case rest == "":
		return step{kind: stepTLS}, nil
	case rest == "fails":
		return step{kind: stepTLSFails}, nil
	case named && name != "":
		return step{kind: stepTLS, text: name}, nil
	case shown && certificate != "":
		return step{kind: stepTLSCertificate, text: certificate}, nil
	}
	return step{}, fmt.Errorf("no step: !tls %s", rest)
}

// maxRepeat bounds how often C-raw repeats.
const maxRepeat = 1 << 20

// parseRaw parses a Go string literal with a number of repeats before it.
func parseRaw(text string) (string, error) {
	repeat := 1
	if number, rest, found := strings.Cut(text, ` "`); found && !strings.HasPrefix(text, `"`) {
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > maxRepeat {
			return "", fmt.Errorf("bad number of repeats: %q", number)
		}
		repeat, text = n, `"`+rest
	}
	literal, err := strconv.Unquote(text)
	if err != nil {
		return "", fmt.Errorf("no Go string literal: %s", text)
	}
	return strings.Repeat(literal, repeat), nil
}

// matches reports whether text is pattern, in which * stands for any text.
func matches(pattern, text string) bool {
	pieces := strings.Split(pattern, "*")
	text, ok := strings.CutPrefix(text, pieces[0])
	if !ok || len(pieces) == 1 {
		return ok && text == ""
	}
	last := len(pieces) - 1
	for _, piece := range pieces[1:last] {
		_, rest, found := strings.Cut(text, piece)
		if !found {
			return false
		}
		text = rest
	}
	return strings.HasSuffix(text, pieces[last])
}
