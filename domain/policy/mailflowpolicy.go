package policy

import (
	"slices"

	"postern/domain"
	"postern/domain/mailaddr"
)

// FlowAction is what happens to a connection (B14).
type FlowAction string

// The actions of a mail flow policy.
const (
	ActionAccept    FlowAction = "accept"     // mail for hosted domains
	ActionRelay     FlowAction = "relay"      // any recipient
	ActionReject    FlowAction = "reject"     // 554 banner
	ActionTCPRefuse FlowAction = "tcp_refuse" // the connection is closed unanswered
	ActionContinue  FlowAction = "continue"   // look further down the table
)

// FlowParameters are the part of a mail flow policy that can be inherited.
// A zero field is unset.
type FlowParameters struct {
	TLS ListenerTLS `json:"tls,omitempty"`
	// VerifyClientCertificate asks clients for a certificate: under TLS required
	// a valid one is needed, else an invalid one is refused (B17). Nil is unset.
	VerifyClientCertificate *bool `json:"verify_client_certificate,omitempty"`
	// TLSMandatorySenders may send under TLS only, whatever TLS says (B17). Nil
	// is unset; an empty list is nobody.
	TLSMandatorySenders   []mailaddr.AddressPattern `json:"tls_mandatory_senders,omitzero"`
	MessagesPerConnection int                       `json:"messages_per_connection,omitempty"`
	RecipientsPerMessage  int                       `json:"recipients_per_message,omitempty"`
	MaxMessageBytes       int64                     `json:"max_message_bytes,omitempty"`
	MaxHeaderBytes        int                       `json:"max_header_bytes,omitempty"`
	MaxLineBytes          int                       `json:"max_line_bytes,omitempty"`      // with its CRLF
	RecipientsPerHour     int                       `json:"recipients_per_hour,omitempty"` // per client address
	ConnectionsPerAddress int                       `json:"connections_per_ip,omitempty"`  // at a time
	CommandTimeoutSeconds int                       `json:"command_timeout_seconds,omitempty"`
	SessionTimeoutSeconds int                       `json:"session_timeout_seconds,omitempty"`
}

// MailFlowPolicy says what a sender group may do and how it must do it (B14).
type MailFlowPolicy struct {
	Name        string     `json:"name"`
	Description string     `json:"description,omitempty"`
	Action      FlowAction `json:"action"`
	// ReportOnly keeps the policy's own demands from acting, TLS required and
	// client certificates, and has counted what they would have refused (B72).
	ReportOnly bool `json:"report_only,omitempty"`
	FlowParameters
	// Reported are the demands that do not act; see [MailFlowPolicy.Acting].
	Reported Demands `json:"-"`
}

// Validate reports every broken rule of the policy by itself.
func (p MailFlowPolicy) Validate() (f domain.Faults) {
	checkName(&f, "/name", p.Name)
	checkText(&f, "/description", p.Description)
	checkOneOf(&f, "/action", p.Action, ActionAccept, ActionRelay, ActionReject, ActionTCPRefuse, ActionContinue)
	f.Merge("", p.FlowParameters.Validate())
	if p.ReportOnly && p.Acting().Reported == (Demands{}) {
		f.Add("/report_only", "needs a demand of the policy's own to report on: tls required, or verify_client_certificate")
	}
	return f
}

// Validate reports every broken rule of the parameters.
func (p FlowParameters) Validate() (f domain.Faults) {
	checkRange(&f, "/messages_per_connection", p.MessagesPerConnection, 0, 1_000_000)
	// RFC 5321 §4.5.3.1.8: at least 100 recipients must be taken.
	if p.RecipientsPerMessage != 0 {
		checkRange(&f, "/recipients_per_message", p.RecipientsPerMessage, 1, 100_000)
	}
	if p.MaxMessageBytes != 0 && (p.MaxMessageBytes < 65536 || p.MaxMessageBytes > 1<<30) {
		// RFC 5321 §4.5.3.1.7: 64 KiB of content must be taken.
		f.Add("/max_message_bytes", "must be from 65536 to %d", 1<<30)
	}
	if p.MaxHeaderBytes != 0 {
		checkRange(&f, "/max_header_bytes", p.MaxHeaderBytes, 8<<10, 16<<20)
	}
	if p.MaxLineBytes != 0 {
		// RFC 5321 §4.5.3.1.6: lines of 1000 octets must be taken.
		checkRange(&f, "/max_line_bytes", p.MaxLineBytes, 1000, 1<<20)
	}
	if len(p.TLSMandatorySenders) > maxMandatorySenders {
		f.Add("/tls_mandatory_senders", "may hold at most %d patterns; write @domain for all the addresses of a domain", maxMandatorySenders)
	}
	checkRange(&f, "/recipients_per_hour", p.RecipientsPerHour, 0, 1_000_000_000)
	checkRange(&f, "/connections_per_ip", p.ConnectionsPerAddress, 0, 1_000_000)
	checkRange(&f, "/command_timeout_seconds", p.CommandTimeoutSeconds, 0, 3600)
	checkRange(&f, "/session_timeout_seconds", p.SessionTimeoutSeconds, 0, 86400)
	return f
}

// maxMandatorySenders bounds the list, which is looked through at each MAIL in
// clear.
const maxMandatorySenders = 1000

// Warnings tells what the parameters ask for in vain.
func (p FlowParameters) Warnings() (f domain.Faults) {
	if p.TLS != ListenerTLSOff {
		return f
	}
	if p.VerifiesClients() {
		f.Add("/verify_client_certificate", "no certificate is asked for where STARTTLS is off, except on listeners with the protocol smtps")
	}
	if len(p.TLSMandatorySenders) > 0 {
		f.Add("/tls_mandatory_senders", "these senders can never send where STARTTLS is off, except on listeners with the protocol smtps")
	}
	return f
}

// VerifiesClients reports whether clients are asked for a certificate (B17).
func (p FlowParameters) VerifiesClients() bool {
	return p.VerifyClientCertificate != nil && *p.VerifyClientCertificate
}

// MustUseTLS reports whether the sender is one of those that may not send in
// clear (B17).
func (p FlowParameters) MustUseTLS(sender mailaddr.Mailbox) bool {
	return slices.ContainsFunc(p.TLSMandatorySenders, func(pattern mailaddr.AddressPattern) bool {
		return pattern.Match(sender)
	})
}

// Inherit returns the parameters with unset fields taken from base (B14).
func (p FlowParameters) Inherit(base FlowParameters) FlowParameters {
	inherit(&p.TLS, base.TLS)
	inherit(&p.VerifyClientCertificate, base.VerifyClientCertificate)
	if p.TLSMandatorySenders == nil {
		p.TLSMandatorySenders = base.TLSMandatorySenders
	}
	inherit(&p.MessagesPerConnection, base.MessagesPerConnection)
	inherit(&p.RecipientsPerMessage, base.RecipientsPerMessage)
	inherit(&p.MaxMessageBytes, base.MaxMessageBytes)
	inherit(&p.MaxHeaderBytes, base.MaxHeaderBytes)
	inherit(&p.MaxLineBytes, base.MaxLineBytes)
	inherit(&p.RecipientsPerHour, base.RecipientsPerHour)
	inherit(&p.ConnectionsPerAddress, base.ConnectionsPerAddress)
	inherit(&p.CommandTimeoutSeconds, base.CommandTimeoutSeconds)
	inherit(&p.SessionTimeoutSeconds, base.SessionTimeoutSeconds)
	return p
}

// BuiltInParameters are what a listener's unset defaults fall back to. TLS is
// off on a fresh installation (B7); RecipientsPerHour 0 is unlimited.
func BuiltInParameters() FlowParameters {
	return FlowParameters{
		TLS:                     ListenerTLSOff,
		VerifyClientCertificate: new(false),
		MessagesPerConnection:   1000,
		RecipientsPerMessage:    1000,
		MaxMessageBytes:         25 << 20,
		MaxHeaderBytes:          512 << 10,
		MaxLineBytes:            64 << 10,
		ConnectionsPerAddress:   100,
		CommandTimeoutSeconds:   300, // RFC 5321 §4.5.3.2.7
		SessionTimeoutSeconds:   3600,
	}
}

func inherit[T comparable](field *T, base T) {
	var unset T
	if *field == unset {
		*field = base
	}
}

// checkText bounds the free text of an item.
func checkText(f *domain.Faults, pointer, text string) {
	if len(text) > 1000 {
		f.Add(pointer, "is longer than 1000 octets")
	}
}
