package dnsupdate_test

import (
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mdns "github.com/miekg/dns"
)

// server is the primary of a zone that takes signed updates.
type server struct {
	listener net.Listener

	mu       sync.Mutex
	zone     string
	records  []*mdns.TXT
	servers  []string // NS
	unsigned bool     // answers are
	refuse   bool
	onMiss   func() // a TXT record was asked for in vain
}

func newServer(t *testing.T, zone string) *server {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{listener: l, zone: mdns.Fqdn(zone)}
	started := make(chan struct{})
	srv := &mdns.Server{
		Listener: l, Handler: s, TsigSecret: map[string]string{"postern.": secret}, NotifyStartedFunc: func() { close(started) },
		MsgAcceptFunc: func(mdns.Header) mdns.MsgAcceptAction { return mdns.MsgAccept },
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := srv.ActivateAndServe(); err != nil {
			t.Error(err)
		}
	})
	<-started
	t.Cleanup(func() { _ = srv.Shutdown(); wg.Wait() })
	return s
}

func (s *server) addr() string { return s.listener.Addr().String() }

func (s *server) add(name, text string) {
	s.records = append(s.records, &mdns.TXT{
		Hdr: mdns.RR_Header{Name: mdns.Fqdn(name), Rrtype: mdns.TypeTXT, Class: mdns.ClassINET}, Txt: []string{text},
	})
}

func (s *server) texts(name string) (texts []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.records {
		if r.Hdr.Name == mdns.Fqdn(name) {
			texts = append(texts, strings.Join(r.Txt, ""))
		}
	}
	return texts
}

// ServeDNS answers a question, or makes an update.
func (s *server) ServeDNS(w mdns.ResponseWriter, m *mdns.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := new(mdns.Msg)
	answer.SetReply(m)
	if m.Opcode != mdns.OpcodeUpdate {
		s.answer(answer, m.Question[0])
		_ = w.WriteMsg(answer)
		return
	}
	t := m.IsTsig()
	if code := distrust(w.TsigStatus(), t); code != 0 {
		answer.Rcode = mdns.RcodeNotAuth
		answer.Extra = append(answer.Extra, &mdns.TSIG{
			Hdr:       mdns.RR_Header{Name: t.Hdr.Name, Rrtype: mdns.TypeTSIG, Class: mdns.ClassANY},
			Algorithm: t.Algorithm, TimeSigned: t.TimeSigned, Fudge: 300, OrigId: m.Id, Error: code,
		})
		octets, _ := answer.Pack()
		_, _ = w.Write(octets)
		return
	}
	if s.refuse {
		answer.Rcode = mdns.RcodeRefused
	} else {
		s.update(m.Ns)
	}
	if !s.unsigned {
		answer.SetTsig(t.Hdr.Name, t.Algorithm, 300, time.Now().Unix())
	}
	_ = w.WriteMsg(answer)
}

func distrust(status error, t *mdns.TSIG) uint16 {
	switch {
	case t == nil || t.Hdr.Name != "postern.":
		return mdns.RcodeBadKey
	case errors.Is(status, mdns.ErrTime):
		return mdns.RcodeBadTime
	case status != nil:
		return mdns.RcodeBadSig
	}
	return 0
}

func (s *server) update(rrs []mdns.RR) {
	for _, rr := range rrs {
		txt := rr.(*mdns.TXT)
		if txt.Hdr.Class == mdns.ClassINET {
			s.records = append(s.records, txt)
			continue
		}
		s.records = slices.DeleteFunc(s.records, func(r *mdns.TXT) bool {
			return r.Hdr.Name == txt.Hdr.Name && slices.Equal(r.Txt, txt.Txt)
		})
	}
}

func (s *server) answer(m *mdns.Msg, q mdns.Question) {
	h := mdns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: mdns.ClassINET}
	switch {
	case q.Qtype == mdns.TypeSOA && q.Name == s.zone:
		m.Answer = append(m.Answer, &mdns.SOA{Hdr: h, Ns: "ns1." + s.zone, Mbox: "admin." + s.zone})
	case q.Qtype == mdns.TypeNS && q.Name == s.zone:
		for _, n := range s.servers {
			m.Answer = append(m.Answer, &mdns.NS{Hdr: h, Ns: mdns.Fqdn(n)})
		}
	case q.Qtype == mdns.TypeTXT:
		for _, r := range s.records {
			if r.Hdr.Name == q.Name {
				m.Answer = append(m.Answer, r)
			}
		}
		if len(m.Answer) == 0 && s.onMiss != nil {
			s.onMiss()
		}
	}
}
