package policy

import (
	"postern/domain"
)

// FlowAction is what happens to a connection (B14).
type FlowAction string

// The actions of a mail flow policy.
const (
	ActionAccept    FlowAction = "accept"     // hosted domains (public) or nothing (private)
	ActionRelay     FlowAction = "relay"      // any recipient
	ActionReject    FlowAction = "reject"     // 554 banner
	ActionTCPRefuse FlowAction = "tcp_refuse" // the connection is closed unanswered
	ActionContinue  FlowAction = "continue"   // look further down the table
)

// FlowParameters are the part of a mail flow policy that can be inherited.
// A zero field is unset.
type FlowParameters struct {
	TLS                   ListenerTLS `json:"tls,omitempty"`
	MessagesPerConnection int         `json:"messages_per_connection,omitempty"`
	RecipientsPerMessage  int         `json:"recipients_per_message,omitempty"`
	MaxMessageBytes       int64       `json:"max_message_bytes,omitempty"`
	RecipientsPerHour     int         `json:"recipients_per_hour,omitempty"` // per client address
	ConnectionsPerAddress int         `json:"connections_per_ip,omitempty"`  // at a time
	CommandTimeoutSeconds int         `json:"command_timeout_seconds,omitempty"`
	SessionTimeoutSeconds int         `json:"session_timeout_seconds,omitempty"`
}

// MailFlowPolicy says what a sender group may do and how it must do it (B14).
type MailFlowPolicy struct {
	Name        string     `json:"name"`
	Description string     `json:"description,omitempty"`
	Action      FlowAction `json:"action"`
	FlowParameters
}

// Validate reports every broken rule of the policy by itself.
func (p MailFlowPolicy) Validate() (f domain.Faults) {
	checkName(&f, "/name", p.Name)
	checkText(&f, "/description", p.Description)
	checkOneOf(&f, "/action", p.Action, ActionAccept, ActionRelay, ActionReject, ActionTCPRefuse, ActionContinue)
	f.Merge("", p.FlowParameters.Validate())
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
	checkRange(&f, "/recipients_per_hour", p.RecipientsPerHour, 0, 1_000_000_000)
	checkRange(&f, "/connections_per_ip", p.ConnectionsPerAddress, 0, 1_000_000)
	checkRange(&f, "/command_timeout_seconds", p.CommandTimeoutSeconds, 0, 3600)
	checkRange(&f, "/session_timeout_seconds", p.SessionTimeoutSeconds, 0, 86400)
	return f
}

// Inherit returns the parameters with unset fields taken from base (B14).
func (p FlowParameters) Inherit(base FlowParameters) FlowParameters {
	inherit(&p.TLS, base.TLS)
	inherit(&p.MessagesPerConnection, base.MessagesPerConnection)
	inherit(&p.RecipientsPerMessage, base.RecipientsPerMessage)
	inherit(&p.MaxMessageBytes, base.MaxMessageBytes)
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
		TLS:                   ListenerTLSOff,
		MessagesPerConnection: 1000,
		RecipientsPerMessage:  1000,
		MaxMessageBytes:       25 << 20,
		ConnectionsPerAddress: 100,
		CommandTimeoutSeconds: 300, // RFC 5321 §4.5.3.2.7
		SessionTimeoutSeconds: 3600,
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
