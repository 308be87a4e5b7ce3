package inbound

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"postern/domain/mailaddr"
	"postern/smtp/reply"
)

// cutVerb splits a command line; the verb comes in upper case (RFC 5321 §2.4).
func cutVerb(line string) (verb, argument string) {
	verb, argument, _ = strings.Cut(line, " ")
	return strings.ToUpper(verb), strings.TrimSpace(argument)
}

// command is the gate: it answers what go-smtp must not see and passes on the
// rest, one command at a time.
func (l *leg) command(line string) error {
	verb, argument := cutVerb(line)
	l.client.spoke()
	switch {
	case l.client.refusal != nil && verb != "QUIT":
		return l.refuse(*l.client.refusal, verb, argument) // B17
	case verb == "STARTTLS":
		return l.commandStartTLS(argument)
	case l.client.requireTLS && l.tls == nil && !allowedInClear(verb):
		// B15: before STARTTLS nothing else is answered, unknown commands too.
		return l.refuse(l.client.refuse("starttls_required", reply.MustStartTLS()), verb, argument)
	case !known(verb):
		return l.refuse(reply.UnknownCommand(), verb, argument)
	case verb == "AUTH":
		return l.refuse(reply.NotImplemented("AUTH"), verb, argument)
	case verb == "BDAT":
		return l.commandBDAT(argument)
	}
	return l.pass(verb, argument)
}

// known reports whether the verb is a command of SMTP. Others are answered here:
// go-smtp would end the session after a few.
func known(verb string) bool {
	switch verb {
	case "EHLO", "HELO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "QUIT", "VRFY", "EXPN", "HELP", "AUTH":
		return true
	}
	return false
}

// pass lets go-smtp have the command, in a form that it understands.
func (l *leg) pass(verb, argument string) error {
	sent := argument
	switch verb {
	case "MAIL", "RCPT":
		if name := repeatedParameter(argument); name != "" {
			return l.refuse(reply.BadArgument("parameter "+name+" stands there twice"), verb, argument)
		}
		if verb == "MAIL" {
			if r := l.judgeRequireTLS(argument); r != nil {
				return l.refuse(*r, verb, argument)
			}
		}
		sent = l.completePostmaster(clampSize(argument))
	case "EHLO", "HELO":
		if argument == "" {
			return l.refuse(reply.BadArgument(verb+" takes a domain or an address"), verb, argument)
		}
		sent = printable(argument)
	}
	// RFC 5321 §4.1.1: blanks at the end of a line mean nothing.
	l.feedCommand(verb, argument, strings.TrimSpace(verb+" "+sent))
	return nil
}

// repeatedParameter returns the name of a parameter of MAIL or RCPT that stands
// there more than once: which one would count?
func repeatedParameter(argument string) string {
	_, path, _ := strings.Cut(argument, ":")
	_, parameters, err := mailaddr.ParsePath(path)
	if err != nil {
		return "" // the session says what is wrong with the path
	}
	seen := map[string]bool{}
	for field := range strings.FieldsSeq(parameters) {
		name, _, _ := strings.Cut(strings.ToUpper(field), "=")
		if seen[name] {
			return printable(name)
		}
		seen[name] = true
	}
	return ""
}

// allowedInClear are the commands that a session may use before the STARTTLS
// that it must issue (RFC 3207 §4).
func allowedInClear(verb string) bool {
	switch verb {
	case "NOOP", "EHLO", "STARTTLS", "QUIT":
		return true
	}
	return false
}

// feedCommand makes a line the next that go-smtp reads.
func (l *leg) feedCommand(verb, argument, line string) {
	l.verb, l.argument = verb, argument
	l.feed = append([]byte(line), "\r\n"...)
}

// refuse answers in place of go-smtp. The octets behind a refused BDAT are
// dropped, so that they are never taken for commands.
func (l *leg) refuse(r reply.Reply, verb, argument string) error {
	l.verb = ""
	l.answer = r.Append(l.answer)
	if verb != "BDAT" {
		return nil
	}
	c, err := parseChunk(argument)
	if err != nil {
		return l.hangUp(r)
	}
	l.chunk = c
	return nil
}

// commandBDAT has go-smtp judge the first chunk as DATA: what it may refuse is
// the same. The chunks are then read by readChunks.
func (l *leg) commandBDAT(argument string) error {
	c, err := parseChunk(argument)
	if err != nil {
		// Where the chunk ends is not known: the session cannot go on.
		return l.hangUp(reply.BadArgument(err.Error()))
	}
	l.chunk = c
	l.feedCommand("BDAT", argument, "DATA")
	return nil
}

// commandStartTLS is RFC 3207, with B16's replies.
func (l *leg) commandStartTLS(argument string) error {
	switch {
	case l.tls != nil:
		return l.refuse(reply.TLSActive(), "STARTTLS", argument)
	case !l.client.offerTLS:
		return l.refuse(reply.NotImplemented("STARTTLS"), "STARTTLS", argument)
	case argument != "":
		return l.refuse(reply.StartTLSArgument(), "STARTTLS", argument)
	}
	config := l.client.handler.tlsConfig(l.client.policy)
	if config == nil {
		return l.refuse(reply.TLSUnavailable(), "STARTTLS", argument)
	}
	if err := l.startTLS(config); err != nil {
		l.client.handshakeFailed(err)
		return err
	}
	l.client.encrypted(l.wire)
	l.retired = true
	l.client.handler.serve(&leg{wire: l.wire, client: l.client, greeted: true, muted: true})
	return io.EOF
}

// clampSize cuts a SIZE parameter that go-smtp could not hold down to one that
// is as much too big (RFC 1870 §6).
func clampSize(argument string) string {
	fields := strings.Fields(argument)
	for i, field := range fields {
		key, digits, _ := strings.Cut(field, "=")
		digits = strings.TrimLeft(digits, "0")
		if i > 0 && strings.EqualFold(key, "SIZE") && len(digits) > 9 && strings.Trim(digits, "0123456789") == "" {
			fields[i] = key + "=4294967295"
			return strings.Join(fields, " ")
		}
	}
	return argument
}

// completePostmaster adds the domain to <postmaster>, which go-smtp would not
// take without (RFC 5321 §4.5.1).
func (l *leg) completePostmaster(argument string) string {
	const keyword, bare = "TO:", "<postmaster>"
	if len(argument) < len(keyword) {
		return argument
	}
	path := strings.TrimLeft(argument[len(keyword):], " ")
	if len(path) < len(bare) || !strings.EqualFold(path[:len(bare)], bare) {
		return argument
	}
	domain := l.client.handler.listener.DefaultDomain
	return fmt.Sprintf("%s<postmaster@%s>%s", argument[:len(keyword)], domain, path[len(bare):])
}

// printable holds what a client says of itself to what may stand in a log, a
// reply and a Received field.
func printable(s string) string {
	s, _, _ = strings.Cut(s, " ")
	if len(s) > 255 {
		s = s[:255]
	}
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' || strings.ContainsRune("()<>\\\"", r) {
			return '?'
		}
		return r
	}, s)
}

// edit turns go-smtp's answer to the command under way into ours.
func (l *leg) edit(answer []byte) []byte {
	if len(answer) == 0 {
		return answer
	}
	verb := l.verb
	l.verb = ""
	done := answer[0] == '2'
	switch {
	case !l.greeted:
		l.greeted = true
		if done {
			return reply.Reply{Code: 220, Plain: true, Lines: []string{l.client.handler.listener.HostName.String() + " ESMTP"}}.Append(nil)
		}
	case verb == "EHLO" && done:
		return l.capabilities().Append(nil)
	case verb == "HELO" && done:
		return reply.Reply{Code: 250, Plain: true, Lines: []string{l.client.handler.listener.HostName.String()}}.Append(nil)
	case verb == "MAIL" && done:
		return reply.SenderAccepted().Append(nil)
	case verb == "RCPT" && done:
		return reply.RecipientAccepted().Append(nil)
	case verb == "QUIT" && done:
		return reply.Closing().Append(nil)
	case verb == "MAIL" || verb == "RCPT" || verb == "DATA" || verb == "BDAT":
		return mendCodes(answer)
	}
	return answer
}

// mendCodes replaces codes of go-smtp that RFC 5321 has others for: a command
// out of order is 503 (§4.1.4), an unknown parameter 555 (§4.1.1.11).
func mendCodes(answer []byte) []byte {
	for wrong, right := range map[string]string{"502 5.5.1": "503", "500 5.5.4": "555", "504 5.5.4": "555"} {
		if bytes.HasPrefix(answer, []byte(wrong)) {
			return append([]byte(right), answer[3:]...)
		}
	}
	return answer
}

// capabilities answers EHLO (B20). What is listed works end to end.
func (l *leg) capabilities() reply.Reply {
	lines := []string{
		l.client.handler.listener.HostName.String() + " greets " + printable(l.argument),
		"PIPELINING",
		fmt.Sprintf("SIZE %d", l.client.policy.MaxMessageBytes),
		"8BITMIME",
		"SMTPUTF8",
		"ENHANCEDSTATUSCODES",
		"CHUNKING",
		"DSN",
	}
	if l.client.offerTLS && l.tls == nil {
		lines = append(lines, "STARTTLS")
	}
	if l.offersRequireTLS() {
		lines = append(lines, "REQUIRETLS")
	}
	return reply.Reply{Code: 250, Plain: true, Lines: lines}
}
