package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/eventlog"
)

// Bounds of streams.
const (
	maxStreams     = 100 // calls that wait for events at one time
	maxOwnStreams  = 20  // of one caller, so that none keeps the others out
	heartbeat      = 15 * time.Second
	streamDeadline = 30 * time.Second // for a reader to take what is sent
	streamPage     = 100              // events read at a time
)

// streams are the calls that last until somebody ends them.
type streams struct {
	lifetime context.Context // of all of them
	end      context.CancelFunc

	mu    sync.Mutex
	count int
	own   map[string]int // by caller
}

func newStreams() *streams {
	s := &streams{own: map[string]int{}}
	s.lifetime, s.end = context.WithCancel(context.Background())
	return s
}

// EndStreams ends streams and calls that wait for events. It is for the stop of
// the server, which waits for all calls.
func (a *API) EndStreams() { a.streams.end() }

// enter admits a call that lasts. Its context ends with the request, and with all
// streams. The time limits of the server are for calls that do not last.
func (s *streams) enter(c echo.Context) (ctx context.Context, leave func(), err error) {
	caller := callerKey(principalOf(c))
	if err := s.admit(caller); err != nil {
		return nil, nil, err
	}
	liftReadDeadline(c)
	ctx, cancel := context.WithCancel(c.Request().Context())
	stop := context.AfterFunc(s.lifetime, cancel)
	return ctx, func() {
		stop()
		cancel()
		s.dismiss(caller)
	}, nil
}

func (s *streams) admit(caller string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.count >= maxStreams:
		return domain.E(domain.Exhausted, "%d calls wait for events already", maxStreams)
	case s.own[caller] >= maxOwnStreams:
		return domain.E(domain.Exhausted, "%d calls of yours wait for events already", maxOwnStreams)
	}
	s.count++
	s.own[caller]++
	return nil
}

func (s *streams) dismiss(caller string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count--
	if s.own[caller]--; s.own[caller] == 0 {
		delete(s.own, caller)
	}
}

// liftReadDeadline is for calls that wait after their request was read: the server
// would take the end of the time to read a request for the end of the connection,
// and end the call's context. A writer that has no deadlines has none to lift.
func liftReadDeadline(c echo.Context) {
	_ = http.NewResponseController(c.Response()).SetReadDeadline(time.Time{})
}

// stream is a reply of server-sent events (HTML Living Standard §9.2).
type stream struct {
	api   *API
	c     echo.Context
	query eventlog.Query
	// checked is when the caller's right to read was last looked at.
	checked time.Time
}

// streamEvents sends events until the reader or the server has enough. A stream
// that breaks off is taken up again by its reader, with the id of the last event.
func (a *API) streamEvents(c echo.Context, q eventlog.Query, given bool) error {
	if text := c.Request().Header.Get("Last-Event-ID"); text != "" {
		var ok bool
		if q.After, ok = parseNumber(text); !ok {
			return &malformedError{detail: "The header Last-Event-ID must be the id of an event."}
		}
	} else if !given {
		q.After = a.events.Newest()
	}
	q.Limit = streamPage
	ctx, leave, err := a.streams.enter(c)
	if err != nil {
		return err
	}
	defer leave()
	c.Response().Header().Set("Content-Type", mediaEvents)
	c.Response().WriteHeader(http.StatusOK)
	s := &stream{api: a, c: c, query: q, checked: time.Now()}
	for err := s.position(); err == nil && ctx.Err() == nil; {
		err = s.step(ctx)
	}
	return nil // the reader comes again, whatever ended it
}

// step sends what there is, and waits where that is all. However busy the stream
// is, it does not outlast the right to read it for long.
func (s *stream) step(ctx context.Context) error {
	if err := s.checkCaller(); err != nil {
		return err
	}
	page, err := s.api.events.Read(ctx, s.query)
	if gone, ok := errors.AsType[*eventlog.GoneError](err); ok {
		s.query.After = gone.GoOn()
		return s.send("reset", gone.GoOn(), map[string]any{"detail": gone.Error(), "after": gone.GoOn(), "newest": gone.Newest})
	}
	if err != nil {
		return err
	}
	for _, e := range page.Events {
		if err := s.checkCaller(); err != nil { // a slow reader makes a page last
			return err
		}
		if err := s.send(string(e.Type), e.Number, showEvent(e)); err != nil {
			return err
		}
	}
	s.query.After = nextAfter(s.query, page)
	if len(page.Events) == s.query.Limit {
		return nil
	}
	return s.wait(ctx)
}

// wait lasts until there are more events. While there are none it shows at
// intervals that the stream is alive, and that the caller may still read it.
func (s *stream) wait(ctx context.Context) error {
	waiting, cancel := context.WithTimeout(ctx, heartbeat)
	defer cancel()
	if err := s.api.events.Wait(waiting, s.query.After); err == nil || ctx.Err() != nil {
		return nil
	}
	if err := s.checkCaller(); err != nil {
		return err
	}
	return s.position()
}

// checkCaller looks, once in a heartbeat of wall time, whether the caller may still
// read the stream.
func (s *stream) checkCaller() error {
	if time.Since(s.checked) < heartbeat {
		return nil
	}
	s.checked = time.Now()
	return s.api.authorize(s.c, operation{method: http.MethodGet, role: account.RoleViewer})
}

// position tells the reader from where to go on, which events that were not chosen
// move too. Without data it is no event to the reader.
func (s *stream) position() error {
	return s.write(fmt.Appendf(nil, ": alive\nid: %d\n\n", s.query.After))
}

func (s *stream) send(name string, id int64, data any) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "id: %d\nevent: %s\ndata: %s\n\n", id, name, mustJSON(data)) // JSON of ours has no line breaks
	return s.write(b.Bytes())
}

// write sends at once. A reader that does not take it in time is given up.
func (s *stream) write(text []byte) error {
	control := http.NewResponseController(s.c.Response())
	if err := control.SetWriteDeadline(time.Now().Add(streamDeadline)); err != nil {
		return err
	}
	if _, err := s.c.Response().Write(text); err != nil {
		return err
	}
	return control.Flush()
}
