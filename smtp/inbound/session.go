package inbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	history "postern/domain/session"
	"postern/smtp/reply"
)

// session is one leg's life from EHLO on, in go-smtp's terms.
type session struct {
	leg  *leg
	helo string
	mail *transaction
}

// transaction is what is known of a message from MAIL on. It keeps the snapshot
// that was the newest then (design.md section 3).
type transaction struct {
	snapshot *config.Snapshot
	envelope delivery.Envelope
	to       []delivery.Recipient
}

var _ gosmtp.Session = (*session)(nil)

func newSession(c *gosmtp.Conn) (gosmtp.Session, error) {
	return &session{leg: legOf(c), helo: printable(c.Hostname())}, nil
}

// answer is a reply in the form in which go-smtp sends it.
func answer(r reply.Reply) error {
	return &gosmtp.SMTPError{Code: r.Code, EnhancedCode: gosmtp.EnhancedCode(r.Enhanced()), Message: r.Text()}
}

// Reset ends the transaction.
func (s *session) Reset() { s.mail = nil }

// Logout ends the session. The connection ends with it, unless STARTTLS has
// begun another leg.
func (s *session) Logout() error {
	s.mail = nil
	return nil
}

// Mail begins a transaction.
func (s *session) Mail(_ string, options *gosmtp.MailOptions) error {
	c := s.leg.client
	switch {
	case c.requireTLS && s.leg.tls == nil:
		return answer(c.refuse("starttls_required", reply.MustStartTLS())) // B15: the second fence
	case options.RequireTLS && s.leg.tls == nil:
		return answer(c.refuse("requiretls", reply.RequireTLSInClear())) // B58: the second fence
	case s.mail != nil:
		return answer(reply.BadSequence("a transaction is open already"))
	case c.messages >= c.policy.MessagesPerConnection:
		return s.leave(c.refuse("limit", reply.TooManyMessages()))
	case c.handler.deps.Queue.Accepting() != nil:
		return answer(c.refuse("spool", reply.LowSpace())) // B77
	}
	sender, err := pathOf(s.leg.argument, "FROM:")
	if err != nil {
		return answer(reply.SenderSyntax(err.Error()))
	}
	if sender.Domain == "" && !sender.Literal.IsValid() && !sender.IsNull() {
		return answer(reply.SenderSyntax("the sender needs a domain"))
	}
	if !isASCII(s.leg.argument) && !options.UTF8 {
		return answer(reply.NeedsSMTPUTF8())
	}
	c.record.AddSender(history.Sender{Address: sender, Encrypted: s.leg.tls != nil})
	if s.leg.tls == nil && c.policy.MustUseTLS(sender) {
		c.record.Refused++
		return answer(c.refuse("tls_mandatory_senders", reply.SenderMustUseTLS())) // B17: the session stays open
	}
	s.begin(sender, options)
	return nil
}

func (s *session) begin(sender mailaddr.Mailbox, options *gosmtp.MailOptions) {
	c := s.leg.client
	snapshot := c.handler.deps.Snapshot()
	s.mail = &transaction{snapshot: snapshot, envelope: delivery.Envelope{
		ID:         c.handler.deps.NewID(),
		Sender:     sender,
		Listener:   c.handler.listener.Name,
		ClientAddr: c.addr.String(),
		ClientHELO: s.helo,
		ClientTLS:  c.tls,
		UTF8:       options.UTF8,
		RequireTLS: options.RequireTLS, // B55
		Return:     string(options.Return),
		EnvelopeID: options.EnvelopeID,
		Revision:   snapshot.Revision,
	}}
}

// leave answers and ends the connection with the answer.
func (s *session) leave(r reply.Reply) error {
	s.leg.ending = true
	return answer(r)
}

// pathOf reads the path behind FROM: or TO: itself: go-smtp's own reading loses
// the quotes of a local part.
func pathOf(argument, keyword string) (mailaddr.Mailbox, error) {
	if len(argument) < len(keyword) || !strings.EqualFold(argument[:len(keyword)], keyword) {
		return mailaddr.Mailbox{}, fmt.Errorf("expected %s<address>", keyword)
	}
	path, _, err := mailaddr.ParsePath(argument[len(keyword):])
	return path, err
}

// isASCII reports whether a command says nothing that needs SMTPUTF8, in the
// local part or in the domain (RFC 6531 §3.3).
func isASCII(argument string) bool { return !hasEightBit([]byte(argument)) }

// Rcpt adds a recipient, if the policy lets mail for it in (B18).
func (s *session) Rcpt(_ string, options *gosmtp.RcptOptions) error {
	if s.mail == nil {
		return answer(reply.BadSequence("MAIL must come first"))
	}
	c := s.leg.client
	to, err := s.recipient()
	switch {
	case errors.Is(err, mailaddr.ErrSourceRoute):
		return answer(c.refuse("relay", reply.RelayDenied())) // B18
	case err != nil:
		return answer(reply.RecipientSyntax(err.Error()))
	case !isASCII(s.leg.argument) && !s.mail.envelope.UTF8:
		return answer(reply.NeedsSMTPUTF8())
	case !s.allowed(to):
		return answer(c.refuse("relay", reply.RelayDenied()))
	case len(s.mail.to) >= c.policy.RecipientsPerMessage:
		return answer(c.refuse("limit", reply.TooManyRecipients()))
	case !c.handler.deps.Limits.countRecipient(c.addr, c.policy.RecipientsPerHour, c.handler.deps.Now()):
		return answer(c.refuse("limit", reply.TooManyRecipientsPerHour()))
	}
	s.mail.add(to, options)
	return nil
}

func (s *session) recipient() (mailaddr.Mailbox, error) {
	to, err := pathOf(s.leg.argument, "TO:")
	switch {
	case err != nil:
		return to, err
	case to.IsNull():
		return to, errors.New("a recipient is needed")
	case to.Domain == "" && !to.Literal.IsValid():
		to.Domain = s.leg.client.handler.listener.DefaultDomain // <postmaster>
	}
	return to, nil
}

// allowed is B18: hosted domains for everyone, anything for relay policies,
// whatever the local part looks like.
func (s *session) allowed(to mailaddr.Mailbox) bool {
	if s.leg.client.policy.Action == policy.ActionRelay {
		return true
	}
	return to.Domain != "" && s.mail.snapshot.Hosts(to.Domain)
}

func (t *transaction) add(to mailaddr.Mailbox, options *gosmtp.RcptOptions) {
	r := delivery.Recipient{Index: len(t.to)}
	r.Address, r.RequireTLS = t.snapshot.Settings.RequireTLS.Tagged(to) // B55
	if r.Address != to {
		// RFC 3461 §5.2.1: notices name the address that the sender knows.
		r.OriginalRecipient = addressType(to) + ";" + to.String()
	}
	words := make([]string, len(options.Notify))
	for i, n := range options.Notify {
		words[i] = string(n)
	}
	r.Notify = strings.Join(words, ",")
	if options.OriginalRecipient != "" {
		r.OriginalRecipient = string(options.OriginalRecipientType) + ";" + options.OriginalRecipient
	}
	t.to = append(t.to, r)
}

// addressType is how ORCPT names the kind of an address (RFC 3461 §4.2, RFC 6533
// §3).
func addressType(m mailaddr.Mailbox) string {
	if m.IsASCII() {
		return "rfc822"
	}
	return "utf-8"
}

// Data takes the message over from the wire, whichever command carries it, and
// returns the queue's word. go-smtp's reader is not used: the wire has the
// octets (see leg.readBody).
func (s *session) Data(io.Reader) error {
	t, c := s.mail, s.leg.client
	t.envelope.ReceivedAt = c.handler.deps.Now().UTC()
	body := c.handler.deps.Queue.NewBody(t.envelope.ID)
	check, err := s.receive(body, t)
	if err != nil {
		body.Abort()
		// The client is gone or has given up: nobody hears this.
		return answer(reply.TimedOut())
	}
	if check.refused != nil {
		body.Abort()
		return s.refused(*check.refused)
	}
	if check.err != nil {
		body.Abort()
		return s.notStored(check.err)
	}
	if err := s.filter(body, check); err != nil {
		body.Abort()
		return err
	}
	if r := s.inspect(body); r != nil {
		body.Abort()
		return s.refused(s.leg.client.refuse("inspection", *r))
	}
	return s.enqueue(body, check)
}

// receive reads the message into the body, behind our Received field.
func (s *session) receive(body delivery.BodyWriter, t *transaction) (*content, error) {
	p, received := s.leg.client.policy, s.received(t)
	check := &content{
		dst: body, maxBytes: p.MaxMessageBytes, maxHeader: p.MaxHeaderBytes, maxLine: p.MaxLineBytes,
		trace: int64(len(received)), keep: t.snapshot.ContentFilters().ReadsHeader(),
	}
	if _, err := body.Write(received); err != nil {
		check.err = err
	}
	if err := s.leg.readBody(check); err != nil {
		return nil, err
	}
	check.finish()
	return check, nil
}

// inspect has the content judged, where the settings say so; nil where the
// message may go on (B34). The client waits: nothing is read from it meanwhile.
func (s *session) inspect(body delivery.BodyWriter) *reply.Reply {
	t, h := s.mail, s.leg.client.handler
	if !t.snapshot.Settings.Inspection.Enabled {
		return nil
	}
	content, err := body.Written()
	if err != nil {
		s.leg.client.log("not stored", slog.String("error", err.Error()))
		r := reply.SpoolUnavailable()
		return &r
	}
	return h.deps.Inspector.Inspect(h.work, t.snapshot, t.envelope.ID, content)
}

// enqueue says 250 only after the message is durable (B74).
func (s *session) enqueue(body delivery.BodyWriter, check *content) error {
	t, c := s.mail, s.leg.client
	stored, err := body.Finish()
	if err != nil {
		return s.notStored(err)
	}
	t.envelope.Size = stored.Size()
	t.envelope.EightBit = check.eightBit
	t.envelope.TLSRequiredNo = t.liftsRemotePolicy(check)
	t.envelope.UTF8 = t.envelope.UTF8 && (check.utf8Head || !t.ascii())
	m := &delivery.Message{Envelope: t.envelope, Recipients: t.to, Body: stored}
	if err := c.handler.deps.Queue.Enqueue(context.Background(), m); err != nil {
		return s.notStored(err)
	}
	c.messages++
	c.observeMessage()
	s.reportAccepted()
	c.handler.deps.Metrics.message(c.handler.listener.Name, "accepted", t.envelope.Size)
	c.log("accepted", "queue_id", t.envelope.ID.String(), "from", t.envelope.Sender.String(),
		"recipients", len(t.to), "size", t.envelope.Size)
	return answer(reply.Queued(t.envelope.ID.String()))
}

// ascii reports whether no address needs SMTPUTF8; the parameter alone does not
// bind the next hop (RFC 6531 §3.4).
func (t *transaction) ascii() bool {
	for _, r := range t.to {
		if !r.Address.IsASCII() {
			return false
		}
	}
	return t.envelope.Sender.IsASCII()
}

// notStored answers a message that the queue did not take (B77).
func (s *session) notStored(err error) error {
	s.leg.client.log("not stored", slog.String("error", err.Error()))
	return s.refused(reply.SpoolUnavailable())
}

func (s *session) refused(r reply.Reply) error {
	c := s.leg.client
	c.record.Refused++
	c.refuse("message", r)
	c.handler.deps.Metrics.message(c.handler.listener.Name, "refused", 0)
	c.log("message refused", "reply", r.String(), "from", s.mail.envelope.Sender.String())
	return answer(r)
}

// received is our Received field (RFC 5321 §4.4, RFC 3848, RFC 6531 §3.7.3).
func (s *session) received(t *transaction) []byte {
	c := s.leg.client
	with := "ESMTP"
	if t.envelope.UTF8 {
		with = "UTF8SMTP"
	}
	detail := ""
	if c.tls.Encrypted() {
		with += "S"
		detail = fmt.Sprintf("\r\n\t(%s, %s)", c.tls.Version, c.tls.Cipher)
	}
	if c.subject != "" {
		detail += fmt.Sprintf("\r\n\t(client certificate %s)", c.subject)
	}
	return fmt.Appendf(nil, "Received: from %s (%s)%s\r\n\tby %s with %s id %s;\r\n\t%s\r\n",
		s.helo, c.source(), detail, c.handler.listener.HostName, with, t.envelope.ID,
		t.envelope.ReceivedAt.Format(time.RFC1123Z))
}

// source is the client in a Received field: confirmed name and address.
func (c *client) source() string {
	literal := "[" + c.addr.String() + "]"
	if c.addr.Is6() {
		literal = "[IPv6:" + c.addr.String() + "]"
	}
	if len(c.names) > 0 {
		return c.names[0].String() + " " + literal
	}
	return literal
}
