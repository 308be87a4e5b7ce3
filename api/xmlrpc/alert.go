package xmlrpc

import (
	"context"

	"postern/domain/account"
	"postern/domain/alert"
)

// Reporter takes what scripts have to tell people (B49);
// postern/domain/alert implements it.
type Reporter interface {
	// Report returns the alert that the report opened or repeated.
	Report(ctx context.Context, author string, r alert.Report) (alert.Alert, error)
}

type alertMethods struct{ reporter Reporter }

func (a alertMethods) table() []method {
	return []method{{
		name: "alert.send",
		help: "Reports something to people: opens an alert, or repeats the one of the same subject, and sends mail to the " +
			"addresses of to, which need not be recipients of alerts. Returns id and key of the alert, and recipients: how many " +
			"are being told. What came of it is in the alert's notices.",
		result: "struct",
		params: []param{
			{name: "subject", typ: typeString, help: "One line, at most 200 octets."},
			{name: "text", typ: typeString, optional: true, help: "At most 1800 octets."},
			{name: "to", typ: typeStrings, optional: true, help: "At most 10 mail addresses."},
		},
		role: account.RoleCertificateManager,
		call: a.send,
	}}
}

func (a alertMethods) send(ctx context.Context, in invocation) (any, error) {
	made, err := a.reporter.Report(ctx, in.principal.Name, alert.Report{
		Subject: arg[string](in.args, "subject"),
		Text:    arg[string](in.args, "text"),
		To:      arg[[]string](in.args, "to"),
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"id": made.ID, "key": made.Key(), "recipients": made.Pending()}, nil
}
