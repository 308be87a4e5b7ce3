package queue

import (
	"io"
	"log/slog"
	"slices"
	"time"

	"postern/domain/config"
	"postern/domain/delivery"
)

// notices writes the messages that tell senders what became of their mail.
type notices struct {
	snapshot func() *config.Snapshot
	clock    *clock
	now      func() time.Time // for what people read
	newID    func() delivery.MessageID
	logger   *slog.Logger
}

// add gives the plan's settlement the notices that are due.
func (n *notices) add(p *plan) {
	failed := asking(p.failed, notifyFailure)
	if p.message.Sender.IsNull() {
		// RFC 5321 §6.1: never answer the null reverse path.
		for _, r := range p.failed {
			n.logger.Info("bounce discarded", slog.String("queue_id", p.message.ID.String()),
				slog.String("to", r.Address.String()), slog.String("reason", "null sender"))
		}
		return
	}
	if len(failed) > 0 {
		p.settlement.Notices = append(p.settlement.Notices, n.message(p, actionFailed, failed))
	}
	if len(p.delayed) > 0 {
		p.settlement.Notices = append(p.settlement.Notices, n.message(p, actionDelayed, p.delayed))
	}
	if len(p.relayed) > 0 {
		p.settlement.Notices = append(p.settlement.Notices, n.message(p, actionRelayed, p.relayed))
	}
}

// asking returns the recipients of whose fate the sender wants to hear.
func asking(recipients []delivery.Recipient, word string) (list []delivery.Recipient) {
	for _, r := range recipients {
		if asks(r, word) {
			list = append(list, r)
		}
	}
	return list
}

// message makes the notice as a message of its own, to be queued.
func (n *notices) message(p *plan, action action, recipients []delivery.Recipient) *delivery.Message {
	snapshot, original := n.snapshot(), p.message
	r := report{
		original: original, action: action, recipients: recipients,
		host: snapshot.Settings.Outbound.HostName.String(), attempt: p.settlement.Attempt,
		id: n.newID(), now: n.now(), utf8: !original.Sender.IsASCII(),
		retryUntil: original.ReceivedAt.Add(delivery.ScheduleOf(p.settings).Lifetime),
	}
	var err error
	if r.returned, r.full, err = returned(original, action, recipients); err != nil {
		n.logger.Warn("message not returned with its notice",
			slog.String("queue_id", original.ID.String()), slog.Any("error", err))
	}
	body := r.format()
	at := n.clock.Now()
	return &delivery.Message{
		Envelope: delivery.Envelope{
			ID: r.id, ReceivedAt: at, Size: int64(len(body)), Revision: snapshot.Revision,
			EightBit: !isASCII(body), UTF8: r.utf8,
		},
		// RFC 3461 §6: a notice asks for none about itself.
		Recipients: []delivery.Recipient{{Address: original.Sender, Notify: "NEVER", NextAttempt: at}},
		Body:       delivery.BytesBody(body),
	}
}

// What a notice returns of the message.
const (
	maxReturnedMessage = 100 << 10
	maxReturnedHeader  = 64 << 10
)

// returned reads what a notice returns of the message: all of it if the sender
// asked for that, something failed and it is small, else its header (RFC 3461
// §4.3). REQUIRETLS
// mail returns without its body whatever was asked (B57; RFC 8689 §5).
func returned(m *delivery.Message, a action, about []delivery.Recipient) (content []byte, full bool, err error) {
	secret := slices.ContainsFunc(about, func(r delivery.Recipient) bool { return m.RequiresTLS(r.Index) })
	full = m.Return == "FULL" && a == actionFailed && !secret && m.Size <= maxReturnedMessage
	reader, err := m.Body.Open()
	if err != nil {
		return nil, false, err
	}
	defer reader.Close()
	limit := int64(maxReturnedHeader)
	if full {
		limit = maxReturnedMessage
	}
	if content, err = io.ReadAll(io.LimitReader(reader, limit)); err != nil {
		return nil, false, err
	}
	if !full {
		content = headerOf(content)
	}
	return content, full, nil
}
