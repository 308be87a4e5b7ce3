package rest

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/websocket"
)

// The documentation page as a browser shows it: all operations are there, nothing
// is asked of another host, and the console is empty. scripts/interop/docs.sh
// installs the browser.
func TestDocumentationPageInABrowser(t *testing.T) {
	b := startBrowser(t)
	f := newFixture(t)
	operations := f.api.operations()
	page := b.open(f.server.URL+"/docs/", len(operations))
	for _, o := range operations {
		if !strings.Contains(page, o.id+`"`) {
			t.Errorf("%s is not on the page", o.id)
		}
	}
	if len(b.console) > 0 {
		t.Errorf("the console says %q", b.console)
	}
	if len(b.requests) < 5 {
		t.Errorf("the page loads only %q", b.requests)
	}
	for _, url := range b.requests {
		if !strings.HasPrefix(url, f.server.URL+"/") && !strings.HasPrefix(url, "data:") {
			t.Errorf("the page asks for %s", url)
		}
	}
}

// browserTimeout bounds all that a browser does, on a machine with much to do.
const browserTimeout = 90 * time.Second

// browser is a headless Chromium, spoken to by its DevTools protocol.
type browser struct {
	t       *testing.T
	conn    *websocket.Conn
	session string // of the page
	last    int    // number of the last command
	// requests are the URLs that the page asked for, console what was said there.
	requests, console []string
}

// message is a command, its result, or an event.
type message struct {
	ID      int            `json:"id,omitempty"`
	Session string         `json:"sessionId,omitempty"`
	Method  string         `json:"method,omitempty"`
	Params  map[string]any `json:"params,omitempty"`
	Result  map[string]any `json:"result,omitempty"`
	Error   any            `json:"error,omitempty"`
}

// startBrowser has a window so tall that all of the page is in it: the page makes
// no more of a long list than is to be seen.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("Chromium is not installed")
	}
	profile := t.TempDir()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*browserTimeout)
	command := exec.CommandContext(ctx, path, "--headless", "--window-size=1400,40000", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--user-data-dir="+profile, "--no-first-run", "--disable-background-networking", "--disable-component-update",
		"--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--remote-debugging-port=0", "--remote-allow-origins=*", "about:blank")
	command.WaitDelay = time.Second
	if err := command.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	b := &browser{t: t}
	t.Cleanup(func() {
		defer cancel()
		if b.conn == nil {
			cancel()
		} else {
			b.command("Browser.close", nil) // so that the profile is left alone
		}
		_ = command.Wait()
	})
	port, path := debuggingPort(t, profile)
	conn, err := websocket.Dial("ws://127.0.0.1:"+port+path, "", "http://127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(browserTimeout))
	b.conn = conn
	return b
}

// debuggingPort waits for the file in which Chromium says where it listens.
func debuggingPort(t *testing.T, profile string) (port, path string) {
	t.Helper()
	for deadline := time.Now().Add(browserTimeout); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile(filepath.Join(profile, "DevToolsActivePort"))
		if port, path, ok := strings.Cut(string(text), "\n"); err == nil && ok && path != "" {
			return port, path
		}
	}
	t.Fatal("Chromium does not start")
	return "", ""
}

// open shows a page and returns its text when it has so many operations.
func (b *browser) open(url string, operations int) string {
	target := b.command("Target.createTarget", map[string]any{"url": "about:blank"})
	attached := b.command("Target.attachToTarget", map[string]any{"targetId": target["targetId"], "flatten": true})
	b.session, _ = attached["sessionId"].(string)
	for _, domain := range []string{"Page", "Network", "Runtime", "Log"} {
		b.command(domain+".enable", nil)
	}
	b.command("Page.navigate", map[string]any{"url": url})
	for deadline := time.Now().Add(browserTimeout); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if b.evaluate("document.querySelectorAll('.opblock').length") == float64(operations) {
			break
		}
	}
	page, _ := b.evaluate("document.documentElement.outerHTML").(string)
	return page
}

func (b *browser) evaluate(expression string) any {
	result := b.command("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true})
	value, _ := result["result"].(map[string]any)
	return value["value"]
}

// command sends a command and returns its result; events that come before it are
// noted.
func (b *browser) command(method string, params map[string]any) map[string]any {
	b.t.Helper()
	b.last++
	sent := message{ID: b.last, Method: method, Params: params}
	if !strings.HasPrefix(method, "Target.") && !strings.HasPrefix(method, "Browser.") {
		sent.Session = b.session
	}
	if err := websocket.JSON.Send(b.conn, sent); err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
	for {
		var got message
		if err := websocket.JSON.Receive(b.conn, &got); err != nil {
			b.t.Fatalf("%s: %v", method, err)
		}
		if got.ID == b.last {
			if got.Error != nil {
				b.t.Fatalf("%s: %v", method, got.Error)
			}
			return got.Result
		}
		b.note(got)
	}
}

// note keeps what an event says of requests and of the console.
func (b *browser) note(event message) {
	switch event.Method {
	case "Network.requestWillBeSent":
		request, _ := event.Params["request"].(map[string]any)
		url, _ := request["url"].(string)
		b.requests = append(b.requests, url)
	case "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded":
		text, _ := json.Marshal(event.Params)
		b.console = append(b.console, string(text))
	}
}
