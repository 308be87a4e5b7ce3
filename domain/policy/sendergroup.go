package policy

import (
	"fmt"

	"postern/domain"
	"postern/domain/mailaddr"
)

// AllGroup is the name of the last sender group of every host access table; it
// matches whatever nothing above it did and cannot be deleted (B12).
const AllGroup = "ALL"

// SenderGroup names the clients that one mail flow policy is for (B12).
type SenderGroup struct {
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	Policy      string   `json:"policy"`
	Senders     []Sender `json:"senders,omitempty"`
}

// Sender is one entry of a sender group (B13).
type Sender struct {
	Pattern mailaddr.SenderPattern `json:"pattern"`
	Comment string                 `json:"comment,omitempty"`
}

// HostAccessTable is the ordered list of sender groups of one listener: the
// first match decides (B12).
type HostAccessTable struct {
	Listener string        `json:"listener"`
	Groups   []SenderGroup `json:"sender_groups"`
}

// Validate reports every broken rule of the table by itself; that the policies
// exist is checked by domain/config.
func (t HostAccessTable) Validate() (f domain.Faults) {
	seen := map[string]bool{}
	for i, g := range t.Groups {
		at := fmt.Sprintf("/sender_groups/%d", i)
		checkName(&f, at+"/name", g.Name)
		if seen[g.Name] {
			f.Add(at+"/name", "%q is the name of an earlier group too", g.Name)
		}
		seen[g.Name] = true
		checkText(&f, at+"/description", g.Description)
		if g.Policy == "" {
			f.Add(at+"/policy", "is required: the name of a mail flow policy")
		}
		for j, s := range g.Senders {
			if s.Pattern == (mailaddr.SenderPattern{}) {
				f.Add(fmt.Sprintf("%s/senders/%d/pattern", at, j), "is required: an address, a network or a name")
			}
			checkText(&f, fmt.Sprintf("%s/senders/%d/comment", at, j), s.Comment)
		}
	}
	// B12: the last group is the undeletable ALL.
	switch n := len(t.Groups); {
	case n == 0 || t.Groups[n-1].Name != AllGroup:
		f.Add("/sender_groups", "must end with the group %q: it can neither be deleted nor moved", AllGroup)
	case len(t.Groups[n-1].Senders) != 0:
		f.Add(fmt.Sprintf("/sender_groups/%d/senders", n-1), "must be empty: the group %q is whoever no group above it names", AllGroup)
	}
	return f
}

// Warnings names the entries that can never match, because a wider one stands
// above them (B13), and the groups below an entry ALL. continues says of a mail
// flow policy that its action is continue: its groups decide nothing, so that
// what they match can still be matched below.
func (t HostAccessTable) Warnings(continues func(policy string) bool) (f domain.Faults) {
	above := newCoverage()
	for i, g := range t.Groups {
		at := fmt.Sprintf("/sender_groups/%d", i)
		switch {
		case above.all != "":
			f.Add(at, "the group can never apply: %s above it matches every client", above.all)
		case !continues(g.Policy):
			f.Merge(at, g.warnings(above))
		}
	}
	return f
}

// warnings names the dead entries of a group and adds the others to those above.
func (g SenderGroup) warnings(above *coverage) (f domain.Faults) {
	for j, s := range g.Senders {
		if wider, ok := above.covering(s.Pattern); ok {
			f.Add(fmt.Sprintf("/senders/%d/pattern", j),
				"%s can never match: %s above it is at least as wide", s.Pattern, wider)
		}
		above.add(s.Pattern, g.Name)
	}
	return f
}
