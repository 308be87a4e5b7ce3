package dns

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"time"

	mdns "github.com/miekg/dns"
	"golang.org/x/sync/singleflight"
)

// Config says whom to ask and how. The zero value asks the resolvers of the
// machine.
type Config struct {
	// Servers are recursive resolvers, "address:port", asked in this order. Empty
	// means [SystemServers].
	Servers []string
	// Trusted are the addresses off this machine whose AD bit is believed (B63).
	// Loopback addresses always are.
	Trusted []netip.Addr
	// Timeout bounds one try at one server; default 3 s.
	Timeout time.Duration
	// CacheEntries bounds the cache; default 10,000.
	CacheEntries int
	// Now is the clock of the cache; default time.Now.
	Now func() time.Time
	// Dial connects to a server by "udp" or "tcp"; default that of net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

const (
	defaultTimeout      = 3 * time.Second
	defaultCacheEntries = 10_000
	// rounds is how often every server is tried.
	rounds = 2
	// maxTimeouts bounds a whole look-up, in timeouts of one try.
	maxTimeouts = 10
)

// Resolver looks up records. It is safe for concurrent use.
type Resolver struct {
	servers []server
	timeout time.Duration
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	cache   *cache
	flights singleflight.Group

	life context.Context // ends with Close
	end  context.CancelFunc
}

// server is one recursive resolver.
type server struct {
	address string
	trusted bool // its AD bit is believed
}

// New makes a resolver.
func New(config Config) *Resolver {
	config = config.withDefaults()
	r := &Resolver{
		timeout: config.Timeout,
		dial:    config.Dial,
		cache:   newCache(config.CacheEntries, config.Now),
	}
	for _, address := range config.Servers {
		r.servers = append(r.servers, server{address: address, trusted: isTrusted(address, config.Trusted)})
	}
	r.life, r.end = context.WithCancel(context.Background())
	return r
}

func (c Config) withDefaults() Config {
	if len(c.Servers) == 0 {
		c.Servers = SystemServers()
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.CacheEntries <= 0 {
		c.CacheEntries = defaultCacheEntries
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	return c
}

// isTrusted reports whether the AD bit from address counts (RFC 7672 §2.1.3,
// B63).
func isTrusted(address string, trusted []netip.Addr) bool {
	server, err := netip.ParseAddrPort(address)
	if err != nil {
		return false
	}
	addr := server.Addr().Unmap()
	if addr.IsLoopback() {
		return true
	}
	for _, t := range trusted {
		if t.Unmap() == addr {
			return true
		}
	}
	return false
}

// Validating reports whether a server is configured whose AD bit would count.
func (r *Resolver) Validating() bool {
	for _, s := range r.servers {
		if s.trusted {
			return true
		}
	}
	return false
}

// Close ends look-ups that are under way. Later ones fail.
func (r *Resolver) Close() { r.end() }

// question is what is asked, and the key of cache and flights.
type question struct {
	name  string // fully qualified, lower case
	qtype uint16
}

func (q question) String() string { return q.name + " " + mdns.TypeToString[q.qtype] }

// questionOf asks for records of a name in text form.
func questionOf(name string, qtype uint16) question {
	return question{name: mdns.CanonicalName(name), qtype: qtype}
}

// failure makes the error of a look-up.
func (q question) failure(class Class, cause error) *Error {
	return &Error{
		Class: class,
		Name:  strings.TrimSuffix(q.name, "."),
		Type:  mdns.TypeToString[q.qtype],
		Err:   cause,
	}
}

// lookUp answers from the cache, from a look-up under way, or by asking. The
// error is an [*Error]. A caller that gives up leaves the look-up to the others
// that wait for it, and to the cache.
func (r *Resolver) lookUp(ctx context.Context, q question) (records, error) {
	if q.name == "." {
		return records{}, q.failure(Failed, errors.New("there is no name"))
	}
	if known, ok := r.cache.get(q); ok {
		return known.found, known.err
	}
	flight := r.flights.DoChan(q.String(), func() (any, error) { return r.fly(q), nil })
	select {
	case landed := <-flight:
		o, _ := landed.Val.(outcome)
		return o.found, o.err
	case <-ctx.Done():
		return records{}, q.failure(Timeout, ctx.Err())
	}
}

// fly asks on behalf of all who wait for the question.
func (r *Resolver) fly(q question) (o outcome) {
	ctx, cancel := context.WithTimeout(r.life, maxTimeouts*r.timeout)
	defer cancel()
	o.found, o.err = r.ask(ctx, q)
	if r.life.Err() == nil {
		r.cache.put(q, o)
	}
	return o
}

// Cached returns how many answers and failures are remembered.
func (r *Resolver) Cached() int { return r.cache.size() }
