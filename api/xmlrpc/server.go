package xmlrpc

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/acme"
)

// Server answers XML-RPC calls over HTTP. It is safe for concurrent use.
type Server struct {
	authenticator Authenticator
	sessions      *sessions
	methods       map[string]*method
	auditLog      AuditLog
	rates         Rates
	logger        *slog.Logger
	now           func() time.Time
}

var _ http.Handler = (*Server)(nil)

// Services are what the methods call. All fields are required.
type Services struct {
	Version           string // of the program
	Authenticator     Authenticator
	Configuration     Configuration
	CertificateReader CertificateReader
	CertificateWriter CertificateWriter
	CertificateForcer CertificateForcer
	CertificateFiles  CertificateFiles
	// CertificateSchedule is the same certificates, at other times.
	CertificateSchedule CertificateSchedule
	AuditLog            AuditLog
	// Rates are shared with the other interfaces.
	Rates      Rates
	Challenges Challenges
	Orders     acme.Orders
	Reporter   Reporter
}

// NewServer returns a server on the services. It is to be mounted at /RPC2 and
// /xmlrpc, in an [http.Server] with time limits for reading.
func NewServer(services Services, logger *slog.Logger, now func() time.Time) *Server {
	s := &Server{
		authenticator: services.Authenticator,
		sessions:      newSessions(now),
		auditLog:      services.AuditLog,
		rates:         services.Rates,
		logger:        logger,
		now:           now,
	}
	s.methods = index(
		s.systemMethods(),
		s.sessionMethods(),
		gatewayMethods{services.Version, services.Configuration}.table(),
		certificateMethods{
			reader: services.CertificateReader, writer: services.CertificateWriter, forcer: services.CertificateForcer,
			files: services.CertificateFiles, schedule: services.CertificateSchedule,
		}.table(),
		tlsMethods{services.Configuration}.table(),
		acmeMethods{services.Challenges, services.Orders}.table(),
		alertMethods{services.Reporter}.table(),
	)
	return s
}

// ServeHTTP answers one request: one call, or one multicall.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "XML-RPC calls are sent by POST", http.StatusMethodNotAllowed)
		return
	}
	charset, err := checkContent(r.Header)
	if err != nil {
		reply(w, http.StatusUnsupportedMediaType, encodeFault(faultOf(err)))
		return
	}
	reply(w, http.StatusOK, s.answer(r, charset))
}

// checkContent returns the charset of the Content-Type, which may be empty. A
// body of another type is refused before it is read. This also keeps web pages
// of strangers out: a browser sends XML to us only after a preflight request,
// which we do not answer.
func checkContent(h http.Header) (charset string, err error) {
	mediaType, parameters, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || mediaType != "text/xml" && mediaType != "application/xml" {
		return "", notConforming("the Content-Type of a call must be text/xml")
	}
	if coding := h.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return "", notConforming("the body of a call must not be compressed")
	}
	return parameters["charset"], nil
}

// answer returns the document that answers the body of a request.
func (s *Server) answer(r *http.Request, charset string) []byte {
	c := newCaller(r)
	call, err := decodeCall(r.Body, charset, s.takesCertificates)
	if err != nil {
		s.log(r.Context(), c, outcome{err: err})
		return encodeFault(faultOf(err))
	}
	result, err := s.perform(r.Context(), c, call)
	if err != nil {
		return encodeFault(faultOf(err))
	}
	document, err := encodeResponse(result)
	if err != nil {
		err = domain.Wrap(err, "encode the result")
		s.log(r.Context(), c, outcome{method: call.name, err: err})
		return encodeFault(faultOf(err))
	}
	return document
}

func (s *Server) takesCertificates(name string) bool {
	m, ok := s.methods[name]
	return ok && m.takesCertificates
}

// reply writes a document. It may hold a session id, which no cache may keep.
func reply(w http.ResponseWriter, status int, document []byte) {
	h := w.Header()
	h.Set("Content-Type", "text/xml; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(document)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(document) // a client that has gone needs no answer
}

// perform does one call and logs it.
func (s *Server) perform(ctx context.Context, c *caller, call methodCall) (any, error) {
	begin := s.now()
	p, result, err := s.dispatch(ctx, c, call)
	s.log(ctx, c, outcome{method: call.name, principal: p.Name, took: s.now().Sub(begin), err: err})
	return result, err
}

// dispatch finds the method, then asks whether the caller may, and at this rate,
// then whether the arguments fit, and calls it. The principal is for the log.
func (s *Server) dispatch(ctx context.Context, c *caller, call methodCall) (p account.Principal, result any, err error) {
	m, ok := s.methods[call.name]
	if !ok {
		return p, nil, &fault{code: codeUnknownMethod, text: "unknown method " + call.name}
	}
	params, session, err := splitSession(m, call.params)
	if err != nil {
		return p, nil, err
	}
	if !m.public() {
		if p, err = s.authorize(ctx, c, m, session); err != nil {
			s.auditRefusal(ctx, c, m, p, err)
			return p, nil, err
		}
		if err = s.rates.Allow(p); err != nil {
			return p, nil, err
		}
	}
	bound, err := bind(m.params, params)
	if err != nil {
		return p, nil, err
	}
	result, err = s.audited(ctx, m, invocation{args: bound, caller: c, principal: p})
	return p, result, err
}

// splitSession takes the member session out of the struct of arguments, unless
// the method itself has a parameter of this name. The id is nil if there is
// none. A struct without other members stands for no arguments.
func splitSession(m *method, params []any) (rest []any, id *string, err error) {
	members, ok := oneStruct(params)
	if !ok || m.hasParam(sessionMember) {
		return params, nil, nil
	}
	value, ok := members[sessionMember]
	if !ok {
		return params, nil, nil
	}
	text, ok := value.(string)
	if !ok {
		return nil, nil, badParams(domain.Faults{{Pointer: "/" + sessionMember, Message: "must be a string"}})
	}
	others := maps.Clone(members)
	delete(others, sessionMember)
	return []any{others}, &text, nil
}

// outcome is what the log says about one call.
type outcome struct {
	method    string // empty where none could be read
	principal string // empty where nobody was authenticated
	took      time.Duration
	err       error
}

// log writes the one line of a call. An error of ours is told with its cause.
// The text of a fault of the protocol is left out: it may repeat parts of the
// body.
func (s *Server) log(ctx context.Context, c *caller, o outcome) {
	attributes := []slog.Attr{
		slog.String("method", o.method),
		slog.String("principal", o.principal),
		slog.String("remote", c.remote.String()),
		slog.Duration("took", o.took),
	}
	level := slog.LevelInfo
	if o.err != nil {
		code := faultOf(o.err).code
		attributes = append(attributes, slog.Int("fault", code))
		if code == codeInternal {
			level = slog.LevelError
		}
		var protocol *fault
		if !errors.As(o.err, &protocol) {
			attributes = append(attributes, slog.String("error", o.err.Error()))
		}
	}
	s.logger.LogAttrs(ctx, level, "xmlrpc call", attributes...)
}
