package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"hash"
	"hash/crc32"
	"net"
	"strings"
	"sync"
	"sync/atomic"
)

// sink is the next hop of the relays. It takes everything and keeps nothing but
// the ledger.
type sink struct {
	tls    *tls.Config
	clear  atomic.Bool // STARTTLS is not offered
	ledger atomic.Pointer[ledger]
	sum    atomic.Uint32 // of the body that the run sends

	address string

	mu       sync.Mutex
	listener net.Listener
	open     map[net.Conn]struct{}
	served   sync.WaitGroup
}

// newSink listens on a port of the system's choice.
func newSink(config *tls.Config) (*sink, error) {
	s := &sink{tls: config, address: "127.0.0.1:0", open: make(map[net.Conn]struct{})}
	return s, s.up()
}

// up listens, and serves until down.
func (s *sink) up() error {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", s.address)
	if err != nil {
		return err
	}
	s.address = listener.Addr().String()
	s.listener = listener
	s.served.Go(func() { s.accept(listener) })
	return nil
}

// down refuses connections until up, and cuts those that are open.
func (s *sink) down() {
	s.listener.Close()
	s.cut()
	s.served.Wait()
}

// cut ends all connections, so that none is kept from a run of other terms.
func (s *sink) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for connection := range s.open {
		connection.Close()
	}
}

func (s *sink) accept(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.open[connection] = struct{}{}
		s.mu.Unlock()
		s.served.Go(func() {
			serve(s, connection)
			connection.Close()
			s.mu.Lock()
			delete(s.open, connection)
			s.mu.Unlock()
		})
	}
}

// dialogue is one connection to the sink.
type dialogue struct {
	sink    *sink
	raw     net.Conn
	in      *bufio.Reader
	out     *bufio.Writer
	secured bool
}

func serve(s *sink, connection net.Conn) {
	d := &dialogue{sink: s, raw: connection, in: bufio.NewReaderSize(connection, 64<<10), out: bufio.NewWriter(connection)}
	d.say("220 sink.example ESMTP")
	for d.turn() == nil {
	}
}

func (d *dialogue) say(line string) { _, _ = d.out.WriteString(line + "\r\n") }

var errQuit = errors.New("the client has quit")

// turn answers one command. Replies to a pipelined group leave in one write.
func (d *dialogue) turn() error {
	if d.in.Buffered() == 0 {
		if err := d.out.Flush(); err != nil {
			return err
		}
	}
	line, err := d.in.ReadString('\n')
	if err != nil {
		return err
	}
	verb, _, _ := strings.Cut(strings.TrimSpace(line), " ")
	switch strings.ToUpper(verb) {
	case "EHLO":
		d.greet()
	case "MAIL", "RCPT", "RSET", "NOOP":
		d.say("250 2.0.0 OK")
	case "STARTTLS":
		return d.secure()
	case "DATA":
		return d.data()
	case "QUIT":
		d.say("221 2.0.0 Bye")
		_ = d.out.Flush() // the client may be gone
		return errQuit
	default:
		d.say("502 5.5.1 Unknown")
	}
	return nil
}

func (d *dialogue) greet() {
	d.say("250-sink.example")
	d.say("250-PIPELINING")
	d.say("250-8BITMIME")
	d.say("250-SIZE 104857600")
	if !d.secured && !d.sink.clear.Load() {
		d.say("250-STARTTLS")
	}
	d.say("250 ENHANCEDSTATUSCODES")
}

func (d *dialogue) secure() error {
	d.say("220 2.0.0 Go ahead")
	if err := d.out.Flush(); err != nil {
		return err
	}
	secured := tls.Server(d.raw, d.sink.tls)
	if err := secured.Handshake(); err != nil {
		return err
	}
	d.secured = true
	d.in.Reset(secured)
	d.out.Reset(secured)
	return nil
}

func (d *dialogue) data() error {
	d.say("354 Go ahead")
	if err := d.out.Flush(); err != nil {
		return err
	}
	m := incoming{seq: -1, sum: crc32.New(castagnoli)}
	if err := m.read(d.in); err != nil {
		return err
	}
	if l := d.sink.ledger.Load(); l != nil {
		l.arrive(m.run, m.seq, m.sum.Sum32() == d.sink.sum.Load())
	}
	d.say("250 2.0.0 Taken")
	return nil
}

// incoming is a message on its way in.
type incoming struct {
	run    string
	seq    int
	inBody bool
	sum    hash.Hash32
}

// read takes the lines up to the lone dot. Lines fit the buffer: ours are short,
// and RFC 5321 §4.5.3.1.6 bounds those that relays add.
func (m *incoming) read(from *bufio.Reader) error {
	for {
		line, err := from.ReadSlice('\n')
		if err != nil {
			return err
		}
		if line[0] == '.' {
			if len(line) == len(".\r\n") {
				return nil
			}
			line = line[1:]
		}
		m.take(line)
	}
}

func (m *incoming) take(line []byte) {
	switch {
	case m.inBody:
		_, _ = m.sum.Write(line) // a hash cannot fail
	case len(line) == len("\r\n"):
		m.inBody = true
	case m.seq < 0 && bytes.HasPrefix(line, []byte(identity)):
		m.run, m.seq = parseIdentity(string(line[len(identity):]))
	}
}
