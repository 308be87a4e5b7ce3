package policy

import (
	"regexp"
	"slices"

	"postern/domain/mailaddr"
)

// MessageFacts are what content filters judge: a message that was received
// whole.
type MessageFacts struct {
	Listener   string
	Sender     mailaddr.Mailbox
	Recipients []mailaddr.Mailbox
	// Size is the length of the content in octets as the client sent it.
	Size   int64
	Header MessageHeader
}

// FilterVerdict is what the content filters make of a message.
type FilterVerdict struct {
	// Matches are the filters that matched, in order.
	Matches []FilterMatch
	// RequireTLS has an element for each recipient: whether it is flagged (B55);
	// nil where none is.
	RequireTLS []bool
	Hold       bool
	// Added are new header fields, from top to bottom.
	Added []HeaderField
	// Rejection says that the message is refused; all else is void then.
	Rejection *FilterRejection
	// Reported are the filters that would have rejected or held the message, did
	// they not only report (B72).
	Reported []string
}

// Holders names the filters that hold the message, in order.
func (v FilterVerdict) Holders() (names []string) {
	for _, m := range v.Matches {
		if slices.ContainsFunc(m.Actions, func(a FilterAction) bool { return a.Action == ActionHold }) {
			names = append(names, m.Filter)
		}
	}
	return names
}

// FilterRejection is the refusal of a message by a filter.
type FilterRejection struct {
	Filter, Text string
}

// FilterMatch is one filter that matched, and why.
type FilterMatch struct {
	Filter  string
	Actions []FilterAction
	// Conditions are those that held.
	Conditions []FilterCondition
	// Recipients are the positions of those for whom the filter matched.
	Recipients []int
	// ReportOnly says that the filter neither rejects nor holds (B72).
	ReportOnly bool
}

// FilterChain is the list of content filters made ready: expressions compiled,
// disabled filters left out. Nil is a chain without filters.
type FilterChain struct {
	filters []filterRule
	header  bool
}

// filterRule is a content filter with its conditions compiled.
type filterRule struct {
	ContentFilter
	tests []conditionTest
}

// conditionTest is a condition with its expression; sizes have none.
type conditionTest struct {
	FilterCondition
	expression *regexp.Regexp
}

// NewFilterChain compiles a list that is valid.
func NewFilterChain(l ContentFilters) *FilterChain {
	chain := new(FilterChain)
	for _, f := range l.Filters {
		if !f.Enabled {
			continue
		}
		rule := filterRule{ContentFilter: f}
		for _, c := range f.Conditions {
			rule.tests = append(rule.tests, conditionTest{c, c.compile()})
			chain.header = chain.header || c.Field == FieldHeader || c.Field == FieldSubject
		}
		chain.filters = append(chain.filters, rule)
	}
	return chain
}

// compile returns the expression of a condition on a text: every operator is
// one, so that case is folded by the same rule for all.
func (c FilterCondition) compile() *regexp.Regexp {
	text := c.Value
	switch c.Operator {
	case OperatorContains:
		text = regexp.QuoteMeta(text)
	case OperatorEquals:
		text = `\A` + regexp.QuoteMeta(text) + `\z`
	case OperatorGreater, OperatorLess:
		return nil
	}
	if !c.CaseSensitive {
		text = "(?i:" + text + ")"
	}
	return regexp.MustCompile(text) // validation saw to it
}

// Empty reports whether no filter is enabled.
func (c *FilterChain) Empty() bool { return c == nil || len(c.filters) == 0 }

// ReadsHeader reports whether any filter looks at the header.
func (c *FilterChain) ReadsHeader() bool { return c != nil && c.header }

// Apply judges a message. Filters see it as it was received: not the fields that
// filters before them add.
func (c *FilterChain) Apply(m MessageFacts) FilterVerdict {
	var v FilterVerdict
	if c == nil {
		return v
	}
	for i := range c.filters {
		rule := &c.filters[i]
		if match := rule.match(&m); len(match.Recipients) > 0 {
			v.Matches = append(v.Matches, match)
			v.act(match, len(m.Recipients))
		}
		if v.Rejection != nil {
			break
		}
	}
	return v
}

// act carries out the actions of a filter that matched.
func (v *FilterVerdict) act(match FilterMatch, recipients int) {
	for _, a := range match.Actions {
		if match.ReportOnly && (a.Action == ActionHold || a.Action == ActionRejectMessage) {
			if !slices.Contains(v.Reported, match.Filter) {
				v.Reported = append(v.Reported, match.Filter)
			}
			continue
		}
		switch a.Action {
		case ActionFlagRequireTLS:
			v.flag(match.Recipients, recipients)
		case ActionAddHeader:
			v.Added = append(v.Added, HeaderField{Name: a.Header, Value: a.Value})
		case ActionHold:
			v.Hold = true
		case ActionRejectMessage:
			v.Rejection = &FilterRejection{Filter: match.Filter, Text: a.Text}
			if a.Text == "" {
				v.Rejection.Text = DefaultRejectText
			}
		}
	}
}

func (v *FilterVerdict) flag(matched []int, recipients int) {
	if v.RequireTLS == nil {
		v.RequireTLS = make([]bool, recipients)
	}
	for _, i := range matched {
		v.RequireTLS[i] = true
	}
}

// match finds the recipients for whom the filter matches. What is not about the
// recipient is looked at once.
func (r *filterRule) match(m *MessageFacts) FilterMatch {
	match := FilterMatch{Filter: r.Name, Actions: r.Actions, ReportOnly: r.ReportOnly}
	held, everHeld := make([]bool, len(r.tests)), make([]bool, len(r.tests))
	for i := range r.tests {
		if t := &r.tests[i]; t.Field != FieldRecipient {
			held[i] = t.holds(m)
		}
	}
	for position, to := range m.Recipients {
		for i := range r.tests {
			if t := &r.tests[i]; t.Field == FieldRecipient {
				held[i] = t.expression.MatchString(to.String()) != t.Not
			}
		}
		if !r.decide(held) {
			continue
		}
		match.Recipients = append(match.Recipients, position)
		for i := range held {
			everHeld[i] = everHeld[i] || held[i]
		}
	}
	for i, ever := range everHeld {
		if ever {
			match.Conditions = append(match.Conditions, r.Conditions[i])
		}
	}
	return match
}

// decide combines the conditions.
func (r *filterRule) decide(held []bool) bool {
	for _, one := range held {
		if one != (r.Match == MatchAll) {
			return one // the first that decides: one that holds for any, one that fails for all
		}
	}
	return r.Match == MatchAll
}

// holds looks at what is the same for all recipients.
func (t *conditionTest) holds(m *MessageFacts) bool {
	switch t.Field {
	case FieldSize:
		if t.Operator == OperatorLess {
			return (m.Size < t.Octets) != t.Not
		}
		return (m.Size > t.Octets) != t.Not
	case FieldEnvelopeSender:
		return t.expression.MatchString(m.Sender.String()) != t.Not
	case FieldListener:
		return t.expression.MatchString(m.Listener) != t.Not
	case FieldSubject:
		return t.holdsForAny(m.Header.Values("Subject")) != t.Not
	default:
		return t.holdsForAny(m.Header.Values(t.Header)) != t.Not
	}
}

func (t *conditionTest) holdsForAny(values []string) bool {
	for _, value := range values {
		if t.expression.MatchString(value) {
			return true
		}
	}
	return false
}
