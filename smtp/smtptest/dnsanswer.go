package smtptest

import (
	"strings"

	mdns "github.com/miekg/dns"
)

// serve answers one query.
func (d *DNS) serve(w mdns.ResponseWriter, query *mdns.Msg) {
	q := query.Question[0] // the library answers other queries with FORMERR
	network := w.LocalAddr().Network()
	how := d.record(q, network)
	switch {
	case how == Unanswered:
		return
	case how == TruncateAll && network == "tcp":
		_ = w.Close()
		return
	case how == Garbled:
		_, _ = w.Write([]byte("this is no DNS message"))
		return
	case how == Spoofed:
		d.spoof(w, query)
	}
	answer := d.answer(query, how)
	if network == "udp" && (how == TruncateUDP || how == TruncateAll) {
		answer.Truncated, answer.Answer = true, nil
	}
	if edns := query.IsEdns0(); edns != nil {
		answer.SetEdns0(edns.UDPSize(), false)
		if network == "udp" {
			answer.Truncate(int(edns.UDPSize()))
		}
	}
	_ = w.WriteMsg(answer)
}

// record notes the query and returns what happens to it.
func (d *DNS) record(q mdns.Question, network string) DNSFailure {
	d.mu.Lock()
	defer d.mu.Unlock()
	name := mdns.CanonicalName(q.Name)
	d.queries = append(d.queries, name+" "+mdns.TypeToString[q.Qtype]+" "+network)
	return d.failures[dnsQuestion{name: name, qtype: q.Qtype}]
}

// spoof sends what a forger would: the id guessed wrong, another question, a
// query instead of an answer, and scraps.
func (d *DNS) spoof(w mdns.ResponseWriter, query *mdns.Msg) {
	forged := func() *mdns.Msg {
		m := new(mdns.Msg).SetReply(query)
		m.RecursionAvailable = true
		m.Rcode = mdns.RcodeNameError
		return m
	}
	wrongID := forged()
	wrongID.Id++
	wrongName := forged()
	wrongName.Question[0].Name = "forged.test."
	wrongType := forged()
	wrongType.Question[0].Qtype = mdns.TypeHINFO
	noQuestion := forged()
	noQuestion.Question = nil
	noAnswer := forged()
	noAnswer.Response = false
	for _, m := range []*mdns.Msg{wrongID, wrongName, wrongType, noQuestion, noAnswer} {
		_ = w.WriteMsg(m)
	}
	_, _ = w.Write([]byte{0})
}

// answer makes the answer from the zone.
func (d *DNS) answer(query *mdns.Msg, how DNSFailure) *mdns.Msg {
	d.mu.Lock()
	defer d.mu.Unlock()
	q := query.Question[0]
	m := new(mdns.Msg).SetReply(query)
	m.RecursionAvailable = how != Referral
	// RFC 6840 §5.8: only for those who ask.
	name := mdns.CanonicalName(q.Name)
	m.AuthenticatedData = query.AuthenticatedData && (d.secure[name] || d.signed[dnsQuestion{name: name, qtype: q.Qtype}])
	switch how {
	case ServFail:
		m.Rcode, m.AuthenticatedData = mdns.RcodeServerFailure, false
	case Refused:
		m.Rcode, m.AuthenticatedData = mdns.RcodeRefused, false
	case NXDomain:
		d.deny(m, mdns.RcodeNameError)
	case NXDomainBare:
		m.Rcode = mdns.RcodeNameError
	case NoData:
		d.deny(m, mdns.RcodeSuccess)
	case AliasForever:
		header := mdns.RR_Header{Name: q.Name, Rrtype: mdns.TypeCNAME, Class: mdns.ClassINET, Ttl: d.ttl}
		m.Answer = []mdns.RR{&mdns.CNAME{Hdr: header, Target: q.Name}}
	case Referral:
	default:
		d.find(m, q)
	}
	return m
}

// find fills in the records, with aliases on the way.
func (d *DNS) find(m *mdns.Msg, q mdns.Question) {
	name := mdns.CanonicalName(q.Name)
	for range maxAliases {
		found := d.named(name, q.Qtype)
		m.Answer = append(m.Answer, found...)
		aliases := d.named(name, mdns.TypeCNAME)
		if len(found) == 0 && len(aliases) == 0 {
			d.deny(m, d.rcodeWithout(name))
		}
		if len(found) > 0 || len(aliases) == 0 {
			return
		}
		alias, _ := aliases[0].(*mdns.CNAME)
		m.Answer = append(m.Answer, alias)
		name = mdns.CanonicalName(alias.Target)
	}
}

func (d *DNS) named(name string, rrtype uint16) []mdns.RR {
	var found []mdns.RR
	for _, rr := range d.records {
		if rr.Header().Name == name && rr.Header().Rrtype == rrtype {
			found = append(found, rr)
		}
	}
	return found
}

// rcodeWithout returns the code for a name without the record asked for: a name
// exists if there is a record at it or below it (RFC 8020 §2).
func (d *DNS) rcodeWithout(name string) int {
	for _, rr := range d.records {
		if owner := rr.Header().Name; owner == name || strings.HasSuffix(owner, "."+name) {
			return mdns.RcodeSuccess
		}
	}
	return mdns.RcodeNameError
}

// deny makes m a denial with an SOA record (RFC 2308 §2).
func (d *DNS) deny(m *mdns.Msg, rcode int) {
	m.Rcode = rcode
	m.Ns = []mdns.RR{&mdns.SOA{
		Hdr: mdns.RR_Header{Name: "test.", Rrtype: mdns.TypeSOA, Class: mdns.ClassINET, Ttl: d.ttl},
		Ns:  "ns.test.", Mbox: "hostmaster.test.", Serial: 1, Refresh: 3600, Retry: 600, Expire: 86400, Minttl: d.ttl,
	}}
}
