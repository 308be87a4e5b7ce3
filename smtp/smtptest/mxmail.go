package smtptest

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
)

func (s *mxSession) serveMail(argument string) error {
	if s.hello == "" {
		s.violate("MAIL before EHLO or HELO")
		return s.reply("MAIL", argument, "503 5.5.1 say hello first")
	}
	if s.mail != nil {
		s.violate("MAIL within a transaction")
		return s.reply("MAIL", argument, "503 5.5.1 nested MAIL")
	}
	path, ok := s.path("MAIL", argument, "FROM:")
	if !ok {
		return s.reply("MAIL", argument, "501 5.5.4 syntax: MAIL FROM:<address>")
	}
	s.checkParameters(path)
	positive, err := s.answer("MAIL", argument, "250 2.1.0 OK")
	if positive {
		s.mail = &Message{Connection: s.number, Hello: s.hello, Sender: path, TLS: s.state, User: s.user}
	}
	return err
}

func (s *mxSession) serveRcpt(argument string) error {
	path, ok := s.path("RCPT", argument, "TO:")
	switch {
	case !ok:
		return s.reply("RCPT", argument, "501 5.5.4 syntax: RCPT TO:<address>")
	case s.mail == nil:
		// In order where MAIL was refused and the client pipelines.
		return s.reply("RCPT", argument, "503 5.5.1 MAIL first")
	}
	s.checkParameters(path)
	positive, err := s.answer("RCPT", argument, "250 2.1.5 OK")
	if positive {
		s.mail.Recipients = append(s.mail.Recipients, path)
	}
	return err
}

func (s *mxSession) serveData(argument string) error {
	if s.mail == nil || len(s.mail.Recipients) == 0 || s.chunked {
		return s.reply("DATA", argument, "503 5.5.1 no valid recipients")
	}
	positive, err := s.answer("DATA", argument, "354 go on")
	if err != nil || !positive {
		s.mail = nil
		return err
	}
	if s.mail.Content, err = s.readContent(); err != nil {
		return err
	}
	return s.reply(".", "", "250 2.0.0 accepted")
}

// readContent reads up to CRLF.CRLF and takes the dot-stuffing off.
func (s *mxSession) readContent() ([]byte, error) {
	var content []byte
	atLineStart := true
	for {
		line, err := s.br.ReadBytes('\n')
		if err != nil {
			return nil, err
		}
		if atLineStart && string(line) == ".\r\n" {
			return content, nil
		}
		if atLineStart && line[0] == '.' {
			line = line[1:]
		}
		atLineStart = bytes.HasSuffix(line, []byte("\r\n"))
		content = append(content, line...)
	}
}

func (s *mxSession) serveBDAT(argument string) error {
	size, last, err := parseChunk(argument)
	if err != nil {
		s.violate("BDAT %s", argument)
		return errors.Join(s.reply("BDAT", argument, "501 5.5.4 syntax: BDAT size [LAST]"), errEnded)
	}
	if !s.offers("CHUNKING") {
		s.violate("BDAT without CHUNKING")
	}
	// RFC 3030 §2: the octets are read even if the chunk is refused.
	chunk := make([]byte, size)
	if _, err := io.ReadFull(s.br, chunk); err != nil {
		return err
	}
	if s.mail == nil || len(s.mail.Recipients) == 0 {
		return s.reply("BDAT", argument, "503 5.5.1 no valid recipients")
	}
	s.chunked = true
	s.mail.Chunked = true
	s.mail.Content = append(s.mail.Content, chunk...)
	if last {
		return s.reply(".", argument, "250 2.0.0 accepted")
	}
	positive, err := s.answer("BDAT", argument, "250 2.0.0 chunk received")
	if !positive {
		s.mail, s.chunked = nil, false
	}
	return err
}

// maxChunk bounds what a client can make the MX hold at once.
const maxChunk = 64 << 20

func parseChunk(argument string) (size int, last bool, err error) {
	number, rest, _ := strings.Cut(argument, " ")
	size, err = strconv.Atoi(number)
	last = strings.EqualFold(rest, "LAST")
	if err == nil && (size < 0 || size > maxChunk || (rest != "" && !last)) {
		err = errors.New("bad chunk")
	}
	return size, last, err
}

// finishMessage ends the transaction, with the message accepted or not.
func (s *mxSession) finishMessage(accepted bool) {
	s.checkContent(s.mail)
	if accepted {
		s.mx.recordMessage(*s.mail)
	}
	s.mail, s.chunked = nil, false
}
