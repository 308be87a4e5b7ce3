package config_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"postern/domain"
	"postern/domain/config"
	"postern/domain/config/configtest"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// draftRig is a seeded configuration with one open draft.
type draftRig struct {
	t       testing.TB
	service *config.Service
	store   *configtest.Memory
	drafts  *config.Drafts
	id      string
	view    *config.DraftView
}

func newDraftRig(t testing.TB) *draftRig {
	t.Helper()
	r := &draftRig{t: t}
	r.service, r.store = configtest.Seeded(t)
	r.drafts = configtest.Drafts(t, r.service, r.store)
	r.id, r.view = r.open()
	return r
}

func (r *draftRig) open() (string, *config.DraftView) {
	r.t.Helper()
	draft, err := r.drafts.Open(r.t.Context(), "ada", "move partners to TLS")
	if err != nil {
		r.t.Fatal(err)
	}
	view, err := r.drafts.View(r.t.Context(), draft.ID)
	if err != nil {
		r.t.Fatal(err)
	}
	return draft.ID, view
}

func (r *draftRig) edit(edits ...config.Edit) config.Result {
	r.t.Helper()
	result, err := r.view.Commit(r.t.Context(), config.Change{Edits: edits})
	if err != nil {
		r.t.Fatal(err)
	}
	return result
}

func (r *draftRig) commit() (config.Result, error) {
	return r.drafts.Commit(r.t.Context(), r.id, config.Act{Author: "grace"})
}

func (r *draftRig) count() int {
	r.t.Helper()
	d, err := r.drafts.Draft(r.t.Context(), r.id)
	if err != nil {
		r.t.Fatal(err)
	}
	return d.Edits
}

func wantKind(t testing.TB, what string, err error, want domain.Kind) {
	t.Helper()
	if err == nil || domain.KindOf(err) != want {
		t.Errorf("%s: error %v, want %s", what, err, want)
	}
}

// A draft shows the configuration as it would be, and changes nothing before it
// is committed (B69).
func TestDraftIsSeenThroughItsViewOnly(t *testing.T) {
	r := newDraftRig(t)
	r.edit(control(t, "example.com", policy.TLSRequired))
	if level(r.service, "example.com") != policy.TLSNone || r.service.Snapshot().Revision != 1 {
		t.Fatal("an open draft changed the configuration")
	}
	if _, _, err := r.view.Get(t.Context(), config.KindDestinationControl, "example.com"); err != nil {
		t.Error(err)
	}
	snapshot, err := r.view.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c, _ := snapshot.Control("example.com"); *c.TLSLevel != policy.TLSRequired {
		t.Errorf("the draft's snapshot says %s", c.TLSLevel)
	}

	result, err := r.commit()
	if err != nil || result.Revision != 2 || level(r.service, "example.com") != policy.TLSRequired {
		t.Fatalf("commit: revision %d, %v", result.Revision, err)
	}
	made, err := r.service.Revision(t.Context(), 2)
	if err != nil || made.Draft != r.id || made.Author != "grace" || made.Comment != "move partners to TLS" {
		t.Errorf("recorded %+v, %v", made, err)
	}
	if again, err := r.commit(); err != nil || again.Revision != 2 || r.service.Snapshot().Revision != 2 {
		t.Errorf("the repeated commit: revision %d, %v", again.Revision, err)
	}
}

func TestEndedDraftTakesNoEdits(t *testing.T) {
	r := newDraftRig(t)
	if _, err := r.commit(); domain.KindOf(err) != domain.Conflict {
		t.Errorf("commit of an empty draft: %v", err)
	}
	if d, err := r.drafts.Discard(t.Context(), r.id); err != nil || d.State != config.DraftDiscarded {
		t.Fatalf("%+v, %v", d, err)
	}
	if _, err := r.drafts.Discard(t.Context(), r.id); err != nil {
		t.Errorf("the repeated discard: %v", err)
	}
	_, err := r.commit()
	wantKind(t, "commit", err, domain.Conflict)
	_, err = r.view.Commit(t.Context(), config.Change{Edits: []config.Edit{control(t, "a.example", policy.TLSNone)}})
	wantKind(t, "edit", err, domain.Conflict)
	_, err = r.drafts.View(t.Context(), r.id)
	wantKind(t, "view", err, domain.Conflict)
	_, err = r.drafts.Diff(t.Context(), r.id)
	wantKind(t, "diff", err, domain.Conflict)
	_, err = r.drafts.View(t.Context(), "none")
	wantKind(t, "view of none", err, domain.NotFound)
}

// What a value has at fault by itself is refused at once; what is missing beside
// it may still come, and is told by validation and by the commit.
func TestDraftMayBeIncompleteInBetween(t *testing.T) {
	r := newDraftRig(t)
	bad := config.Edit{Kind: config.KindRoute, Key: "ALL", Value: policy.Route{}}
	_, err := r.view.Commit(t.Context(), config.Change{Edits: []config.Edit{bad}})
	wantKind(t, "a value with faults", err, domain.Invalid)

	_, value, err := r.view.Get(t.Context(), config.KindHostAccessTable, "inbound")
	if err != nil {
		t.Fatal(err)
	}
	table := value.(policy.HostAccessTable)
	table.Groups = slices.Clone(table.Groups)
	table.Groups[0].Policy = "PARTNERS"
	r.edit(config.Edit{Kind: config.KindHostAccessTable, Key: "inbound", Value: table})
	report, err := r.drafts.Validate(t.Context(), r.id)
	if err != nil || len(report.Faults) != 1 || report.Faults[0].Pointer != "/host_access_table/inbound/sender_groups/0/policy" {
		t.Fatalf("%+v, %v", report, err)
	}
	_, err = r.commit()
	wantKind(t, "commit", err, domain.Invalid)
	_, err = r.view.Snapshot(t.Context())
	wantKind(t, "snapshot", err, domain.Invalid)

	partners := policy.MailFlowPolicy{Name: "PARTNERS", Action: policy.ActionAccept}
	r.edit(config.Edit{Kind: config.KindMailFlowPolicy, Key: "PARTNERS", Value: partners})
	if report, err := r.drafts.Validate(t.Context(), r.id); err != nil || len(report.Faults) != 0 {
		t.Errorf("%+v, %v", report, err)
	}
	if _, err := r.commit(); err != nil {
		t.Error(err)
	}
}

func TestValidateTellsOfWhatIsInUse(t *testing.T) {
	r := newDraftRig(t)
	r.edit(config.Edit{Kind: config.KindMailFlowPolicy, Key: "BLOCKED"})
	report, err := r.drafts.Validate(t.Context(), r.id)
	if err != nil || len(report.Faults) != 1 || !strings.Contains(report.Faults[0].Message, "BLOCKLIST") {
		t.Errorf("%+v, %v", report, err)
	}
}

// Several edits of an item are one, and one that ends where it began is none.
func TestDraftEditsMerge(t *testing.T) {
	r := newDraftRig(t)
	configtest.Commit(t, r.service, control(t, "old.example", policy.TLSRequired))
	r.edit(control(t, "new.example", policy.TLSPreferred))
	r.edit(control(t, "new.example", policy.TLSRequired))
	r.edit(control(t, "old.example", policy.TLSNone))
	if r.count() != 2 {
		t.Errorf("%d edits, want 2", r.count())
	}
	r.edit(config.Edit{Kind: config.KindDestinationControl, Key: "new.example"})
	r.edit(control(t, "old.example", policy.TLSRequired))
	if r.count() != 0 {
		t.Errorf("%d edits are left of none", r.count())
	}
	r.edit(control(t, "old.example", policy.TLSRequired)) // as it is
	if r.count() != 0 {
		t.Errorf("%d edits change nothing", r.count())
	}
}

func TestPreconditionsHoldInADraft(t *testing.T) {
	r := newDraftRig(t)
	tag := r.edit(control(t, "example.com", policy.TLSRequired)).Items[0].ETag
	for name, tc := range map[string]struct {
		alter func(*config.Edit)
		want  domain.Kind
	}{
		"other tag": {func(e *config.Edit) { e.IfMatch = "other" }, domain.Stale},
		"create":    {func(e *config.Edit) { e.IfNoneMatch = true }, domain.Stale},
		"deletion":  {func(e *config.Edit) { e.Key, e.Value = "none.example", nil }, domain.NotFound},
	} {
		e := control(t, "example.com", policy.TLSNone)
		tc.alter(&e)
		_, err := r.view.Commit(t.Context(), config.Change{Edits: []config.Edit{e}})
		wantKind(t, name, err, tc.want)
	}
	e := control(t, "example.com", policy.TLSPreferred)
	e.IfMatch = tag
	r.edit(e)
}

func TestListenerInADraftHasItsTable(t *testing.T) { // B12
	r := newDraftRig(t)
	l := policy.Listener{Name: "third", Kind: policy.ListenerPublic, Protocol: policy.ProtocolSMTP, HostName: "a.example", Address: "127.0.0.1", Port: 2526}
	r.edit(config.Edit{Kind: config.KindListener, Key: "third", Value: l})
	if _, _, err := r.view.Get(t.Context(), config.KindHostAccessTable, "third"); err != nil {
		t.Error(err)
	}
	r.edit(config.Edit{Kind: config.KindListener, Key: "inbound"})
	_, _, err := r.view.Get(t.Context(), config.KindHostAccessTable, "inbound")
	wantKind(t, "the table of a deleted listener", err, domain.NotFound)
	if _, err := r.commit(); err != nil {
		t.Fatal(err)
	}
	if _, ok := r.service.Snapshot().Access("third"); !ok {
		t.Error("the new listener has no table")
	}
}

// A draft whose items changed underneath is stale: what clashes is named, with who
// changed it and in which revision (B69).
func TestStaleDraftNamesWhatClashes(t *testing.T) {
	r := newDraftRig(t)
	configtest.Commit(t, r.service, control(t, "kept.example", policy.TLSPreferred), control(t, "gone.example", policy.TLSPreferred))
	r.edit(control(t, "kept.example", policy.TLSRequired), control(t, "gone.example", policy.TLSRequired), control(t, "mine.example", policy.TLSRequired))
	configtest.Commit(t, r.service, control(t, "kept.example", policy.TLSNone))
	configtest.Commit(t, r.service, config.Edit{Kind: config.KindDestinationControl, Key: "gone.example"})

	_, err := r.commit()
	wantKind(t, "commit", err, domain.Stale)
	for _, part := range []string{"/destination_control/kept.example: was changed by test in revision 3", "/destination_control/gone.example: was changed by test in revision 4"} {
		if !strings.Contains(faultText(err), part) {
			t.Errorf("%q does not say %q", faultText(err), part)
		}
	}
	if strings.Contains(faultText(err), "mine.example") {
		t.Errorf("%q names what does not clash", faultText(err))
	}
	if report, err := r.drafts.Validate(t.Context(), r.id); err != nil || len(report.Clashes) != 2 {
		t.Errorf("%+v, %v", report, err)
	}

	_, err = r.drafts.Rebase(t.Context(), r.id, 3)
	wantKind(t, "rebase onto a revision before a clash", err, domain.Stale)
	if strings.Contains(faultText(err), "kept.example") {
		t.Errorf("%q names what was seen", faultText(err))
	}
	_, err = r.drafts.Rebase(t.Context(), r.id, 99)
	wantKind(t, "rebase onto the future", err, domain.Invalid)
	if _, err := r.drafts.Rebase(t.Context(), r.id, 4); err != nil {
		t.Fatal(err)
	}
	if _, err := r.commit(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []mailaddr.DomainName{"kept.example", "gone.example", "mine.example"} {
		if level(r.service, name) != policy.TLSRequired {
			t.Errorf("%s: %s", name, level(r.service, name))
		}
	}
}

func faultText(err error) string {
	var text []string
	if known, ok := errors.AsType[*domain.Error](err); ok {
		for _, f := range known.Faults {
			text = append(text, f.String())
		}
	}
	return strings.Join(text, "\n")
}

// What another change brought about already is no clash.
func TestSameChangeTwiceIsNoClash(t *testing.T) {
	r := newDraftRig(t)
	r.edit(control(t, "same.example", policy.TLSRequired), control(t, "mine.example", policy.TLSRequired))
	configtest.Commit(t, r.service, control(t, "same.example", policy.TLSRequired))
	if result, err := r.commit(); err != nil || result.Revision != 3 {
		t.Errorf("%+v, %v", result, err)
	}
}

func TestDraftsAreBounded(t *testing.T) {
	r := newDraftRig(t)
	for range config.MaxOpenDrafts - 1 {
		r.open()
	}
	_, err := r.drafts.Open(t.Context(), "ada", "one too many")
	wantKind(t, "one too many", err, domain.Conflict)
	if _, err := r.drafts.Discard(t.Context(), r.id); err != nil {
		t.Fatal(err)
	}
	r.open()
}

func TestEditsOfADraftAreBounded(t *testing.T) {
	r := newDraftRig(t)
	edits := make([]config.Edit, config.MaxDraftEdits)
	for i := range edits {
		edits[i] = control(t, fmt.Sprintf("%d.example", i), policy.TLSRequired)
	}
	r.edit(control(t, "first.example", policy.TLSRequired))
	_, err := r.view.Commit(t.Context(), config.Change{Edits: edits})
	wantKind(t, "one too many", err, domain.Conflict)
	if r.count() != 1 {
		t.Errorf("%d edits, want 1", r.count())
	}
}

// A commit that failed leaves the draft open; one whose outcome was lost has ended
// it, and repeating it says so.
func TestCommitOfADraftIsOneStroke(t *testing.T) {
	r := newDraftRig(t)
	r.edit(control(t, "example.com", policy.TLSRequired))
	r.store.FailNext(domain.E(domain.Unavailable, "the disk is full"))
	_, err := r.commit()
	wantKind(t, "failed commit", err, domain.Unavailable)
	if d, _ := r.drafts.Draft(t.Context(), r.id); d.State != config.DraftOpen || d.Edits != 1 {
		t.Errorf("after a failed commit: %+v", d)
	}
	r.store.LoseNext(domain.E(domain.Unavailable, "connection lost"))
	_, err = r.commit()
	wantKind(t, "lost commit", err, domain.Unavailable)
	if result, err := r.commit(); err != nil || result.Revision != 2 || r.service.Snapshot().Revision != 2 {
		t.Errorf("repeated: %+v, %v", result, err)
	}
}

// Twenty writers with If-Match on one item of one draft lose no update.
func TestWritersOfADraftLoseNothing(t *testing.T) {
	r := newDraftRig(t)
	r.edit(control(t, "example.com", policy.TLSRequired))
	read := func() (policy.DestinationControl, string) {
		item, v, err := r.view.Get(t.Context(), config.KindDestinationControl, "example.com")
		if err != nil {
			t.Error(err)
		}
		return v.(policy.DestinationControl), item.ETag
	}
	var writers sync.WaitGroup
	const all, each = 20, 10
	for range all {
		writers.Go(func() {
			for done := 0; done < each; {
				value, tag := read()
				value.MaxConnections++
				e := config.Edit{Kind: config.KindDestinationControl, Key: "example.com", Value: value, IfMatch: tag}
				_, err := r.view.Commit(t.Context(), config.Change{Edits: []config.Edit{e}})
				if err == nil {
					done++
				} else if domain.KindOf(err) != domain.Stale {
					t.Error(err)
					return
				}
			}
		})
	}
	writers.Wait()
	if _, err := r.commit(); err != nil {
		t.Fatal(err)
	}
	if c, _ := r.service.Snapshot().Control("example.com"); c.MaxConnections != all*each {
		t.Errorf("%d increments counted, want %d", c.MaxConnections, all*each)
	}
}

// steps are writes, of which some delete nothing.
func steps(t *rapid.T) []config.Edit {
	name := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f", "g"})
	var edits []config.Edit
	for range rapid.IntRange(0, 25).Draw(t, "steps") {
		key := name.Draw(t, "name") + ".example"
		e := config.Edit{Kind: config.KindDestinationControl, Key: key}
		if !rapid.Bool().Draw(t, "delete") {
			pattern, err := mailaddr.ParseHostPattern(key)
			if err != nil {
				t.Fatal(err)
			}
			e.Value = policy.DestinationControl{Pattern: pattern, MaxConnections: rapid.IntRange(1, 3).Draw(t, "value")}
		}
		edits = append(edits, e)
	}
	return edits
}

// Editing in a draft and committing it leads where the same plain writes lead; and
// page by page the draft lists, before the commit, what is there after it.
func TestDraftEqualsPlainWrites(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		before, inside := steps(rt), steps(rt)
		plain, plainStore := configtest.Seeded(t)
		r := newDraftRig(t)
		for _, e := range before {
			_, _ = plain.Commit(t.Context(), config.Change{Edits: []config.Edit{e}})
			_, _ = r.service.Commit(t.Context(), config.Change{Edits: []config.Edit{e}})
		}
		for _, e := range inside {
			_, plainErr := plain.Commit(t.Context(), config.Change{Edits: []config.Edit{e}})
			_, draftErr := r.view.Commit(t.Context(), config.Change{Edits: []config.Edit{e}})
			if (plainErr == nil) != (draftErr == nil) || domain.KindOf(plainErr) != domain.KindOf(draftErr) {
				rt.Fatalf("%s: plain %v, in a draft %v", e.Key, plainErr, draftErr)
			}
		}
		limit := rapid.IntRange(1, 4).Draw(rt, "limit")
		shown := listing(rt, r.view, limit)
		if _, err := r.commit(); err != nil && domain.KindOf(err) != domain.Conflict {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(plainStore.Documents(), r.store.Documents()); diff != "" {
			rt.Errorf("the draft led elsewhere:\n%s", diff)
		}
		if diff := cmp.Diff(listing(rt, r.service, 100), shown); diff != "" {
			rt.Errorf("the draft listed something else:\n%s", diff)
		}
	})
}

// listing reads all destination controls in pages.
func listing(t *rapid.T, from config.Reader, limit int) (list []string) {
	after := ""
	for {
		page, err := from.List(t.Context(), config.KindDestinationControl, after, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page {
			list = append(list, fmt.Sprintf("%s %s %s", item.Key, item.ETag, item.Document))
			after = item.Key
		}
		if len(page) < limit {
			return list
		}
	}
}

func TestADraftIsToldOfEveryItemInUse(t *testing.T) {
	r := newDraftRig(t)
	r.edit(
		config.Edit{Kind: config.KindMailFlowPolicy, Key: "BLOCKED"},
		config.Edit{Kind: config.KindHostAccessTable, Key: "inbound"},
	)
	want := []string{"/host_access_table/inbound", "/mail_flow_policy/BLOCKED"}
	report, err := r.drafts.Validate(t.Context(), r.id)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range report.Faults {
		got = append(got, f.Pointer)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", report.Faults, want)
	}
	if _, err := r.drafts.Commit(t.Context(), r.id, config.Act{Author: "ada"}); domain.KindOf(err) != domain.Conflict {
		t.Errorf("commit: %v", err)
	}
}
