package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"postern/domain"
	"postern/domain/account"
)

// manyTokens is a list of numbered tokens, of which reading may fail from one
// number on.
type manyTokens struct {
	Tokens
	count, failAt int
}

func (m manyTokens) ListTokens(_ context.Context, after string, limit int) (list []account.Token, _ error) {
	from := 0
	if after != "" {
		_, _ = fmt.Sscanf(after, "t%d", &from)
	}
	for i := from + 1; i <= m.count && len(list) < limit; i++ {
		if i == m.failAt {
			return nil, domain.E(domain.Unavailable, "the disk is gone")
		}
		list = append(list, account.Token{ID: fmt.Sprintf("t%05d", i), Name: "n", Role: account.RoleViewer})
	}
	return list, nil
}

func (f *fixture) withTokens(m manyTokens) {
	p := f.parts()
	p.Tokens = m
	f.server = httptest.NewServer(New(p).Handler())
	f.t.Cleanup(f.server.Close)
}

func TestAListIsReadLineByLine(t *testing.T) {
	f := newFixture(t)
	f.withTokens(manyTokens{count: 2500})
	all := f.call("GET", basePath+"/tokens", "", "Accept", mediaNDJSON).want(http.StatusOK)
	lines := strings.Split(strings.TrimSuffix(string(all.body), "\n"), "\n")
	var last Token
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || len(lines) != 2500 || last.ID != "t02500" {
		t.Errorf("%d lines, the last %+v, error %v", len(lines), last, err)
	}
	if got := all.header.Get("Content-Type"); got != mediaNDJSON {
		t.Errorf("media type %q", got)
	}
	page := f.call("GET", basePath+"/tokens?limit=2", "", "Accept", mediaNDJSON).want(http.StatusOK)
	next := page.header.Get("Link")
	if strings.Count(string(page.body), "\n") != 2 || next == "" {
		t.Errorf("page %s, link %q", page.body, next)
	}
	path, _, _ := strings.Cut(strings.TrimPrefix(next, "<"), ">")
	if rest := f.call("GET", path, "", "Accept", mediaNDJSON).want(http.StatusOK); !strings.Contains(string(rest.body), "t00003") {
		t.Errorf("second page %s", rest.body)
	}
	f.withTokens(manyTokens{})
	if none := f.call("GET", basePath+"/tokens", "", "Accept", mediaNDJSON).want(http.StatusOK); len(none.body) != 0 {
		t.Errorf("an empty list is %q", none.body)
	}
	f.call("GET", basePath+"/settings/tls", "", "Accept", mediaNDJSON).want(http.StatusNotAcceptable)
}

// A list that cannot be read to its end must not look whole.
func TestABrokenListIsNoWholeList(t *testing.T) {
	f := newFixture(t)
	f.withTokens(manyTokens{count: 2500, failAt: 1500})
	request, err := http.NewRequest(http.MethodGet, f.server.URL+basePath+"/tokens", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer admin")
	request.Header.Set("Accept", mediaNDJSON)
	response, err := f.client.Do(request)
	if err == nil {
		_ = response.Body.Close()
		t.Error("the reply looks whole")
	}
}

func TestACursorIsTamperEvident(t *testing.T) {
	f := newFixture(t)
	f.withTokens(manyTokens{count: 10})
	first := decoded[Page[Token]](f.call("GET", basePath+"/tokens?limit=2", "").want(http.StatusOK))
	honest := pageRequest{list: basePath + "/tokens?", secret: []byte("secret")}
	if honest.encode("t00002") != first.NextCursor {
		t.Fatalf("cursor %s", first.NextCursor)
	}
	forged := pageRequest{list: basePath + "/tokens?", secret: []byte("guessed")}.encode("t00008")
	other := pageRequest{list: basePath + "/administrators?", secret: []byte("secret")}.encode("t00002")
	for _, cursor := range []string{forged, other, first.NextCursor[1:], first.NextCursor + "A", "x"} {
		refused := f.call("GET", basePath+"/tokens?cursor="+cursor, "").want(http.StatusBadRequest)
		if p := decoded[Problem](refused); !strings.Contains(p.Detail, "cursor") {
			t.Errorf("the refusal does not name the cursor: %s", p.Detail)
		}
	}
	f.call("GET", basePath+"/tokens?cursor="+first.NextCursor, "").want(http.StatusOK)
}
