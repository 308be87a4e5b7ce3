package persistence

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain/mtasts"
)

// B60: policies with their text, failures and pins survive a restart.
func TestMTASTSPoliciesAreKept(t *testing.T) {
	dir := t.TempDir()
	at := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	const text = "version: STSv1\r\nmode: enforce\r\nmx: *.example.com\r\nmax_age: 86400\r\nnew: x\r\n"
	policy, err := mtasts.ParsePolicy(text)
	if err != nil {
		t.Fatal(err)
	}
	good := mtasts.Entry{Domain: "a.example", UsedAt: at, RefreshAt: at.Add(time.Hour)}.Fetched("1", text, policy, at)
	failing := good.Failed("2", mtasts.Problem{Result: mtasts.ResultFetch, Detail: "404"}, at, at.Add(time.Minute))
	failing.Domain, failing.Pinned = "b.example", &mtasts.Pin{By: "admin", Reason: "their server is down", At: at}
	never := mtasts.Entry{Domain: "c.example"}.Failed("3", mtasts.Problem{Result: mtasts.ResultInvalid}, at, at)
	gone := mtasts.Entry{Domain: "d.example"}

	d, err := tryOpen(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []mtasts.Entry{{Domain: "a.example"}, good, failing, never, gone} {
		if err := d.MTASTS().Put(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.MTASTS().Delete(t.Context(), "d.example", "unknown.example"); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if d, err = tryOpen(t, dir); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	var loaded []mtasts.Entry
	load := func(limit int) {
		loaded = nil
		if err := d.MTASTS().Load(t.Context(), func(e mtasts.Entry) bool {
			loaded = append(loaded, e)
			return len(loaded) < limit
		}); err != nil {
			t.Fatal(err)
		}
	}
	load(10)
	if diff := cmp.Diff([]mtasts.Entry{good, failing, never}, loaded); diff != "" {
		t.Errorf("after the restart (-want +got):\n%s", diff)
	}
	if load(1); len(loaded) != 1 {
		t.Errorf("loading went on after it was told to stop: %d", len(loaded))
	}
}
