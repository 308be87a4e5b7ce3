package mailaddr

import (
	"strings"

	"postern/domain"
)

// ErrSourceRoute is returned for a path with a source route, <@relay:user@host>.
// RFC 5321 appendix C has servers ignore or refuse them; B18 refuses.
var ErrSourceRoute error = domain.E(domain.Invalid, "source routes are not accepted: send the address without the part before the colon")

// ParsePath parses the argument of MAIL FROM: or RCPT TO: (RFC 5321 §4.1.1.2
// and §4.1.1.3): a path in angle brackets, then the ESMTP parameters, which it
// returns trimmed. Spaces around the path are tolerated, as many clients send
// "MAIL FROM: <a@b>".
//
// <> gives the null [Mailbox] and <postmaster>, in any case of letters, gives
// Local "postmaster" without a domain: whether the command allows these is for
// the caller to judge. A source route gives [ErrSourceRoute].
func ParsePath(arg string) (m Mailbox, rest string, err error) {
	content, rest, fault := cutPath(strings.Trim(arg, " \t"))
	if fault != "" {
		return Mailbox{}, "", domain.E(domain.Invalid, "%s is no path: %s", quote(arg), fault)
	}
	if m, err = parsePathContent(content); err != nil {
		return Mailbox{}, "", err
	}
	return m, rest, nil
}

// cutPath splits "<content> parameters".
func cutPath(s string) (content, params, fault string) {
	if !strings.HasPrefix(s, "<") {
		return "", "", "the address must stand in angle brackets"
	}
	end := closingBracket(s)
	if end < 0 {
		return "", "", "the closing angle bracket is missing"
	}
	content, params = s[1:end], s[end+1:]
	if params != "" && params[0] != ' ' && params[0] != '\t' {
		return "", "", "a space must stand between path and parameters"
	}
	return content, strings.TrimLeft(params, " \t"), ""
}

// closingBracket returns the index of the first > outside quotes, or -1.
func closingBracket(s string) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '>' && !quoted:
			return i
		}
	}
	return -1
}

// parsePathContent parses what stands between the angle brackets.
func parsePathContent(content string) (Mailbox, error) {
	switch {
	case content == "":
		return Mailbox{}, nil
	case strings.EqualFold(content, postmaster):
		return Mailbox{Local: postmaster}, nil
	case content[0] == '@':
		return Mailbox{}, sourceRoute(content)
	}
	return ParseMailbox(content)
}

// sourceRoute returns ErrSourceRoute where content is a source route and a
// mailbox, and a syntax error where it is neither.
func sourceRoute(content string) error {
	route, mailbox, found := strings.Cut(content, ":")
	if !found {
		return badAddress(content, "the part before @ is empty")
	}
	for hop := range strings.SplitSeq(route, ",") {
		host, _ := strings.CutPrefix(hop, "@")
		if _, err := ParseDomainName(host); err != nil {
			return err
		}
	}
	if _, err := ParseMailbox(mailbox); err != nil {
		return err
	}
	return ErrSourceRoute
}
