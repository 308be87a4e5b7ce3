package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
)

// A file of 10 MB is refused by its name, and a body that is too large for anything
// is answered, also where the client sends all of it before it looks for a reply.
func TestLargeBodies(t *testing.T) {
	g := newGateway(t, t.TempDir())
	large := strings.Repeat("x", 10<<20)
	if r := g.call("POST", "/certificates/import", `{"certificate":"`+large+`"}`); r.status != http.StatusUnprocessableEntity || !strings.Contains(string(r.body), `"/certificate"`) {
		t.Errorf("a certificate of 10 MB: %d %.200s", r.status, r.body)
	}
	for _, path := range []string{"/api/v1/domains/a.example", "/RPC2"} {
		conn, err := net.Dial("tcp", g.APIAddr())
		if err != nil {
			t.Fatal(err)
		}
		_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: postern\r\nAuthorization: Bearer %s\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s",
			path, g.token, len(large), large)
		if err != nil {
			t.Errorf("%s: sending: %v", path, err)
		}
		reply, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%s: no reply: %v", path, err)
		} else {
			_ = reply.Body.Close()
		}
		_ = conn.Close()
	}
}
