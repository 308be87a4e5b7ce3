package persistence

import (
	"encoding/json"
	"time"

	"postern/domain/delivery"
	"postern/domain/mailaddr"
)

// envelopeDocument is what the column messages.envelope holds.
type envelopeDocument struct {
	Listener   string              `json:"listener,omitempty"`
	ClientAddr string              `json:"client_addr,omitempty"`
	ClientHELO string              `json:"client_helo,omitempty"`
	ClientTLS  delivery.SessionTLS `json:"client_tls"`
	EightBit   bool                `json:"eight_bit,omitempty"`
	UTF8       bool                `json:"utf8,omitempty"`
	RequireTLS bool                `json:"require_tls,omitempty"`
	Return     string              `json:"return,omitempty"`
	EnvelopeID string              `json:"envelope_id,omitempty"`
	Revision   int64               `json:"revision"`

	TLSRequiredNo bool `json:"tls_required_no,omitempty"`
}

func envelopeDocumentOf(e *delivery.Envelope) envelopeDocument {
	return envelopeDocument{
		Listener: e.Listener, ClientAddr: e.ClientAddr, ClientHELO: e.ClientHELO, ClientTLS: e.ClientTLS,
		EightBit: e.EightBit, UTF8: e.UTF8, RequireTLS: e.RequireTLS, TLSRequiredNo: e.TLSRequiredNo,
		Return: e.Return, EnvelopeID: e.EnvelopeID, Revision: e.Revision,
	}
}

func (d envelopeDocument) fill(e *delivery.Envelope) {
	e.Listener, e.ClientAddr, e.ClientHELO, e.ClientTLS = d.Listener, d.ClientAddr, d.ClientHELO, d.ClientTLS
	e.EightBit, e.UTF8, e.RequireTLS, e.TLSRequiredNo = d.EightBit, d.UTF8, d.RequireTLS, d.TLSRequiredNo
	e.Return, e.EnvelopeID, e.Revision = d.Return, d.EnvelopeID, d.Revision
}

// resultDocument is an element of the column attempts.results.
type resultDocument struct {
	Recipient int              `json:"recipient"`
	Outcome   delivery.Outcome `json:"outcome"`
	DSN       bool             `json:"dsn,omitempty"`
}

func resultDocumentsOf(results []delivery.Result) []resultDocument {
	documents := make([]resultDocument, len(results))
	for i, r := range results {
		documents[i] = resultDocument(r)
	}
	return documents
}

// appendMessage appends a row of messages.
func appendMessage(values []any, m *delivery.Message, inFile bool) ([]any, error) {
	document, err := json.Marshal(envelopeDocumentOf(&m.Envelope))
	if err != nil {
		return nil, err
	}
	return append(values, int64(m.ID), m.Sender.String(), micros(m.ReceivedAt), m.Body.Size(),
		m.Held, m.HeldReason, m.DelayNoticeSent, inFile, string(document)), nil
}

// appendRecipients appends the rows of recipients of a message.
func appendRecipients(values []any, m *delivery.Message) []any {
	for i := range m.Recipients {
		r := &m.Recipients[i]
		waiting, next := !m.Held, micros(r.NextAttempt)
		if !waiting {
			next = 0
		}
		values = append(values, int64(m.ID), i, r.Address.String(), delivery.Destination(r.Address).String(),
			r.Notify, r.OriginalRecipient, r.RequireTLS, waiting, next)
	}
	return values
}

// progressValues are the values of updateRecipientSQL.
func progressValues(id delivery.MessageID, p *delivery.Progress) ([]any, error) {
	outcome, err := json.Marshal(p.Last)
	if err != nil {
		return nil, err
	}
	waiting, next := !p.State.Final(), micros(p.NextAttempt)
	if !waiting {
		next = 0
	}
	return []any{int(p.State), waiting, p.Attempts, next, string(outcome), int64(id), p.Recipient, p.Fence}, nil
}

// appendAttempt appends a row of attempts.
func appendAttempt(values []any, id delivery.MessageID, a *delivery.Attempt, decision []byte) ([]any, error) {
	hosts, err := json.Marshal(a.Hosts)
	if err != nil {
		return nil, err
	}
	results, err := json.Marshal(resultDocumentsOf(a.Results))
	if err != nil {
		return nil, err
	}
	return append(values, int64(id), int64(a.Message), micros(a.At), a.Duration.Microseconds(), a.Revision, decision,
		a.Host, a.Address, a.TLS.Version, a.TLS.Cipher, a.TLS.Verified, a.TLS.Verification, a.Reused,
		string(hosts), string(results)), nil
}

// scanner is a row that is being read.
type scanner interface{ Scan(...any) error }

// messageColumns are what scanMessage reads.
const messageColumns = "id, sender, received_at, size, held, held_reason, told, in_file, envelope, COALESCE(finished_at, 0)"

// scanMessage reads a row of messages; the recipients are read apart. A message
// that is not finished has a body.
func (q *QueueStore) scanMessage(row scanner) (m *delivery.Message, finishedAt time.Time, err error) {
	var sender, document string
	var id, receivedAt, finished int64
	var inFile bool
	m = new(delivery.Message)
	if err := row.Scan(&id, &sender, &receivedAt, &m.Size, &m.Held, &m.HeldReason, &m.DelayNoticeSent, &inFile, &document, &finished); err != nil {
		return nil, time.Time{}, err
	}
	if err := m.Sender.UnmarshalText([]byte(sender)); err != nil {
		return nil, time.Time{}, err
	}
	var rest envelopeDocument
	if err := json.Unmarshal([]byte(document), &rest); err != nil {
		return nil, time.Time{}, err
	}
	rest.fill(&m.Envelope)
	m.ID, m.ReceivedAt = delivery.MessageID(id), moment(receivedAt)
	if finished != 0 {
		return m, moment(finished), nil
	}
	m.Body = q.body(m.ID, m.Size, inFile)
	return m, time.Time{}, nil
}

// recipientColumns are what scanRecipient reads.
const recipientColumns = "message_id, idx, address, notify, original, require_tls, state, attempts, next_attempt_at, fence, last_outcome"

// scanRecipient reads a row of recipients.
func scanRecipient(row scanner) (id delivery.MessageID, r delivery.Recipient, fence int64, err error) {
	var message, next int64
	var address, outcome string
	var state uint8
	if err = row.Scan(&message, &r.Index, &address, &r.Notify, &r.OriginalRecipient, &r.RequireTLS,
		&state, &r.Attempts, &next, &fence, &outcome); err != nil {
		return 0, r, 0, err
	}
	r.State = delivery.RecipientState(state)
	if next != 0 {
		r.NextAttempt = moment(next)
	}
	if outcome != "" {
		if err = json.Unmarshal([]byte(outcome), &r.Last); err != nil {
			return 0, r, 0, err
		}
	}
	r.Address, err = parseStored(address)
	return delivery.MessageID(message), r, fence, err
}

// parseStored reads an address as it was stored.
func parseStored(address string) (m mailaddr.Mailbox, err error) {
	err = m.UnmarshalText([]byte(address))
	return m, err
}
