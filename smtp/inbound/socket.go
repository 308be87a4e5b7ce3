package inbound

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"postern/domain"
	"postern/domain/policy"
)

// Socket owns one listening address for as long as any configuration wants it;
// a change of policy never closes it.
type Socket struct {
	listener *net.TCPListener
	backlog  int
}

// Listen opens the address of a listener.
func Listen(ctx context.Context, l policy.Listener) (*Socket, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", l.AddrPort())
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", l.AddrPort(), err)
	}
	s := &Socket{listener: listener.(*net.TCPListener)}
	return s, s.SetQueue(l.TCPQueue)
}

// CheckBindable opens the address of a listener and closes it again. Where that
// fails it returns an Invalid error whose fault names the port or the address;
// Unavailable where the reason is neither.
func CheckBindable(ctx context.Context, l policy.Listener) error {
	var faults domain.Faults
	socket, err := Listen(ctx, l)
	switch {
	case err == nil:
		return socket.Close()
	case errors.Is(err, syscall.EADDRINUSE):
		faults.Add("/port", "%d is in use on this machine: choose another one, or stop the program that has it", l.Port)
	case errors.Is(err, syscall.EACCES):
		faults.Add("/port", "%d is reserved by the system: the gateway may not open it", l.Port)
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EAFNOSUPPORT), errors.Is(err, syscall.EINVAL):
		faults.Add("/address", "%q is no address of this machine", l.Address)
	default:
		return &domain.Error{Kind: domain.Unavailable, Detail: "the address cannot be tried now", Err: err}
	}
	return faults.Err()
}

// SetQueue sets how many connections may wait to be accepted (B11).
func (s *Socket) SetQueue(backlog int) error {
	if backlog == s.backlog {
		return nil
	}
	raw, err := s.listener.SyscallConn()
	if err != nil {
		return fmt.Errorf("set the TCP queue of %s: %w", s.Addr(), err)
	}
	var listenErr error
	if err := raw.Control(func(fd uintptr) { listenErr = syscall.Listen(int(fd), backlog) }); err != nil {
		return fmt.Errorf("set the TCP queue of %s: %w", s.Addr(), err)
	}
	s.backlog = backlog
	return listenErr
}

// Addr returns where the socket listens.
func (s *Socket) Addr() *net.TCPAddr { return s.listener.Addr().(*net.TCPAddr) }

// Close stops listening. Connections that were accepted are not touched.
func (s *Socket) Close() error { return s.listener.Close() }

// Longest and shortest pause after an accept that failed, as it does while file
// descriptors are short.
const (
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// Serve hands every connection to the handler that is current at its accept,
// each in a goroutine of its own, until the socket is closed; then it waits for
// those goroutines.
func (s *Socket) Serve(current func() *Handler, logger *slog.Logger) {
	var handling sync.WaitGroup
	defer handling.Wait()
	pause := minAcceptPause
	for {
		conn, err := s.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			logger.Warn("accept failed", "address", s.Addr().String(), "error", err.Error())
			time.Sleep(pause)
			pause = min(2*pause, maxAcceptPause)
			continue
		}
		pause = minAcceptPause
		handling.Go(func() { handle(conn, current) })
	}
}

// handle gives the connection to the current handler; one that was retired in
// between has a successor.
func handle(conn net.Conn, current func() *Handler) {
	for h, last := current(), (*Handler)(nil); h != nil && h != last; h, last = current(), h {
		if h.Handle(conn) {
			return
		}
	}
	_ = conn.Close() // the listener is gone from the configuration, or all ends
}
