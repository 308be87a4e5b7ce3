package rest

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"postern/domain/account"
	"postern/domain/config"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// FlowParameters are limits and TLS of a mail flow policy. What is absent or 0 is inherited: from the listener's default policy parameters, then from built-in values (B14).
type FlowParameters struct {
	// TLS says whether STARTTLS is offered or demanded (B15).
	TLS policy.ListenerTLS `json:"tls,omitempty" swaggertype:"string" enums:"default,off,preferred,required"`
	// VerifyClientCertificate asks clients for a certificate: one that no trust anchor of usage client_authority vouches for is refused, and where TLS is required, none is too (B17).
	VerifyClientCertificate *bool `json:"verify_client_certificate,omitempty"`
	// TLSMandatorySenders may send under TLS only, whatever tls says: user@domain, @domain for a whole domain, @.domain for everything below it. An empty list is nobody (B17).
	TLSMandatorySenders []mailaddr.AddressPattern `json:"tls_mandatory_senders,omitzero" swaggertype:"array,string" maxItems:"1000"`
	// MessagesPerConnection is how many messages one connection may bring.
	MessagesPerConnection int `json:"messages_per_connection,omitempty" minimum:"0" maximum:"1000000"`
	// RecipientsPerMessage is how many recipients one message may have.
	RecipientsPerMessage int `json:"recipients_per_message,omitempty" minimum:"0" maximum:"100000"`
	// MaxMessageBytes is how large a message may be.
	MaxMessageBytes int64 `json:"max_message_bytes,omitempty" minimum:"0" maximum:"1073741824"`
	// MaxHeaderBytes is how large the header of a message may be (B19).
	MaxHeaderBytes int `json:"max_header_bytes,omitempty" minimum:"0" maximum:"16777216"`
	// MaxLineBytes is how long a line of a message may be, with its CRLF (B19).
	MaxLineBytes int `json:"max_line_bytes,omitempty" minimum:"0" maximum:"1048576"`
	// RecipientsPerHour is how many recipients one client address may name in an hour; 0 is unlimited.
	RecipientsPerHour int `json:"recipients_per_hour,omitempty" minimum:"0" maximum:"1000000000"`
	// ConnectionsPerAddress is how many connections one client address may hold at a time.
	ConnectionsPerAddress int `json:"connections_per_ip,omitempty" minimum:"0" maximum:"1000000"`
	// CommandTimeoutSeconds is how long a command may take to arrive.
	CommandTimeoutSeconds int `json:"command_timeout_seconds,omitempty" minimum:"0" maximum:"3600"`
	// SessionTimeoutSeconds is how long a connection may last.
	SessionTimeoutSeconds int `json:"session_timeout_seconds,omitempty" minimum:"0" maximum:"86400"`
}

// MailFlowPolicy says what the clients of a sender group may do, and how (B14).
type MailFlowPolicy struct {
	// Name identifies the policy, here and in the path.
	Name string `json:"name" maxLength:"64"`
	// Description is an administrator's own words.
	Description string `json:"description,omitempty" maxLength:"1000"`
	// Action is what happens to a connection.
	Action policy.FlowAction `json:"action" swaggertype:"string" enums:"accept,relay,reject,tcp_refuse,continue"`
	// ReportOnly is whether the policy's own tls required and verify_client_certificate do not act but have counted what they would have refused; STARTTLS is offered, and what the listener demands acts (B72).
	ReportOnly bool `json:"report_only,omitempty"`
	FlowParameters
}

func newMailFlowPolicies(a *API) resource[MailFlowPolicy] {
	return resource[MailFlowPolicy]{
		api: a, kind: config.KindMailFlowPolicy, param: "name", key: nameKey,
		read: readMailFlowPolicy,
		show: func(v config.Value) MailFlowPolicy { return showMailFlowPolicy(v.(policy.MailFlowPolicy)) },
	}
}

func readMailFlowPolicy(key string, p MailFlowPolicy) config.Value {
	if p.Name == "" {
		p.Name = key
	}
	return policy.MailFlowPolicy{
		Name: p.Name, Description: p.Description, Action: p.Action, ReportOnly: p.ReportOnly,
		FlowParameters: policy.FlowParameters(p.FlowParameters),
	}
}

func showMailFlowPolicy(p policy.MailFlowPolicy) MailFlowPolicy {
	return MailFlowPolicy{
		Name: p.Name, Description: p.Description, Action: p.Action, ReportOnly: p.ReportOnly,
		FlowParameters: FlowParameters(p.FlowParameters),
	}
}

// nameKey takes a name as it is: whether it is a good one is the business of
// the item's own rules.
func nameKey(name string) (string, error) { return name, nil }

func (a *API) mailFlowPoliciesOperations() []operation {
	const list, one = "/mail-flow-policies", "/mail-flow-policies/:name"
	return []operation{
		{http.MethodGet, list, "listMailFlowPolicies", account.RoleViewer, listQuery, a.listMailFlowPolicies},
		{http.MethodGet, one, "getMailFlowPolicy", account.RoleViewer, nil, a.getMailFlowPolicy},
		{http.MethodPut, one, "replaceMailFlowPolicy", account.RoleAdmin, writeQuery, a.replaceMailFlowPolicy},
		{http.MethodPatch, one, "patchMailFlowPolicy", account.RoleAdmin, writeQuery, a.patchMailFlowPolicy},
		{http.MethodDelete, one, "deleteMailFlowPolicy", account.RoleAdmin, writeQuery, a.deleteMailFlowPolicy},
	}
}

// listMailFlowPolicies godoc
//
//	@Summary	List the mail flow policies
//	@ID		listMailFlowPolicies
//	@Tags		Receiving
//	@Success	200	{object}	Page[MailFlowPolicy]
//	@Router		/mail-flow-policies [get]
//	@x-shape	"list"
//	@x-role	"viewer"
func (a *API) listMailFlowPolicies(c echo.Context) error { return a.mailFlowPolicies.list(c) }

// getMailFlowPolicy godoc
//
//	@Summary	Show a mail flow policy
//	@ID		getMailFlowPolicy
//	@Tags		Receiving
//	@Param		name	path	string	true	"Name of the policy"
//	@Success	200	{object}	MailFlowPolicy
//	@Router		/mail-flow-policies/{name} [get]
//	@x-shape	"read"
//	@x-role	"viewer"
func (a *API) getMailFlowPolicy(c echo.Context) error { return a.mailFlowPolicies.get(c) }

// replaceMailFlowPolicy godoc
//
//	@Summary	Create or replace a mail flow policy
//	@ID		replaceMailFlowPolicy
//	@Tags		Receiving
//	@Param		name	path	string	true	"Name of the policy"
//	@Param		body	body	MailFlowPolicy	true	"The whole mail flow policy; what is left out gets its default"
//	@Success	200	{object}	MailFlowPolicy
//	@Success	201	{object}	MailFlowPolicy
//	@Router		/mail-flow-policies/{name} [put]
//	@x-shape	"replace"
//	@x-role	"admin"
func (a *API) replaceMailFlowPolicy(c echo.Context) error { return a.mailFlowPolicies.put(c) }

// patchMailFlowPolicy godoc
//
//	@Summary	Change a mail flow policy
//	@ID		patchMailFlowPolicy
//	@Tags		Receiving
//	@Accept	application/merge-patch+json
//	@Param		name	path	string	true	"Name of the policy"
//	@Param		body	body	MailFlowPolicy	true	"A JSON merge patch (RFC 7396)"
//	@Success	200	{object}	MailFlowPolicy
//	@Router		/mail-flow-policies/{name} [patch]
//	@x-shape	"patch"
//	@x-role	"admin"
func (a *API) patchMailFlowPolicy(c echo.Context) error { return a.mailFlowPolicies.patch(c) }

// deleteMailFlowPolicy godoc
//
//	@Summary	Delete a mail flow policy
//	@ID		deleteMailFlowPolicy
//	@Tags		Receiving
//	@Param		name	path	string	true	"Name of the policy"
//	@Success	204
//	@Router		/mail-flow-policies/{name} [delete]
//	@x-shape	"delete"
//	@x-role	"admin"
func (a *API) deleteMailFlowPolicy(c echo.Context) error { return a.mailFlowPolicies.delete(c) }
