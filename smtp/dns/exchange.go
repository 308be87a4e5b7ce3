package dns

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	mdns "github.com/miekg/dns"
)

// udpSize is the answer that we take over UDP: what crosses every usual path in
// one piece (RFC 9715 bounds it by 1,400 octets, IPv6 promises 1,280 with headers).
const udpSize = 1232

// ask asks the servers in turn until one gives an answer. The error is an
// [*Error].
func (r *Resolver) ask(ctx context.Context, q question) (records, error) {
	failure := q.failure(Failed, errors.New("there is no server"))
	done := make([]bool, len(r.servers)) // not to be asked again
	for try := range rounds * len(r.servers) {
		i := try % len(r.servers)
		if done[i] {
			continue
		}
		found, err := r.askServer(ctx, r.servers[i], q)
		if err == nil {
			return found, nil
		}
		if err.Class == Bogus {
			r.afterBogus(done, i)
		}
		if failure.Class != Bogus {
			failure = err
		}
	}
	return records{}, failure
}

// afterBogus marks the servers that are not to be asked after a SERVFAIL from
// server i: itself, and if it is trusted those that are not. What did not
// validate must not be had from a server that does not validate.
func (r *Resolver) afterBogus(done []bool, i int) {
	done[i] = true
	for j, other := range r.servers {
		if r.servers[i].trusted && !other.trusted {
			done[j] = true
		}
	}
}

// askServer asks one server once: over UDP, and over TCP if the answer does not
// fit (RFC 7766 §5).
func (r *Resolver) askServer(ctx context.Context, s server, q question) (records, *Error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	answer, err := r.exchange(ctx, "udp", s.address, q)
	if err == nil && answer.Truncated {
		answer, err = r.exchange(ctx, "tcp", s.address, q)
	}
	if err != nil {
		return records{}, q.failure(classOfCause(err), fmt.Errorf("%s: %w", s.address, err))
	}
	found, class, err := readAnswer(answer, q, s.trusted)
	if err != nil {
		return records{}, q.failure(class, fmt.Errorf("%s %w", s.address, err))
	}
	// What stood in for a resolver that vouches for answers must not outlive its
	// absence.
	if !s.trusted && r.Validating() {
		found.ttl = min(found.ttl, failureTTL)
	}
	return found, nil
}

func classOfCause(err error) Class {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return Timeout
	}
	return Failed
}

// exchange sends the question and waits for the answer to it. Datagrams that do
// not answer it are passed over: they are late, or forged.
func (r *Resolver) exchange(ctx context.Context, network, address string, q question) (*mdns.Msg, error) {
	socket, err := r.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	defer socket.Close()
	// The moment ctx ends is in the past for any deadline.
	stop := context.AfterFunc(ctx, func() { _ = socket.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	conn := &mdns.Conn{Conn: socket, UDPSize: udpSize}
	query := newQuery(q)
	if err := conn.WriteMsg(query); err != nil {
		return nil, err
	}
	for {
		octets, err := conn.ReadMsgHeader(nil)
		if err != nil && !errors.Is(err, mdns.ErrShortRead) {
			return nil, err
		}
		answer := new(mdns.Msg)
		if err == nil && answer.Unpack(octets) == nil && answers(answer, query) {
			return answer, nil
		}
		if network == "tcp" {
			return nil, errors.New("the answer does not match the question")
		}
	}
}

// newQuery asks for recursion and, by the AD bit (RFC 6840 §5.7), for word of
// validation.
func newQuery(q question) *mdns.Msg {
	query := new(mdns.Msg)
	query.SetQuestion(q.name, q.qtype) // with a random id
	query.AuthenticatedData = true
	query.SetEdns0(udpSize, false)
	return query
}

// answers reports whether m answers the query: the same id and the same
// question (RFC 5452 §9.1).
func answers(m, query *mdns.Msg) bool {
	if !m.Response || m.Id != query.Id || m.Opcode != mdns.OpcodeQuery || len(m.Question) != 1 {
		return false
	}
	asked, got := query.Question[0], m.Question[0]
	return got.Qtype == asked.Qtype && got.Qclass == asked.Qclass && strings.EqualFold(got.Name, asked.Name)
}
