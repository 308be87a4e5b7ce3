package outbound

import (
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"postern/domain/delivery"
	"postern/smtp/reply"
)

// addressee is a recipient with what became of it; nil as long as nothing did.
type addressee struct {
	*delivery.Recipient
	outcome *delivery.Outcome
	dsn     bool // the peer knows what the sender wants to hear of
	held    bool // the address that is tried now has no room for it (B21)
}

func (a *addressee) settle(o delivery.Outcome) { a.outcome = &o }

// maxBatch bounds the recipients of a transaction, which go out in one write:
// RFC 5321 §4.5.3.1.8 has every peer take a hundred, and the replies to them
// fit into the buffers on the way, so that neither end waits for the other (RFC
// 2920 §3.1).
const maxBatch = 100

// transaction is one MAIL, RCPT, DATA sequence for some recipients of a message.
type transaction struct {
	*client
	message    *delivery.Message
	requireTLS bool
	recipients []*addressee
	accepted   []*addressee
	// refused is the reply that turned the sender down.
	refused *reply.Reply
	// data is the reply to DATA.
	data reply.Reply
}

// step is a command of a batch, what to do with its reply, and how long to wait
// for it. Take returns false where the following commands make no sense any
// more; they may be on their way already.
type step struct {
	command string
	timeout time.Duration
	take    func(reply.Reply) bool
}

// send hands the message over for the recipients, at most maxBatch, and settles
// those whose outcome is final for this attempt. Those that it leaves unsettled
// may be tried again: elsewhere where it returns a failure, over this
// connection where it returns none.
func (c *client) send(ctx context.Context, m *delivery.Message, recipients []*addressee, requireTLS bool) *failure {
	c.guard(ctx, 0)
	defer c.unguard()
	t := &transaction{client: c, message: m, requireTLS: requireTLS}
	if t.recipients = t.fitting(recipients); len(t.recipients) == 0 {
		return nil
	}
	if f := t.exchange(ctx, t.steps()); f != nil {
		return f
	}
	c.unclean = true
	if len(t.accepted) > 0 {
		return t.transfer(ctx)
	}
	if f := t.withdraw(ctx); f != nil {
		return f
	}
	return t.refuse()
}

// fitting settles what the peer cannot carry and returns the rest.
func (t *transaction) fitting(recipients []*addressee) []*addressee {
	misfit, all := t.offers.misfit(&t.message.Envelope)
	var rest []*addressee
	for _, a := range recipients {
		if r, one := t.offers.recipientMisfit(a.Recipient); all {
			a.settle(ownOutcome(delivery.StageTransfer, misfit))
		} else if one {
			a.settle(ownOutcome(delivery.StageTransfer, r))
		} else {
			rest = append(rest, a)
		}
	}
	return rest
}

// steps are the commands up to the content. BDAT is not among them although it
// could be pipelined: a peer that refuses MAIL and fails to swallow the chunk
// would take the content for commands.
func (t *transaction) steps() []step {
	var steps []step
	if t.unclean {
		steps = append(steps, step{"RSET", t.timeouts.Mail, t.takeAny})
	}
	steps = append(steps, step{t.offers.mailCommand(&t.message.Envelope, t.needsUTF8(), t.requireTLS), t.timeouts.Mail, t.takeMail})
	for i, a := range t.recipients {
		last := i == len(t.recipients)-1
		steps = append(steps, step{t.offers.recipientCommand(a.Recipient), t.timeouts.Recipient, func(r reply.Reply) bool {
			t.takeRecipient(a, r)
			return !last || len(t.accepted) > 0
		}})
	}
	if !t.offers.chunking {
		steps = append(steps, step{"DATA", t.timeouts.DataStart, t.takeData})
	}
	return steps
}

func (t *transaction) needsUTF8() bool {
	if needsUTF8(&t.message.Envelope) {
		return true
	}
	for _, a := range t.recipients {
		if !a.Address.IsASCII() {
			return true
		}
	}
	return false
}

// exchange sends the commands and takes their replies: all at once where the
// peer knows PIPELINING (RFC 2920), else one by one.
func (t *transaction) exchange(ctx context.Context, steps []step) *failure {
	size := 1
	if t.offers.pipelining {
		size = len(steps)
	}
	for ; len(steps) > 0; steps = steps[size:] {
		goOn, f := t.batch(ctx, steps[:size])
		if f != nil || !goOn {
			return f
		}
	}
	return nil
}

// batch sends commands in one write and takes a reply for each.
func (t *transaction) batch(ctx context.Context, steps []step) (goOn bool, f *failure) {
	for _, s := range steps {
		t.line(s.command)
	}
	if err := t.flush(); err != nil {
		return false, failed(ctx, delivery.StageTransfer, err)
	}
	for _, s := range steps {
		r, err := t.reply(s.timeout)
		switch {
		case err != nil:
			return false, failed(ctx, delivery.StageTransfer, err)
		case r.Code == 421:
			// RFC 5321 §3.8: the peer closes the connection, whatever was asked.
			return false, refusedBy(delivery.StageTransfer, r)
		}
		goOn = s.take(r)
	}
	return goOn, nil
}

// takeAny takes a reply that changes nothing.
func (t *transaction) takeAny(reply.Reply) bool { return true }

func (t *transaction) takeMail(r reply.Reply) bool {
	if !r.Positive() {
		t.refused = &r
	}
	return r.Positive()
}

// takeRecipient notes who was accepted and settles who was not.
func (t *transaction) takeRecipient(a *addressee, r reply.Reply) {
	switch {
	case t.refused != nil: // Then this is no word about the recipient.
	case r.Positive():
		t.accepted = append(t.accepted, a)
	case tooManyRecipients(r) && len(t.accepted) > 0: // The next transaction has room.
	default:
		a.settle(remoteOutcome(delivery.StageTransfer, temporarily(r)))
	}
}

// tooManyRecipients recognises the reply to one recipient more than the peer
// takes at a time. RFC 5321 §4.5.3.1.10: it is 452; old peers say 552.
func tooManyRecipients(r reply.Reply) bool {
	inPlain := r.Plain || r.Status == reply.Status{Subject: 5, Detail: 3}
	return (r.Code == 452 || r.Code == 552) && inPlain
}

// temporarily turns a 552 for too many recipients into the 452 that is meant.
func temporarily(r reply.Reply) reply.Reply {
	if tooManyRecipients(r) {
		r.Code = 452
	}
	return r
}

func (t *transaction) takeData(r reply.Reply) bool {
	t.data = r
	return true
}

// withdraw ends a transaction without recipients. Where DATA was sent along and
// the peer says 354 all the same, nothing but the end may follow (RFC 2920
// §3.1).
func (t *transaction) withdraw(ctx context.Context) *failure {
	if !t.data.Intermediate() {
		return nil
	}
	t.line(".")
	if err := t.flush(); err != nil {
		return failed(ctx, delivery.StageTransfer, err)
	}
	if _, err := t.reply(t.timeouts.DataEnd); err != nil {
		return failed(ctx, delivery.StageTransfer, err)
	}
	return nil
}

// refuse ends a transaction whose sender was turned down.
func (t *transaction) refuse() *failure {
	switch {
	case t.refused == nil:
		return nil
	case !t.refused.Permanent():
		return refusedBy(delivery.StageTransfer, *t.refused)
	}
	t.settleAll(t.recipients, *t.refused)
	return nil
}

// transfer sends the content to the accepted recipients and settles them. From
// here on nobody is left to be tried elsewhere at once: what failed half-way is
// deferred, since trying again may double it.
func (t *transaction) transfer(ctx context.Context) *failure {
	if !t.offers.chunking && !t.data.Intermediate() {
		t.settleAll(t.accepted, t.data)
		return nil
	}
	if err := t.writeContent(); err != nil {
		return t.breakOff(ctx, err)
	}
	// Stopping now would leave open whether the message was taken.
	t.guard(ctx, t.timeouts.StopDuring)
	r, err := t.reply(t.timeouts.DataEnd)
	switch {
	case err != nil:
		return t.deferAll(failed(ctx, delivery.StageTransfer, err))
	case r.Intermediate():
		return t.deferAll(&failure{stage: delivery.StageTransfer, class: garbled, detail: "no reply to the end of the content: " + r.String()})
	}
	t.settleAll(t.accepted, r)
	t.unclean = !r.Positive()
	if r.Code == 421 {
		return refusedBy(delivery.StageTransfer, r)
	}
	return nil
}

// writeContent sends the body, by BDAT where the peer knows it (RFC 3030), else
// behind DATA.
func (t *transaction) writeContent() error {
	body, err := t.message.Body.Open()
	if err != nil {
		return err
	}
	defer body.Close()
	if t.offers.chunking {
		err = t.writeChunk(body, t.message.Body.Size())
	} else {
		err = t.writeData(body)
	}
	if err != nil {
		return err
	}
	return t.flush()
}

// writeChunk sends the body as a single chunk. A body with fewer octets than
// announced is an error: the peer would take what follows for content.
func (t *transaction) writeChunk(body io.Reader, size int64) error {
	t.line("BDAT " + strconv.FormatInt(size, 10) + " LAST")
	_, err := io.CopyN(t.out, body, size)
	return err
}

func (t *transaction) writeData(body io.Reader) error {
	content := newDotWriter(t.out)
	if _, err := io.Copy(content, body); err != nil {
		return err
	}
	return content.Close()
}

// breakOff ends a transaction whose content did not go out. A peer that closes
// in the middle has often said why.
func (t *transaction) breakOff(ctx context.Context, err error) *failure {
	if t.writeErr == nil {
		return t.deferAll(bodyFailure(err))
	}
	if r, err := t.reply(t.timeouts.LastWords); err == nil && !r.Positive() && !r.Intermediate() {
		t.settleAll(t.accepted, r)
		return refusedBy(delivery.StageTransfer, r)
	}
	return t.deferAll(failed(ctx, delivery.StageTransfer, t.writeErr))
}

func bodyFailure(err error) *failure {
	f := &failure{stage: delivery.StageTransfer, class: bodyFailed, detail: "the message cannot be read here"}
	if errors.Is(err, errBareLineFeed) {
		f.class, f.detail = bodySpoiled, err.Error()
	}
	return f
}

// deferAll settles the accepted recipients by the failure, which is returned.
func (t *transaction) deferAll(f *failure) *failure {
	r := f.ownReply()
	for _, a := range t.accepted {
		a.settle(ownOutcome(f.stage, r))
	}
	return f
}

func (t *transaction) settleAll(list []*addressee, r reply.Reply) {
	for _, a := range list {
		a.settle(remoteOutcome(delivery.StageTransfer, r))
		a.dsn = t.offers.dsn
	}
}
