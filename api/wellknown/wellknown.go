// Package wellknown is the public web listener: what anyone on the Internet may ask
// the gateway by HTTP. It answers what it knows and redirects nothing (B50).
//
// Answers to http-01 challenges (RFC 8555 §8.3) come from those that the API was
// given, and from a folder in which other ACME clients leave theirs as files, as they
// do for a web server.
package wellknown

import (
	"crypto/tls"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"postern/domain/acme"
	"postern/domain/mailaddr"
)

// Limits of the public web listener: short, for strangers.
const (
	headerTimeout  = 5 * time.Second
	readTimeout    = 10 * time.Second
	writeTimeout   = 10 * time.Second
	idleTimeout    = 30 * time.Second
	maxHeaderBytes = 8 << 10
)

const challengePath = "/.well-known/acme-challenge/"

// maxAnswer bounds an answer that comes from a file; a real one has some 90 octets.
const maxAnswer = 1 << 10

// Challenges knows the answers that the API was given.
type Challenges interface {
	Get(token string) (acme.Challenge, error)
}

// Config is what the listener answers from.
type Config struct {
	Challenges Challenges
	// Webroot is the folder that other ACME clients are told is the root of a web
	// server. It need not exist.
	Webroot string
	// Policy returns the text of the MTA-STS policy of a domain; false where it has
	// none.
	Policy func(mailaddr.DomainName) (string, bool)
}

// New returns the handler of the public web listener.
func New(c Config) http.Handler { return http.HandlerFunc(c.serve) }

// serve is no http.ServeMux: that would redirect paths that are not clean.
func (c Config) serve(w http.ResponseWriter, r *http.Request) {
	token, challenge := strings.CutPrefix(r.URL.Path, challengePath)
	policy, hosted := c.policy(r)
	switch {
	case !challenge && !hosted:
		http.NotFound(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "405 method not allowed", http.StatusMethodNotAllowed)
	case hosted:
		servePolicy(w, policy)
	default:
		c.challenge(w, r, token)
	}
}

// NewServer returns a server for the handler, with the limits for strangers set.
func NewServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		// RFC 8737 §3: no application data follows the handshake of a challenge.
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){
			acme.ALPN: func(*http.Server, *tls.Conn, http.Handler) {},
		},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// challenge answers an http-01 challenge.
func (c Config) challenge(w http.ResponseWriter, r *http.Request, token string) {
	answer, ok := c.answer(token)
	if !ok {
		http.NotFound(w, r)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "application/octet-stream") // RFC 8555 §8.3
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, answer) // a client that is gone needs no answer
}

// answer returns the key authorization for a token: what the API was given, or else
// the content of the file of that name.
func (c Config) answer(token string) (string, bool) {
	if challenge, err := c.Challenges.Get(token); err == nil {
		return challenge.KeyAuthorization, true
	}
	if !acme.ValidToken(token) {
		return "", false
	}
	return c.file(token)
}

// file reads an answer from the folder. Nothing outside of it is opened, whatever
// links lie in it, and nothing but a small regular file is read.
func (c Config) file(token string) (string, bool) {
	root, err := os.OpenRoot(c.Webroot)
	if err != nil {
		return "", false
	}
	defer func() { _ = root.Close() }() // it was only read
	name := filepath.Join(".well-known", "acme-challenge", token)
	if info, err := root.Stat(name); err != nil || !plain(info) {
		return "", false // a pipe would never open
	}
	f, err := root.Open(name)
	if err != nil {
		return "", false
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxAnswer+1))
	return string(content), err == nil && len(content) <= maxAnswer
}

func plain(info fs.FileInfo) bool { return info.Mode().IsRegular() && info.Size() <= maxAnswer }
