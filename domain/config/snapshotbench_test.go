package config

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// benchmarkSizes are numbers of destination controls: cost must not grow with them.
var benchmarkSizes = []int{1000, 100_000, 1_000_000}

// snapshotWith compiles that many destination controls.
func snapshotWith(b *testing.B, controls int) *Snapshot {
	b.Helper()
	level := policy.TLSRequired
	work := new(Snapshot).succeed()
	for i := range controls {
		name := fmt.Sprintf("d%d.example", i)
		put(b, work, KindDestinationControl, name, policy.DestinationControl{Pattern: mustPattern(name), TLSLevel: &level})
	}
	next := work.done(1)
	next.Settings.TLS = policy.TLSSettings{Enabled: true}
	return next
}

func put(b *testing.B, work *builder, k Kind, key string, v Value) {
	b.Helper()
	if err := work.put(k, key, v); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkSnapshotEdit makes the successor of a snapshot for one edit. What all
// entries take in memory is told beside it.
func BenchmarkSnapshotEdit(b *testing.B) {
	for _, size := range benchmarkSizes {
		b.Run(fmt.Sprintf("controls=%d", size), func(b *testing.B) {
			before := heap()
			s := snapshotWith(b, size)
			each := float64(heap()-before) / float64(size)
			level := policy.TLSRequiredVerify
			edited := policy.DestinationControl{Pattern: mustPattern("d7.example"), TLSLevel: &level}
			for b.Loop() {
				work := s.succeed()
				put(b, work, KindDestinationControl, "d7.example", edited)
				s = work.done(s.Revision + 1)
			}
			b.ReportMetric(each, "heap-B/control")
		})
	}
}

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// BenchmarkOutboundDecision asks what applies to a recipient domain, as every
// attempt does: the control, the lists, the route and the decision from them.
func BenchmarkOutboundDecision(b *testing.B) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	address := netip.MustParseAddr("192.0.2.25")
	for _, size := range benchmarkSizes {
		b.Run(fmt.Sprintf("controls=%d", size), func(b *testing.B) {
			s := snapshotWith(b, size)
			b.ReportAllocs()
			for b.Loop() {
				d := policy.Effective(s.OutboundInputs("d7.example", "mx.d7.example", address, now))
				if d.Level != policy.TLSRequired {
					b.Fatal(d.Level)
				}
			}
		})
	}
}

// BenchmarkRouteLookup finds the route of a name below a suffix among 100,000.
func BenchmarkRouteLookup(b *testing.B) {
	work := new(Snapshot).succeed()
	for i := range 100_000 {
		name := fmt.Sprintf(".r%d.example", i)
		put(b, work, KindRoute, name, policy.Route{Pattern: mustPattern(name)})
	}
	s := work.done(1)
	for b.Loop() {
		if s.Route("deep.below.r7.example") == nil {
			b.Fatal("no route")
		}
	}
}

// BenchmarkSTARTTLSList finds an entry among 100,000 names and as many networks.
func BenchmarkSTARTTLSList(b *testing.B) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	work := new(Snapshot).succeed()
	for i := range 100_000 {
		for _, pattern := range []string{fmt.Sprintf("mx%d.example", i), fmt.Sprintf("10.%d.%d.%d/30", i>>14&255, i>>6&255, i<<2&255)} {
			p, err := mailaddr.ParseEndpointPattern(pattern)
			if err != nil {
				b.Fatal(err)
			}
			put(b, work, KindSTARTTLSExemption, p.String(), policy.STARTTLSEntry{Pattern: p, Reason: "measured"})
		}
	}
	s := work.done(1)
	for name, look := range map[string]func() *policy.STARTTLSEntry{
		"network": func() *policy.STARTTLSEntry {
			return s.ExemptInbound(netip.MustParseAddr("10.1.2.3"), nil, now)
		},
		"name": func() *policy.STARTTLSEntry {
			return s.ExemptInbound(netip.Addr{}, []mailaddr.DomainName{"mx7.example"}, now)
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if look() == nil {
					b.Fatal("no entry")
				}
			}
		})
	}
}
