package main

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The lists that clients walk page by page, while others write and delete on both
// sides of the page's end: what is there all the time is seen exactly once, and
// nothing twice.

func TestPagesOfTheQueueAreStable(t *testing.T) {
	g := newGateway(t, t.TempDir())
	g.must("PUT", "/content-filters/hold?wait=5s", `{"enabled":true,"match":"any",
		"conditions":[{"field":"subject","operator":"contains","value":"kept"}],"actions":[{"action":"hold"}]}`)
	send := func() string {
		c := g.session("outbound")
		defer c.Quit()
		text := c.Send("a@sender.example", []string{"b@example.com"}, "Subject: kept\r\n\r\nx\r\n").Text()
		return text[strings.LastIndexByte(text, ' ')+1:] // the reply ends with the queue id
	}
	remove := func(id string) { g.must("DELETE", "/messages/"+id, "") }
	kept, doomed := inTurns(send)
	churn(t, send, remove, doomed, func() {
		for _, sort := range []string{"", "received_at", "-received_at"} {
			g.walk("/messages?limit=7&state=held&sort="+sort, "id", kept)
		}
	})
}

func TestPagesOfCertificatesAreStable(t *testing.T) {
	g := newGateway(t, t.TempDir())
	create := func() string {
		return decode[struct{ ID string }](t, g.must("POST", "/certificates/self-signed", `{"host_name":"mail.example.com"}`)).ID
	}
	remove := func(id string) { g.must("DELETE", "/certificates/"+id, "") }
	kept, doomed := inTurns(create)
	churn(t, create, remove, doomed, func() {
		for _, sort := range []string{"", "id", "-id"} {
			g.walk("/certificates?limit=7&sort="+sort, "id", kept)
		}
	})
}

func TestPagesOfDestinationControlsAreStable(t *testing.T) {
	g := newGateway(t, t.TempDir())
	var mu sync.Mutex
	n := 0
	create := func() string {
		mu.Lock()
		n++
		pattern := fmt.Sprintf("%02d-%d.example", n*7%100, n) // anywhere among the others
		mu.Unlock()
		g.must("PUT", "/destination-controls/"+pattern, `{}`)
		return pattern
	}
	remove := func(pattern string) { g.must("DELETE", "/destination-controls/"+pattern, "") }
	kept, doomed := inTurns(create)
	churn(t, create, remove, doomed, func() { g.walk("/destination-controls?limit=7", "pattern", kept) })
}

// inTurns creates items that stay and items that will be deleted, one after the
// other.
func inTurns(create func() string) (kept, doomed []string) {
	for range 20 {
		kept, doomed = append(kept, create()), append(doomed, create())
	}
	return kept, doomed
}

// churn reads while two writers create items and delete the oldest that may go.
func churn(t *testing.T, create func() string, remove func(string), doomed []string, read func()) {
	t.Helper()
	stop := make(chan struct{})
	var began, writers sync.WaitGroup
	began.Add(2)
	for w := range 2 {
		mine := slices.Clone(doomed[w*len(doomed)/2 : (w+1)*len(doomed)/2])
		writers.Go(func() {
			first := sync.OnceFunc(began.Done)
			defer first()
			for !isClosed(stop) && !t.Failed() {
				remove(mine[0])
				mine = append(mine[1:], create())
				first()
			}
		})
	}
	defer writers.Wait()
	defer close(stop)
	began.Wait()
	read()
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// walk reads the list to its end, by cursors, and looks for the names of the items
// that stay in it.
func (g *gateway) walk(list, name string, kept []string) {
	g.t.Helper()
	seen, pages := map[string]int{}, 0
	for cursor, more := "", true; more; more = cursor != "" {
		page := decode[struct {
			Items []map[string]any
			Next  string `json:"next_cursor"`
		}](g.t, g.must("GET", list+"&cursor="+url.QueryEscape(cursor), ""))
		for _, item := range page.Items {
			seen[item[name].(string)]++
		}
		cursor, pages = page.Next, pages+1
	}
	for _, item := range kept {
		if seen[item] == 0 {
			g.t.Errorf("%s: %s stood on none of the %d pages", list, item, pages)
		}
	}
	for item, times := range seen {
		if times > 1 {
			g.t.Errorf("%s: %s stood on the pages %d times", list, item, times)
		}
	}
	if pages < 3 {
		g.t.Errorf("%s: %d pages", list, pages)
	}
}
