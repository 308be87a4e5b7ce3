package policy

import (
	"fmt"
	"strconv"
	"strings"
)

// ContentFilters is the ordered list of content filters (B59). Each enabled one
// is looked at in turn, and all that match act: a match does not end the list,
// unless it rejects the message.
type ContentFilters struct {
	Filters []ContentFilter `json:"content_filters"`
}

// ContentFilter is one content filter rule: conditions on a message, and what is
// done with those that meet them (B59).
//
// Conditions are about one recipient at a time. A filter that asks about the
// recipient matches for those recipients only that meet it; any other matches
// for all of them or for none.
type ContentFilter struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Enabled     bool   `json:"enabled"`
	// ReportOnly keeps reject and hold from acting, and has counted what they would
	// have done (B72). Other actions act.
	ReportOnly bool              `json:"report_only,omitempty"`
	Match      ConditionMatch    `json:"match"`
	Conditions []FilterCondition `json:"conditions"`
	Actions    []FilterAction    `json:"actions"`
}

// ConditionMatch says how many conditions of a filter must hold.
type ConditionMatch string

// The ways to combine conditions.
const (
	MatchAll ConditionMatch = "all"
	MatchAny ConditionMatch = "any"
)

// FilterField is the part of a message that a condition looks at.
type FilterField string

// The fields. Texts are compared as people read them: header fields unfolded and
// decoded (RFC 5322 §2.2.3, RFC 2047), addresses as they stand in the envelope,
// with domains in A-labels.
const (
	FieldHeader         FilterField = "header" // every field of that name
	FieldSubject        FilterField = "subject"
	FieldEnvelopeSender FilterField = "envelope_sender" // empty: the null sender
	FieldRecipient      FilterField = "recipient"
	FieldSize           FilterField = "size" // octets of the content as the client sent it
	FieldListener       FilterField = "listener"
)

// FilterOperator is how a condition compares.
type FilterOperator string

// The operators: the first three are for texts, the others for sizes.
const (
	OperatorContains FilterOperator = "contains"
	OperatorEquals   FilterOperator = "equals"
	OperatorMatches  FilterOperator = "matches" // a regular expression, anywhere in the text
	OperatorGreater  FilterOperator = "greater"
	OperatorLess     FilterOperator = "less"
)

// FilterCondition is one condition of a content filter. A header field that is
// missing meets no condition; with Not it meets them all.
type FilterCondition struct {
	// Field is the part of the message to look at.
	Field FilterField `json:"field"`
	// Header is the name of the header field, where the field is header.
	Header string `json:"header,omitempty"`
	// Operator is how to compare: texts by contains, equals or matches, the size
	// by greater or less.
	Operator FilterOperator `json:"operator"`
	// Value is the text to compare with; for matches a regular expression (RE2).
	Value string `json:"value,omitempty"`
	// Octets is the size to compare with.
	Octets int64 `json:"octets,omitempty"`
	// CaseSensitive is whether the case of letters counts.
	CaseSensitive bool `json:"case_sensitive,omitempty"`
	// Not is whether the condition is turned round.
	Not bool `json:"not,omitempty"`
}

// String returns the condition in words, such as: not subject contains "x".
func (c FilterCondition) String() string {
	words := []string{string(c.Field), string(c.Operator), strconv.Quote(c.Value)}
	if c.Field == FieldSize {
		words[2] = strconv.FormatInt(c.Octets, 10)
	}
	if c.Field == FieldHeader {
		words[0] += " " + c.Header
	}
	if c.Not {
		words = append([]string{"not"}, words...)
	}
	if c.CaseSensitive {
		words = append(words, "case_sensitive")
	}
	return strings.Join(words, " ")
}

// FilterActionKind is what a content filter does.
type FilterActionKind string

// The actions. A message is held, rejected or given a header field as a whole,
// as soon as the filter matches for one of its recipients; the REQUIRETLS flag
// goes to those recipients for which the filter matches (B55).
const (
	ActionFlagRequireTLS FilterActionKind = "flag_requiretls"
	ActionAddHeader      FilterActionKind = "add_header"
	ActionRejectMessage  FilterActionKind = "reject" // 550 5.7.1
	ActionHold           FilterActionKind = "hold"   // queued, and tried when an administrator releases it
)

// FilterAction is one action of a content filter.
type FilterAction struct {
	// Action is what to do.
	Action FilterActionKind `json:"action"`
	// Header is the name of the header field that add_header adds.
	Header string `json:"header,omitempty"`
	// Value is what that field says.
	Value string `json:"value,omitempty"`
	// Text is what reject answers; empty: words of ours.
	Text string `json:"text,omitempty"`
}

// DefaultRejectText answers a rejected message where the filter has no words of
// its own.
const DefaultRejectText = "message refused by a content filter"

// HeaderField is one field of a message header, in the form in which it is
// written.
type HeaderField struct {
	// Name of the field.
	Name string `json:"name"`
	// Value is what the field says.
	Value string `json:"value"`
}

// String returns the field as a line of a message, CRLF included.
func (f HeaderField) String() string { return fmt.Sprintf("%s: %s\r\n", f.Name, f.Value) }
