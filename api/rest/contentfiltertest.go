package rest

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// ContentFilterTest is a message with its envelope, to be run against content filters without being sent.
type ContentFilterTest struct {
	// Message is header, empty line and body, as it would be sent; lines may end with LF.
	Message string `json:"message" validate:"required"`
	// Sender of the envelope; empty for bounces.
	Sender mailaddr.Mailbox `json:"sender" swaggertype:"string"`
	// Recipients of the envelope.
	Recipients []mailaddr.Mailbox `json:"recipients" validate:"required" swaggertype:"array,string" minItems:"1" maxItems:"1000"`
	// Listener by which the message would come.
	Listener string `json:"listener,omitempty"`
	// Filters to try instead of those in force, in order.
	Filters []ContentFilter `json:"content_filters,omitempty" maxItems:"100"`
}

// ContentFilterVerdict says which content filters match a message and what would happen to it.
type ContentFilterVerdict struct {
	// Outcome is what would become of the message.
	Outcome string `json:"outcome" validate:"required" enums:"accept,hold,reject"`
	// Reply to a message that is rejected.
	Reply string `json:"reply,omitempty"`
	// Matches are the filters that match, in order. Those behind one that rejects are not looked at.
	Matches []ContentFilterMatch `json:"matches" validate:"required"`
	// AddedHeaders are header fields that would be put on top, below the Received field.
	AddedHeaders []policy.HeaderField `json:"added_headers" validate:"required"`
	// Recipients are those of the envelope, as the mail would be sent on to them.
	Recipients []FilteredRecipient `json:"recipients" validate:"required"`
	// Revision of the configuration that decided.
	Revision int64 `json:"revision" validate:"required"`
}

// ContentFilterMatch is one content filter that matches, and why.
type ContentFilterMatch struct {
	// Filter is its name.
	Filter string `json:"filter" validate:"required"`
	// Conditions are those that hold.
	Conditions []policy.FilterCondition `json:"conditions" validate:"required"`
	// Recipients are those for whom it matches.
	Recipients []string `json:"recipients" validate:"required"`
	// Actions of the filter.
	Actions []policy.FilterAction `json:"actions" validate:"required"`
}

// FilteredRecipient is one recipient of a message that was judged.
type FilteredRecipient struct {
	// Address that the mail would be sent on to.
	Address string `json:"address" validate:"required"`
	// RequireTLS is whether the recipient is under REQUIRETLS, by its address or by a filter (B55).
	RequireTLS bool `json:"require_tls"`
}

// maxTestRecipients bounds the recipients of a test.
const maxTestRecipients = 1000

// testContentFilters godoc
//
//	@Summary		Run a message against the content filters
//	@Description	Nothing is sent or queued. Filters in the body, which may be on their way to be committed, are tried instead of those in force.
//	@ID				testContentFilters
//	@Tags			Receiving
//	@Param			body	body		ContentFilterTest	true	"A message with its envelope"
//	@Success		200		{object}	ContentFilterVerdict
//	@Failure		409		{object}	Problem
//	@Router			/content-filters/test [post]
//	@x-draft		true
//	@x-shape		"ask"
//	@x-role			"operator"
func (a *API) testContentFilters(c echo.Context) error {
	test, err := readJSON[ContentFilterTest](c)
	if err != nil {
		return err
	}
	snapshot, err := a.snapshotOf(c)
	if err != nil {
		return err
	}
	chain := snapshot.ContentFilters()
	faults := test.validate()
	if test.Filters != nil {
		filters := readContentFilters(test.Filters)
		faults.Merge("", filters.Validate())
		if len(faults) == 0 {
			chain = policy.NewFilterChain(filters)
		}
	}
	if err := faults.Err(); err != nil {
		return err
	}
	shown := test.judge(chain, snapshot.Settings.RequireTLS)
	shown.Revision = snapshot.Revision
	return reply(c, http.StatusOK, shown)
}

func (t *ContentFilterTest) validate() (f domain.Faults) {
	if n := len(t.Recipients); n == 0 || n > maxTestRecipients {
		f.Add("/recipients", "must hold 1 to %d recipients", maxTestRecipients)
	}
	for i, to := range t.Recipients {
		if to.IsNull() {
			f.Add(fmt.Sprintf("/recipients/%d", i), "is required: a mail address")
		}
	}
	return f
}

// judge does what a session does with a message at its end.
func (t *ContentFilterTest) judge(chain *policy.FilterChain, settings policy.RequireTLSSettings) ContentFilterVerdict {
	message := strings.ReplaceAll(strings.ReplaceAll(t.Message, "\r\n", "\n"), "\n", "\r\n")
	facts := policy.MessageFacts{
		Listener: t.Listener, Sender: t.Sender, Recipients: make([]mailaddr.Mailbox, len(t.Recipients)),
		Size: int64(len(message)), Header: policy.ParseMessageHeader([]byte(message)),
	}
	shown := ContentFilterVerdict{Outcome: "accept", Matches: []ContentFilterMatch{}, Recipients: make([]FilteredRecipient, len(t.Recipients))}
	for i, to := range t.Recipients {
		facts.Recipients[i], shown.Recipients[i].RequireTLS = settings.Tagged(to)
		shown.Recipients[i].Address = facts.Recipients[i].String()
	}
	v := chain.Apply(facts)
	for i, flagged := range v.RequireTLS {
		shown.Recipients[i].RequireTLS = shown.Recipients[i].RequireTLS || flagged && settings.Enabled
	}
	for _, match := range v.Matches {
		shown.Matches = append(shown.Matches, showMatch(match, facts.Recipients))
	}
	shown.AddedHeaders = orEmpty(v.Added)
	switch {
	case v.Rejection != nil:
		shown.Outcome, shown.Reply = "reject", "550 5.7.1 "+v.Rejection.Text
	case v.Hold:
		shown.Outcome = "hold"
	}
	return shown
}

func showMatch(m policy.FilterMatch, recipients []mailaddr.Mailbox) ContentFilterMatch {
	shown := ContentFilterMatch{Filter: m.Filter, Conditions: orEmpty(m.Conditions), Actions: m.Actions}
	for _, i := range m.Recipients {
		shown.Recipients = append(shown.Recipients, recipients[i].String())
	}
	return shown
}
