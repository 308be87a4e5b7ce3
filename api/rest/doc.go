// Package rest is the REST interface: JSON over HTTP below /api/v1, the OpenAPI
// document that describes it and the page that shows the document.
//
// The conventions are those of api.md, each in a file of its own, so that a
// resource is little more than its types and its thin handlers:
//
//   - strictjson.go: a body is read without forgiveness, all faults at once;
//   - problem.go: the one table from kinds of failure to problem documents;
//   - etag.go, revision.go: preconditions, committed and applied revision;
//   - page.go, patch.go: cursors and merge patches;
//   - draftquery.go: the draft that a request works on, and confirmation in time;
//   - auth.go, ratelimit.go, observe.go: who calls, how often, and the log;
//   - audited.go, idempotent.go: what every call that changes something gets;
//   - lines.go: lists as NDJSON; scope.go: what a token may be held to;
//   - resource.go: what every kind of configuration item has in common;
//   - operation.go: the table of all operations.
//
// Version 1 only grows: operations, optional members and values of enumerations
// may come, and clients ignore what they do not know. What is to go is named in
// deprecation.go and in the document, and from then on each reply says so by the
// header fields Deprecation (RFC 9745) and Sunset (RFC 8594), for a year at
// least, with a link to what takes its place.
//
// Nothing is decided here: handlers translate between HTTP and the services of
// the domain, which they know by the interfaces that this package declares.
//
// The comments of the handlers are read by swag (see package openapi). "x-shape"
// names the convention that an operation follows; the generator adds the
// parameters, headers and error replies that go with it. "x-role" is the
// weakest role that may call the operation.
//
//	@title			Postern
//	@version		1
//	@description	A mail gateway whose subject is TLS policy and certificates. Every write of configuration is a numbered revision; a reply to a write names the revision that is committed and the one that is applied.
//	@BasePath		/api/v1
//	@accept			json
//	@produce		json
//
//	@tag.name		Receiving
//	@tag.description	Listeners, who may connect to them, and what they may do.
//	@tag.name		Sending
//	@tag.description	Where mail goes, and how it must be encrypted.
//	@tag.name		Server profiles
//	@tag.description	Servers with all that is needed to use them: next hops, and those that judge content.
//	@tag.name		Inspection
//	@tag.description	Whether the content of messages is judged, and by whom.
//	@tag.name		STARTTLS lists
//	@tag.description	Exceptions from the rules, in both directions.
//	@tag.name		Settings
//	@tag.description	The switches of the gateway.
//	@tag.name		Messages
//	@tag.description	The queue, what is done to it, and what became of finished messages.
//	@tag.name		Reports
//	@tag.description	What became of TLS over time.
//	@tag.name		Certificates
//	@tag.description	The digital identity of the gateway.
//	@tag.name		ACME
//	@tag.description	Certificates by themselves (RFC 8555).
//	@tag.name		Accounts
//	@tag.description	Who may call, and by which credentials.
//	@tag.name		Alerts
//	@tag.description	What an administrator has to know without asking, and who is told.
//	@tag.name		MTA-STS
//	@tag.description	Policies that domains publish by MTA-STS: those of other domains, kept and obeyed, and our own.
//	@tag.name		Changes
//	@tag.description	The history of the configuration.
//	@tag.name		Events
//	@tag.description	What happened, as a durable log in order, and who is told of it.
//	@tag.name		Jobs
//	@tag.description	Long work that goes on after the call that began it.
//	@tag.name		Gateway
//	@tag.description	The program itself.
package rest
