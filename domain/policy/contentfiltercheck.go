package policy

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"

	"postern/domain"
)

// Bounds of content filters. Every message meets every filter, so that what an
// administrator writes bounds what a sender can make us compute.
const (
	maxFilters    = 100
	maxConditions = 20
	maxActions    = 10
	maxValue      = 500 // octets of a condition's value
	maxRejectText = 200 // octets
	// maxProgram bounds a compiled regular expression, in instructions: matching
	// costs at most that many steps for each octet of the text.
	maxProgram = 2000
	// maxFieldName and maxFieldValue keep an added field below the 998 octets
	// that a line may have (RFC 5322 §2.1.1).
	maxFieldName  = 64
	maxFieldValue = 900
)

// Validate reports every broken rule of the list by itself.
func (l ContentFilters) Validate() (f domain.Faults) {
	if len(l.Filters) > maxFilters {
		f.Add("/content_filters", "may hold at most %d content filters", maxFilters)
	}
	seen := map[string]bool{}
	for i, filter := range l.Filters {
		at := fmt.Sprintf("/content_filters/%d", i)
		f.Merge(at, filter.validate())
		if seen[filter.Name] {
			f.Add(at+"/name", "%q is the name of an earlier content filter too", filter.Name)
		}
		seen[filter.Name] = true
	}
	return f
}

func (c ContentFilter) validate() (f domain.Faults) {
	checkName(&f, "/name", c.Name)
	checkText(&f, "/description", c.Description)
	checkOneOf(&f, "/match", c.Match, MatchAll, MatchAny)
	checkRange(&f, "/conditions", len(c.Conditions), 1, maxConditions)
	for i, condition := range c.Conditions {
		f.Merge(fmt.Sprintf("/conditions/%d", i), condition.validate())
	}
	checkRange(&f, "/actions", len(c.Actions), 1, maxActions)
	for i, action := range c.Actions {
		f.Merge(fmt.Sprintf("/actions/%d", i), action.validate())
	}
	f.Merge("/actions", checkTogether(c.Actions))
	return f
}

// checkTogether refuses actions that contradict or repeat each other.
func checkTogether(actions []FilterAction) (f domain.Faults) {
	seen := map[FilterActionKind]bool{}
	for i, a := range actions {
		if a.Action != ActionAddHeader && seen[a.Action] {
			f.Add(fmt.Sprintf("/%d/action", i), "%s stands here twice", a.Action)
		}
		seen[a.Action] = true
	}
	if seen[ActionRejectMessage] && len(actions) > 1 {
		f.Add("", "reject must be the only action: nothing else can be done with a message that is refused")
	}
	return f
}

func (c FilterCondition) validate() (f domain.Faults) {
	checkOneOf(&f, "/field", c.Field,
		FieldHeader, FieldSubject, FieldEnvelopeSender, FieldRecipient, FieldSize, FieldListener)
	switch {
	case c.Field == FieldHeader && !isFieldName(c.Header):
		f.Add("/header", "is required: the name of a header field, as X-Confidential")
	case c.Field != FieldHeader && c.Header != "":
		f.Add("/header", "is for the field %q only", FieldHeader)
	}
	if c.Field == FieldSize {
		f.Merge("", c.validateSize())
	} else {
		f.Merge("", c.validateText())
	}
	return f
}

func (c FilterCondition) validateSize() (f domain.Faults) {
	checkOneOf(&f, "/operator", c.Operator, OperatorGreater, OperatorLess)
	if c.Octets < 0 {
		f.Add("/octets", "must not be negative")
	}
	if c.Value != "" || c.CaseSensitive {
		f.Add("/value", "is for texts: write the size into octets")
	}
	return f
}

func (c FilterCondition) validateText() (f domain.Faults) {
	checkOneOf(&f, "/operator", c.Operator, OperatorContains, OperatorEquals, OperatorMatches)
	switch {
	case c.Value == "" && c.Operator != OperatorEquals:
		f.Add("/value", "is required: an empty one would be in every text")
	case len(c.Value) > maxValue:
		f.Add("/value", "is longer than %d octets", maxValue)
	case c.Operator == OperatorMatches:
		if err := checkExpression(c.Value); err != nil {
			f.Add("/value", "%s", err.Detail)
		}
	}
	if c.Octets != 0 {
		f.Add("/octets", "is for the field %q only", FieldSize)
	}
	return f
}

// checkExpression holds a regular expression to the syntax of RE2 and to the
// bound of its program.
func checkExpression(text string) *domain.Error {
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return domain.E(domain.Invalid, "is no regular expression of RE2: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil || len(program.Inst) > maxProgram {
		return domain.E(domain.Invalid, "is too costly: use smaller counts in {}")
	}
	return nil
}

func (a FilterAction) validate() (f domain.Faults) {
	checkOneOf(&f, "/action", a.Action, ActionFlagRequireTLS, ActionAddHeader, ActionRejectMessage, ActionHold)
	if a.Action == ActionAddHeader {
		f.Merge("", a.validateField())
	} else if a.Header != "" || a.Value != "" {
		f.Add("/header", "is for the action %s only", ActionAddHeader)
	}
	switch {
	case a.Action != ActionRejectMessage && a.Text != "":
		f.Add("/text", "is for the action %s only", ActionRejectMessage)
	case len(a.Text) > maxRejectText || !isPrintable(a.Text):
		f.Add("/text", "must be at most %d characters of printable ASCII", maxRejectText)
	}
	return f
}

// reservedFields are those that say where a message has been (RFC 5321 §4.4),
// and the one that is the sender's own word on TLS (RFC 8689 §3): a filter must
// not put them into anyone's mouth.
var reservedFields = [...]string{"Received", "Return-Path", "TLS-Required"}

func (a FilterAction) validateField() (f domain.Faults) {
	reserved := func(name string) bool { return strings.EqualFold(name, a.Header) }
	switch {
	case !isFieldName(a.Header) || len(a.Header) > maxFieldName:
		f.Add("/header", "must be a header field name of at most %d characters: printable ASCII without space and colon", maxFieldName)
	case slices.ContainsFunc(reservedFields[:], reserved):
		f.Add("/header", "%s cannot be added by a filter", a.Header)
	}
	// No CR and LF: a value must not become a field of its own, or the body.
	if strings.TrimSpace(a.Value) == "" || len(a.Value) > maxFieldValue || !isPrintable(a.Value) {
		f.Add("/value", "must be 1 to %d characters of printable ASCII; write others as encoded words (RFC 2047)", maxFieldValue)
	}
	return f
}

// isPrintable reports whether the text is printable ASCII, spaces included.
func isPrintable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
}
