package policy

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain/mailaddr"
)

// parseCondition reads what FilterCondition.String writes.
func parseCondition(t *testing.T, text string) (c FilterCondition) {
	t.Helper()
	rest, not := strings.CutPrefix(text, "not ")
	rest, c.CaseSensitive = strings.CutSuffix(rest, " case_sensitive")
	c.Not = not
	field, rest, _ := strings.Cut(rest, " ")
	if c.Field = FilterField(field); c.Field == FieldHeader {
		c.Header, rest, _ = strings.Cut(rest, " ")
	}
	operator, rest, _ := strings.Cut(rest, " ")
	c.Operator = FilterOperator(operator)
	var err error
	if c.Field == FieldSize {
		c.Octets, err = strconv.ParseInt(rest, 10, 64)
	} else {
		c.Value, err = strconv.Unquote(rest)
	}
	if err != nil || c.String() != text {
		t.Fatalf("%q is no condition: %v, %s", text, err, c)
	}
	return c
}

// factsOf reads the second column of the table.
func factsOf(t *testing.T, text string) MessageFacts {
	t.Helper()
	m := MessageFacts{Recipients: []mailaddr.Mailbox{{Local: "b", Domain: "example.com"}}}
	word, value, _ := strings.Cut(text, " ")
	var err error
	switch word {
	case "from":
		err = m.Sender.UnmarshalText([]byte(value))
	case "to":
		err = m.Recipients[0].UnmarshalText([]byte(value))
	case "listener":
		m.Listener = value
	case "size":
		m.Size, err = strconv.ParseInt(value, 10, 64)
	default:
		text = strings.NewReplacer(`\r\n`, "\r\n", `\t`, "\t").Replace(text)
		m.Header = ParseMessageHeader([]byte(text + "\r\n\r\nbody\r\n"))
	}
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return m
}

func TestConditionsOfContentFilters(t *testing.T) { // B59
	table, err := os.ReadFile("testdata/content_conditions.txt")
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(table), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		columns := strings.Split(line, " | ")
		if len(columns) != 3 {
			t.Fatalf("line %d has %d columns", i+1, len(columns))
		}
		c := parseCondition(t, strings.TrimSpace(columns[0]))
		list := filters(ContentFilter{Conditions: []FilterCondition{c}})
		if err := list.Validate().Err(); err != nil {
			t.Errorf("line %d: %v", i+1, err)
			continue
		}
		v := NewFilterChain(list).Apply(factsOf(t, strings.TrimSpace(columns[1])))
		if got, want := len(v.Matches) == 1, strings.TrimSpace(columns[2]) == "yes"; got != want {
			t.Errorf("line %d: %s: %t", i+1, line, got)
		}
	}
}

// filters completes filters to valid, enabled ones with the names F0, F1 and so
// on that hold what they match.
func filters(list ...ContentFilter) ContentFilters {
	for i := range list {
		f := &list[i]
		f.Name, f.Enabled = fmt.Sprint("F", i), true
		if f.Match == "" {
			f.Match = MatchAll
		}
		if f.Actions == nil {
			f.Actions = []FilterAction{{Action: ActionHold}}
		}
	}
	return ContentFilters{Filters: list}
}

// conditions are texts of conditions, as the table has them.
func conditions(t *testing.T, texts ...string) (list []FilterCondition) {
	t.Helper()
	for _, text := range texts {
		list = append(list, parseCondition(t, text))
	}
	return list
}

// message is from a@client.test to anna@bank.example and bert@shop.example, with
// the subject "hello".
func message(t *testing.T) MessageFacts {
	t.Helper()
	m := factsOf(t, "Subject: hello")
	m.Sender, m.Size, m.Listener = mailaddr.Mailbox{Local: "a", Domain: "client.test"}, 100, "outbound"
	m.Recipients = []mailaddr.Mailbox{{Local: "anna", Domain: "bank.example"}, {Local: "bert", Domain: "shop.example"}}
	return m
}

func TestConditionsCombine(t *testing.T) { // B59: any, all
	const holds, fails = `subject contains "hello"`, `subject contains "goodbye"`
	const forAnna = `recipient matches "^anna@"`
	for _, tc := range []struct {
		match      ConditionMatch
		conditions []string
		recipients []int
		because    []int
	}{
		{MatchAll, []string{holds}, []int{0, 1}, []int{0}},
		{MatchAll, []string{holds, fails}, nil, nil},
		{MatchAll, []string{holds, "size greater 99"}, []int{0, 1}, []int{0, 1}},
		{MatchAny, []string{fails}, nil, nil},
		{MatchAny, []string{fails, holds}, []int{0, 1}, []int{1}},
		{MatchAll, []string{forAnna}, []int{0}, []int{0}},
		{MatchAll, []string{"not " + forAnna, holds}, []int{1}, []int{0, 1}},
		{MatchAll, []string{forAnna, fails}, nil, nil},
		{MatchAny, []string{forAnna, fails}, []int{0}, []int{0}},
		{MatchAny, []string{forAnna, holds}, []int{0, 1}, []int{0, 1}},
		{MatchAll, []string{forAnna, `recipient matches "^bert@"`}, nil, nil},
		{MatchAny, []string{forAnna, `recipient matches "^bert@"`}, []int{0, 1}, []int{0, 1}},
	} {
		list := filters(ContentFilter{Match: tc.match, Conditions: conditions(t, tc.conditions...)})
		var recipients []int
		var because []FilterCondition
		for _, m := range NewFilterChain(list).Apply(message(t)).Matches {
			recipients, because = m.Recipients, m.Conditions
		}
		var want []FilterCondition
		for _, i := range tc.because {
			want = append(want, list.Filters[0].Conditions[i])
		}
		if diff := cmp.Diff(tc.recipients, recipients); diff != "" {
			t.Errorf("%s of %q, recipients:\n%s", tc.match, tc.conditions, diff)
		}
		if diff := cmp.Diff(want, because); diff != "" {
			t.Errorf("%s of %q, because:\n%s", tc.match, tc.conditions, diff)
		}
	}
}

func TestActionsOfContentFilters(t *testing.T) { // B55, B59
	everyone := conditions(t, `subject contains "hello"`)
	forBert := conditions(t, `recipient contains "bert@"`)
	flag := []FilterAction{{Action: ActionFlagRequireTLS}}
	hold := []FilterAction{{Action: ActionHold}}
	reject := []FilterAction{{Action: ActionRejectMessage, Text: "no"}}
	add := func(name string) []FilterAction {
		return []FilterAction{{Action: ActionAddHeader, Header: name, Value: "yes"}}
	}
	tests := []struct {
		name    string
		filters []ContentFilter
		want    FilterVerdict
		matched []string
	}{
		{name: "no filters"},
		{
			name: "the flag is for those who match", filters: []ContentFilter{{Conditions: forBert, Actions: flag}},
			want: FilterVerdict{RequireTLS: []bool{false, true}}, matched: []string{"F0"},
		},
		{
			name: "a match does not end the list", filters: []ContentFilter{
				{Conditions: forBert, Actions: flag},
				{Conditions: everyone, Actions: add("X-One")},
				{Conditions: everyone, Actions: hold},
				{Conditions: everyone, Actions: add("X-Two")},
			},
			want: FilterVerdict{
				RequireTLS: []bool{false, true}, Hold: true,
				Added: []HeaderField{{Name: "X-One", Value: "yes"}, {Name: "X-Two", Value: "yes"}},
			},
			matched: []string{"F0", "F1", "F2", "F3"},
		},
		{
			name: "a rejection ends it, for all", filters: []ContentFilter{
				{Conditions: everyone, Actions: hold}, {Conditions: forBert, Actions: reject}, {Conditions: everyone, Actions: flag},
			},
			want:    FilterVerdict{Hold: true, Rejection: &FilterRejection{Filter: "F1", Text: "no"}},
			matched: []string{"F0", "F1"},
		},
		{
			name: "words of ours", filters: []ContentFilter{{Conditions: everyone, Actions: []FilterAction{{Action: ActionRejectMessage}}}},
			want: FilterVerdict{Rejection: &FilterRejection{Filter: "F0", Text: DefaultRejectText}}, matched: []string{"F0"},
		},
		{
			name: "added fields are not seen", filters: []ContentFilter{
				{Conditions: everyone, Actions: add("X-One")},
				{Conditions: conditions(t, `header X-One equals "yes"`), Actions: hold},
			},
			want: FilterVerdict{Added: []HeaderField{{Name: "X-One", Value: "yes"}}}, matched: []string{"F0"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list := filters(tt.filters...)
			if err := list.Validate().Err(); err != nil {
				t.Fatal(err)
			}
			v := NewFilterChain(list).Apply(message(t))
			var matched []string
			for _, m := range v.Matches {
				matched = append(matched, m.Filter)
			}
			if diff := cmp.Diff(tt.matched, matched); diff != "" {
				t.Errorf("matched:\n%s", diff)
			}
			v.Matches = nil
			if diff := cmp.Diff(tt.want, v); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDisabledFiltersDoNothing(t *testing.T) {
	list := filters(ContentFilter{Conditions: conditions(t, `subject contains "hello"`)})
	list.Filters[0].Enabled = false
	chain := NewFilterChain(list)
	if v := chain.Apply(message(t)); !chain.Empty() || chain.ReadsHeader() || v.Hold {
		t.Errorf("empty %t, verdict %+v", chain.Empty(), v)
	}
	var none *FilterChain
	if v := none.Apply(message(t)); !none.Empty() || none.ReadsHeader() || len(v.Matches) > 0 {
		t.Error("no chain is not an empty chain")
	}
}

func TestFaultsOfContentFilters(t *testing.T) {
	good := conditions(t, `subject contains "x"`)
	of := func(c FilterCondition) ContentFilter { return ContentFilter{Conditions: []FilterCondition{c}} }
	do := func(actions ...FilterAction) ContentFilter { return ContentFilter{Conditions: good, Actions: actions} }
	const c, a = "/content_filters/0/conditions/0", "/content_filters/0/actions/0"
	for name, tc := range map[string]struct {
		filter ContentFilter
		want   []string
	}{
		"good":                    {ContentFilter{Conditions: good}, nil},
		"match":                   {ContentFilter{Match: "most", Conditions: good}, []string{"/content_filters/0/match"}},
		"no conditions":           {ContentFilter{}, []string{"/content_filters/0/conditions"}},
		"no actions":              {ContentFilter{Conditions: good, Actions: []FilterAction{}}, []string{"/content_filters/0/actions"}},
		"unknown field":           {of(FilterCondition{Field: "body", Operator: OperatorContains, Value: "x"}), []string{c + "/field"}},
		"header without name":     {of(FilterCondition{Field: FieldHeader, Operator: OperatorContains, Value: "x"}), []string{c + "/header"}},
		"header name with colon":  {of(FilterCondition{Field: FieldHeader, Header: "X:", Operator: OperatorContains, Value: "x"}), []string{c + "/header"}},
		"name without header":     {of(FilterCondition{Field: FieldSubject, Header: "X", Operator: OperatorContains, Value: "x"}), []string{c + "/header"}},
		"text compared as size":   {of(FilterCondition{Field: FieldSubject, Operator: OperatorLess, Value: "x"}), []string{c + "/operator"}},
		"size compared as text":   {of(FilterCondition{Field: FieldSize, Operator: OperatorContains, Octets: 1}), []string{c + "/operator"}},
		"size as text":            {of(FilterCondition{Field: FieldSize, Operator: OperatorLess, Value: "1000"}), []string{c + "/value"}},
		"negative size":           {of(FilterCondition{Field: FieldSize, Operator: OperatorLess, Octets: -1}), []string{c + "/octets"}},
		"text with octets":        {of(FilterCondition{Field: FieldSubject, Operator: OperatorContains, Value: "x", Octets: 1}), []string{c + "/octets"}},
		"contains nothing":        {of(FilterCondition{Field: FieldSubject, Operator: OperatorContains}), []string{c + "/value"}},
		"too long a value":        {of(FilterCondition{Field: FieldSubject, Operator: OperatorContains, Value: strings.Repeat("x", 501)}), []string{c + "/value"}},
		"no expression":           {of(FilterCondition{Field: FieldSubject, Operator: OperatorMatches, Value: "("}), []string{c + "/value"}},
		"no RE2":                  {of(FilterCondition{Field: FieldSubject, Operator: OperatorMatches, Value: `(a)\1`}), []string{c + "/value"}},
		"too costly":              {of(FilterCondition{Field: FieldSubject, Operator: OperatorMatches, Value: `(?:[a-z]{3}x){999}`}), []string{c + "/value"}},
		"unknown action":          {do(FilterAction{Action: "drop"}), []string{a + "/action"}},
		"hold twice":              {do(FilterAction{Action: ActionHold}, FilterAction{Action: ActionHold}), []string{"/content_filters/0/actions/1/action"}},
		"reject and hold":         {do(FilterAction{Action: ActionRejectMessage}, FilterAction{Action: ActionHold}), []string{"/content_filters/0/actions"}},
		"two fields":              {do(FilterAction{Action: ActionAddHeader, Header: "X", Value: "1"}, FilterAction{Action: ActionAddHeader, Header: "X", Value: "2"}), nil},
		"a field without name":    {do(FilterAction{Action: ActionAddHeader, Value: "x"}), []string{a + "/header"}},
		"a field without value":   {do(FilterAction{Action: ActionAddHeader, Header: "X", Value: " "}), []string{a + "/value"}},
		"a field with line end":   {do(FilterAction{Action: ActionAddHeader, Header: "X", Value: "a\r\nBcc: b"}), []string{a + "/value"}},
		"a name with line end":    {do(FilterAction{Action: ActionAddHeader, Header: "X\r\nY", Value: "a"}), []string{a + "/header"}},
		"a field beyond ASCII":    {do(FilterAction{Action: ActionAddHeader, Header: "X", Value: "ü"}), []string{a + "/value"}},
		"a trace field":           {do(FilterAction{Action: ActionAddHeader, Header: "RECEIVED", Value: "x"}), []string{a + "/header"}},
		"the sender's word":       {do(FilterAction{Action: ActionAddHeader, Header: "TLS-Required", Value: "No"}), []string{a + "/header"}},
		"hold with a field":       {do(FilterAction{Action: ActionHold, Value: "x"}), []string{a + "/header"}},
		"hold with a text":        {do(FilterAction{Action: ActionHold, Text: "x"}), []string{a + "/text"}},
		"reject with line end":    {do(FilterAction{Action: ActionRejectMessage, Text: "a\r\n250 ok"}), []string{a + "/text"}},
		"reject with a long text": {do(FilterAction{Action: ActionRejectMessage, Text: strings.Repeat("x", 201)}), []string{a + "/text"}},
	} {
		t.Run(name, func(t *testing.T) {
			var pointers []string
			for _, f := range filters(tc.filter).Validate() {
				pointers = append(pointers, f.Pointer)
			}
			if diff := cmp.Diff(tc.want, pointers); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNamesOfContentFiltersAreUnique(t *testing.T) {
	one := ContentFilter{Conditions: conditions(t, `subject contains "x"`)}
	list := filters(one, one)
	list.Filters[1].Name = "F0"
	if faults := list.Validate(); len(faults) != 1 || faults[0].Pointer != "/content_filters/1/name" {
		t.Errorf("faults: %v", faults)
	}
	if filters(slices.Repeat([]ContentFilter{one}, 101)...).Validate().Err() == nil {
		t.Error("101 filters are allowed")
	}
}
