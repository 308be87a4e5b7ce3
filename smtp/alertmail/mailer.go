package alertmail

import (
	"context"
	"fmt"
	"time"

	"postern/domain/alert"
	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/smtp/outbound"
)

// Mailer sends alert mail. It is safe for concurrent use.
type Mailer struct {
	snapshot func() *config.Snapshot
	now      func() time.Time
	newID    func() delivery.MessageID
	outbound *outbound.Deliverer
}

// NewMailer returns a mailer that makes connections by the means of deps, which
// are those of ordinary mail: resolver, dialer, trust. What it does with them is
// its own: configuration, timeouts, one-hour list, and no connection is kept.
func NewMailer(deps outbound.Dependencies, newID func() delivery.MessageID) *Mailer {
	m := &Mailer{snapshot: deps.Snapshot, now: deps.Now, newID: newID}
	deps.Snapshot = m.ownConfiguration
	deps.OneHour = outbound.NewOneHourList(deps.Now)
	deps.Timeouts = timeouts()
	deps.Pool = outbound.PoolLimits{}
	m.outbound = outbound.New(deps)
	return m
}

// timeouts are shorter than those of mail that can wait.
func timeouts() outbound.Timeouts {
	const patience = 20 * time.Second
	return outbound.Timeouts{
		Connect: 10 * time.Second, Greeting: patience, Hello: patience, Handshake: patience,
		Mail: patience, Recipient: patience, DataStart: patience, DataBlock: patience, DataEnd: patience,
		Quit: time.Second, LastWords: time.Second, StopDuring: time.Second,
	}
}

// ownConfiguration is that of the path: opportunistic TLS to everywhere, by the
// smart host where there is one, and none of the rules for ordinary mail. Only
// our name, the resolvers and the TLS versions are shared with those.
func (m *Mailer) ownConfiguration() *config.Snapshot {
	settings := m.snapshot().Settings
	tls := settings.TLS
	tls.RetryWithoutTLS = true // an alert about TLS must arrive
	level := policy.TLSPreferred
	edits := []config.Edit{
		{Kind: config.KindSettings, Key: config.SectionTLS, Value: tls},
		{Kind: config.KindSettings, Key: config.SectionOutbound, Value: settings.Outbound},
		{Kind: config.KindDestinationControl, Key: "default", Value: policy.DestinationControl{TLSLevel: &level}},
	}
	if hop, ok := settings.Alerts.NextHop(); ok {
		edits = append(edits, config.Edit{
			Kind: config.KindRoute, Key: "ALL", Value: policy.Route{NextHops: []policy.NextHop{hop}},
		})
	}
	own, err := config.Compile(edits...)
	if err != nil {
		panic(err) // the kinds and keys are constants of ours
	}
	return own
}

// Send makes one try to mail the alert to the recipient. It returns nil when a
// peer has taken it, and an error that is final where another try is of no use.
func (m *Mailer) Send(ctx context.Context, to policy.AlertRecipient, a alert.Alert) error {
	attempt := m.outbound.Deliver(ctx, m.message(to, a), []int{0})
	o := attempt.Results[0].Outcome
	err := fmt.Errorf("%s by %s: %d %s %s", o.Status, hostOf(attempt), o.Code, o.Enhanced, o.Text)
	switch o.Status {
	case delivery.Delivered:
		return nil
	case delivery.Bounced:
		return final{err}
	}
	return err
}

func hostOf(a delivery.Attempt) string {
	if a.Host == "" {
		return "ourselves"
	}
	return a.Host
}

// message is the alert as a message to the recipient.
func (m *Mailer) message(to policy.AlertRecipient, a alert.Alert) *delivery.Message {
	settings := m.snapshot().Settings
	text := letter{
		from: sender(settings), to: to.Address, prefix: to.SubjectPrefix, alert: a,
		gateway: settings.Outbound.HostName, date: m.now(), id: m.newID(),
	}
	body := text.format()
	return &delivery.Message{
		Envelope: delivery.Envelope{
			ID: text.id, Sender: text.from, ReceivedAt: text.date, Size: int64(len(body)),
			UTF8: !to.Address.IsASCII(), EightBit: !to.Address.IsASCII(),
		},
		Recipients: []delivery.Recipient{{Address: to.Address}},
		Body:       delivery.BytesBody(body),
	}
}

// sender is who alert mail is from.
func sender(s policy.Settings) mailaddr.Mailbox {
	if !s.Alerts.From.IsNull() {
		return s.Alerts.From
	}
	return mailaddr.Mailbox{Local: "postern", Domain: s.Outbound.HostName}
}
