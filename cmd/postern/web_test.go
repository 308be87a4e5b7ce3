package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kolo/xmlrpc"

	"postern/smtp/smtptest"
)

const (
	challengeToken  = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"
	challengeAnswer = challengeToken + ".9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"
)

// webAddr is where a web endpoint listens; empty where it does not.
func (g *gateway) webAddr(name string) string {
	if addr := g.web.endpoints.Addr(name); addr != nil {
		return addr.String()
	}
	return ""
}

// openPublicWeb serves the public web listener on ports that the system chooses.
func (g *gateway) openPublicWeb() {
	g.t.Helper()
	g.must("PATCH", "/settings/public_web?wait=5s",
		`{"http":{"enabled":true,"address":"127.0.0.1","port":0},"https":{"enabled":true,"address":"127.0.0.1","port":0}}`)
}

// fetch asks the public web listener, without following anything.
func fetch(t *testing.T, method, url string) (status int, header http.Header, body string) {
	t.Helper()
	client := &http.Client{
		Timeout:       smtptest.Timeout,
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	request, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(content)
}

// keptHTTPS is one connection to the API by HTTPS that stays open.
type keptHTTPS struct {
	t    *testing.T
	conn *tls.Conn
	in   *bufio.Reader
}

func dialHTTPS(t *testing.T, addr string) *keptHTTPS {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true}) // certificates are compared, not trusted
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &keptHTTPS{t, conn, bufio.NewReader(conn)}
}

func (k *keptHTTPS) names() []string { return k.conn.ConnectionState().PeerCertificates[0].DNSNames }

func (k *keptHTTPS) status(token string) int {
	k.t.Helper()
	fmt.Fprintf(k.conn, "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n", token)
	response, err := http.ReadResponse(k.in, nil)
	if err != nil {
		k.t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		k.t.Fatal(err)
	}
	return response.StatusCode
}

// B1, B41: HTTPS of the management listener is there while TLS is on, and an
// activation holds from the next handshake on.
func TestManagementHTTPSFollowsTheSwitchAndTheActivation(t *testing.T) {
	g := newGateway(t, t.TempDir())
	if addr := g.webAddr(managementHTTPS); addr != "" {
		t.Fatalf("HTTPS on %s though TLS is off", addr)
	}
	g.must("PATCH", "/settings/tls?wait=5s", `{"enabled":true}`)
	kept := dialHTTPS(t, g.webAddr(managementHTTPS))
	if status := kept.status(g.token); status != http.StatusOK {
		t.Fatalf("status %d by HTTPS", status)
	}
	made := decode[struct {
		ID string `json:"id"`
	}](t, g.must("POST", "/certificates/self-signed", `{"host_name":"second.example"}`))
	g.must("POST", "/certificates/"+made.ID+"/activate?wait=5s", "")
	if names := dialHTTPS(t, g.webAddr(managementHTTPS)).names(); names[0] != "second.example" {
		t.Errorf("after the activation a handshake shows %q", names)
	}
	if status := kept.status(g.token); status != http.StatusOK {
		t.Errorf("the kept connection got %d after the activation", status)
	}
	addr := g.webAddr(managementHTTPS)
	g.must("PATCH", "/settings/tls?wait=5s", `{"enabled":false}`)
	if conn, err := net.Dial("tcp", addr); err == nil {
		conn.Close()
		t.Error("HTTPS goes on though TLS is off")
	}
}

// B50: answers come from REST, XML-RPC and files, over HTTP and HTTPS, and survive
// a restart; nothing else is answered and nothing redirected.
func TestPublicWebListenerAnswersChallenges(t *testing.T) {
	dir := t.TempDir()
	g := newGateway(t, dir)
	g.must("PATCH", "/settings/tls", `{"enabled":true}`)
	g.openPublicWeb()
	path := "http://" + g.webAddr(publicHTTP) + "/.well-known/acme-challenge/"
	if status, _, _ := fetch(t, "GET", path+challengeToken); status != http.StatusNotFound {
		t.Fatalf("status %d before the answer is there", status)
	}
	g.must("PUT", "/acme/challenges/"+challengeToken, fmt.Sprintf(`{"key_authorization":%q}`, challengeAnswer))
	status, header, body := fetch(t, "GET", path+challengeToken)
	if status != http.StatusOK || body != challengeAnswer || header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("got %d %q as %s", status, body, header.Get("Content-Type"))
	}
	if status, header, _ := fetch(t, "POST", path+challengeToken); status != http.StatusMethodNotAllowed || header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d, Allow %q", status, header.Get("Allow"))
	}
	for _, other := range []string{"/", "/api/v1/status", "//.well-known/acme-challenge/x", "/.well-known/../docs", "/.well-known/acme-challenge/../../x", "/.well-known/acme-challenge"} {
		if status, _, _ := fetch(t, "GET", "http://"+g.webAddr(publicHTTP)+other); status != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", other, status)
		}
	}

	g.stop()
	again := newGateway(t, dir)
	if status, _, body := fetch(t, "GET", "http://"+again.webAddr(publicHTTP)+"/.well-known/acme-challenge/"+challengeToken); status != http.StatusOK || body != challengeAnswer {
		t.Errorf("after the restart: %d %q", status, body)
	}
}

// B49: what scripts do for outside ACME clients.
func TestChallengeByXMLRPC(t *testing.T) {
	g := newGateway(t, t.TempDir())
	g.openPublicWeb()
	client, err := xmlrpc.NewClient("http://admin:"+g.token+"@"+g.APIAddr()+"/RPC2", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	var put struct {
		Token string `xmlrpc:"token"`
	}
	if err := client.Call("acme.put_challenge", map[string]any{"token": challengeToken, "key_authorization": challengeAnswer}, &put); err != nil {
		t.Fatal(err)
	}
	path := "http://" + g.webAddr(publicHTTP) + "/.well-known/acme-challenge/" + challengeToken
	if status, _, body := fetch(t, "GET", path); status != http.StatusOK || body != challengeAnswer || put.Token != challengeToken {
		t.Errorf("got %d %q", status, body)
	}
	var gone bool
	if err := client.Call("acme.delete_challenge", map[string]any{"token": challengeToken}, &gone); err != nil || !gone {
		t.Fatal(gone, err)
	}
	if status, _, _ := fetch(t, "GET", path); status != http.StatusNotFound {
		t.Errorf("after the deletion: %d", status)
	}
	if err := client.Call("acme.put_challenge", map[string]any{"token": "../x", "key_authorization": challengeAnswer}, &put); err == nil {
		t.Error("a path passes for a token")
	}
}

func TestWebrootGivesOutAnswersAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	g := newGateway(t, dir)
	g.openPublicWeb()
	folder := filepath.Join(dir, "webroot", ".well-known", "acme-challenge") // made at the start
	for _, err := range []error{
		os.WriteFile(filepath.Join(folder, challengeToken), []byte(challengeAnswer), 0o644),
		os.WriteFile(filepath.Join(folder, "big"), []byte(strings.Repeat("x", 2000)), 0o644),
		os.Symlink("../../../master.key", filepath.Join(folder, "key")),
		os.Mkdir(filepath.Join(folder, "folder"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	path := "http://" + g.webAddr(publicHTTP) + "/.well-known/acme-challenge/"
	if status, _, body := fetch(t, "GET", path+challengeToken); status != http.StatusOK || body != challengeAnswer {
		t.Errorf("the file: %d %q", status, body)
	}
	for _, name := range []string{"big", "key", "folder", "..", "%2e%2e%2f%2e%2e%2f%2e%2e%2fmaster.key", ""} {
		if status, _, body := fetch(t, "GET", path+name); status != http.StatusNotFound {
			t.Errorf("%q: %d %q, want 404", name, status, body)
		}
	}
}

func TestWebEndpointsThatCannotOpenAreRefused(t *testing.T) {
	g := newGateway(t, t.TempDir())
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	refused := g.call("PATCH", "/settings/public_web", fmt.Sprintf(`{"http":{"enabled":true,"address":"127.0.0.1","port":%d}}`, port))
	if refused.status != http.StatusUnprocessableEntity || !strings.Contains(string(refused.body), `"/http/port"`) {
		t.Errorf("a port in use: %d %s", refused.status, refused.body)
	}
	refused = g.call("PATCH", "/settings/public_web", `{"http":{"enabled":true,"port":8080},"https":{"enabled":true,"address":"127.0.0.1","port":8080}}`)
	if refused.status != http.StatusUnprocessableEntity || !strings.Contains(string(refused.body), `"/https/port"`) {
		t.Errorf("one port for both: %d %s", refused.status, refused.body)
	}
}

func TestWebEndpointMovesWithoutCuttingOff(t *testing.T) {
	g := newGateway(t, t.TempDir())
	g.must("PATCH", "/settings/tls?wait=5s", `{"enabled":true}`)
	before := g.webAddr(managementHTTPS)
	kept := dialHTTPS(t, before)
	if status := kept.status(g.token); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	g.must("PATCH", "/settings/management?wait=5s", `{"https":{"address":"127.0.0.2"}}`)
	after := g.webAddr(managementHTTPS)
	if !strings.HasPrefix(after, "127.0.0.2:") {
		t.Fatalf("HTTPS is at %s", after)
	}
	if status := dialHTTPS(t, after).status(g.token); status != http.StatusOK {
		t.Errorf("at the new place: %d", status)
	}
	if conn, err := net.Dial("tcp", before); err == nil {
		conn.Close()
		t.Error("the old place is open still")
	}
}
