package rest

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The documentation page as a browser shows it: all operations are there, nothing
// is asked of another host, and the console is empty. scripts/interop/docs.sh
// installs the browser.
func TestDocumentationPageInABrowser(t *testing.T) {
	browser := findBrowser(t)
	f := newFixture(t)
	proxy := newRecordingProxy(t, f.server.URL)
	page, console := browser.open(t, proxy, f.server.URL+"/docs/")
	if outside := proxy.outside(); len(outside) > 0 {
		t.Errorf("the page asks others: %q", outside)
	}
	if len(console) > 0 {
		t.Errorf("the console says %q", console)
	}
	for _, o := range f.api.operations() {
		if !strings.Contains(page, o.id) {
			t.Errorf("%s is not on the page", o.id)
		}
	}
	if len(proxy.paths) < 5 || strings.Contains(page, "Failed to load") {
		t.Errorf("the page loaded %q", proxy.paths)
	}
}

// browser is the path of a headless Chromium.
type browser string

func findBrowser(t *testing.T) browser {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return browser(path)
		}
	}
	t.Skip("no Chromium is installed")
	return ""
}

// open returns the document as it is when all scripts have run, and what the
// console says.
func (b browser) open(t *testing.T, proxy *recordingProxy, url string) (page string, console []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, string(b),
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--user-data-dir="+t.TempDir(),
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
		"--proxy-server="+proxy.server.URL, "--proxy-bypass-list=<-loopback>",
		"--enable-logging=stderr", "--virtual-time-budget=20000", "--window-size=1400,2000", "--dump-dom", url)
	var out, log bytes.Buffer
	command.Stdout, command.Stderr = &out, &log
	if err := command.Run(); err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	return out.String(), regexp.MustCompile(`(?m)^.*CONSOLE.*$`).FindAllString(log.String(), -1)
}

// recordingProxy passes on what is for us, and notes what is not.
type recordingProxy struct {
	server *httptest.Server
	host   string

	mu    sync.Mutex
	paths []string // of ours
	hosts []string // of others
}

func newRecordingProxy(t *testing.T, ours string) *recordingProxy {
	t.Helper()
	p := &recordingProxy{host: strings.TrimPrefix(ours, "http://")}
	forward := &httputil.ReverseProxy{Rewrite: func(*httputil.ProxyRequest) {}}
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.note(r) {
			forward.ServeHTTP(w, r)
			return
		}
		http.Error(w, "this is another host", http.StatusForbidden)
	}))
	t.Cleanup(p.server.Close)
	return p
}

func (p *recordingProxy) note(r *http.Request) (ours bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Host != p.host || r.Method == http.MethodConnect {
		p.hosts = append(p.hosts, r.Host)
		return false
	}
	p.paths = append(p.paths, r.URL.Path)
	return true
}

// ownServices are what Chromium asks for by itself, whatever the page: updates
// and accounts. A page that asked for them would stand in the console, because
// its policy forbids it.
var ownServices = regexp.MustCompile(`\.(google|googleapis|gvt1)\.com(:443)?$`)

// outside returns the other hosts that were asked for.
func (p *recordingProxy) outside() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.hosts), ownServices.MatchString)
}
