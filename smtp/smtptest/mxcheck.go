package smtptest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// violate records what a client did against the protocol.
func (s *mxSession) violate(format string, args ...any) {
	s.mx.recordViolation(fmt.Sprintf("connection %d: ", s.number) + fmt.Sprintf(format, args...))
}

// checkGrouping looks at what waits behind a command (RFC 2920 §3.1).
func (s *mxSession) checkGrouping(verb string) {
	if s.br.Buffered() == 0 || verb == "BDAT" {
		return
	}
	if slices.Contains([]string{"EHLO", "HELO", "DATA", "STARTTLS", "QUIT", "NOOP"}, verb) {
		s.violate("a command was sent behind %s", verb)
	} else if !s.offers("PIPELINING") || !s.extended {
		s.violate("a command was sent behind %s without PIPELINING", verb)
	}
}

// path splits "FROM:<address> parameters".
func (s *mxSession) path(verb, argument, prefix string) (Path, bool) {
	if len(argument) < len(prefix) || !strings.EqualFold(argument[:len(prefix)], prefix) {
		s.violate("%s %s", verb, argument)
		return Path{}, false
	}
	text := argument[len(prefix):]
	end := closingBracket(text)
	if end < 0 || text[0] != '<' || (end+1 < len(text) && text[end+1] != ' ') {
		s.violate("%s %s", verb, argument)
		return Path{}, false
	}
	return Path{Address: text[1:end], Parameters: strings.TrimPrefix(text[end+1:], " ")}, true
}

// closingBracket returns the index of the first > outside quotes, or -1.
func closingBracket(text string) int {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quoted:
			i++
		case text[i] == '"':
			quoted = !quoted
		case text[i] == '>' && !quoted:
			return i
		}
	}
	return -1
}

// parameterKeyword names the keyword that offers each parameter.
func parameterKeyword(name string) string {
	switch name {
	case "BODY":
		return "8BITMIME"
	case "RET", "ENVID", "NOTIFY", "ORCPT":
		return "DSN"
	default:
		return name
	}
}

// checkParameters looks for parameters and addresses that were not offered.
func (s *mxSession) checkParameters(path Path) {
	for parameter := range strings.FieldsSeq(path.Parameters) {
		name, _, _ := strings.Cut(strings.ToUpper(parameter), "=")
		if !s.extended || !s.offers(parameterKeyword(name)) {
			s.violate("parameter %s was not offered", parameter)
		}
	}
	if !isASCII([]byte(path.Address)) && !s.offers("SMTPUTF8") {
		s.violate("address %q without SMTPUTF8", path.Address)
	}
}

// checkContent looks for content that was not offered.
func (s *mxSession) checkContent(m *Message) {
	if !isASCII(m.Content) && !s.offers("8BITMIME") {
		s.violate("8-bit content without 8BITMIME")
	}
	lines := bytes.Count(m.Content, []byte("\r\n"))
	if bytes.Count(m.Content, []byte("\n")) != lines || bytes.Count(m.Content, []byte("\r")) != lines {
		s.violate("content holds a bare CR or LF")
	}
}

func isASCII(text []byte) bool {
	return !slices.ContainsFunc(text, func(c byte) bool { return c >= 0x80 })
}
