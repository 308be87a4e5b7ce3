package dane_test

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"postern/domain/mailaddr"
	"postern/smtp/dane"
	"postern/smtp/dns"
	"postern/smtp/smtptest"
)

// world is a server's certificates: chain is the leaf, its issuer and the root.
type world struct {
	root, issuer *x509.Certificate
	chain        []*x509.Certificate
}

func newWorld(t *testing.T, leaf smtptest.Leaf) world {
	t.Helper()
	ca := smtptest.NewCA(t)
	between := ca.Intermediate(t)
	id := between.Issue(t, leaf)
	issuer, err := x509.ParseCertificate(id.TLS.Certificate[1])
	if err != nil {
		t.Fatal(err)
	}
	return world{root: ca.Root(), issuer: issuer, chain: []*x509.Certificate{id.Leaf, issuer, ca.Root()}}
}

var mxNames = []mailaddr.DomainName{"mx.test"}

func verify(chain []*x509.Certificate, names []mailaddr.DomainName, records ...dns.TLSA) dane.Result {
	return dane.Verify(chain, dane.UsableOf(records), names, time.Now())
}

// TestMatrix: every usable kind of record, right and wrong.
func TestMatrix(t *testing.T) {
	w, other := newWorld(t, smtptest.Leaf{Names: []string{"mx.test"}}), newWorld(t, smtptest.Leaf{Names: []string{"mx.test"}})
	for usage, named := range map[uint8]int{3: 0, 2: 1} {
		for selector := range uint8(2) {
			for matching := range uint8(3) {
				right, wrong := recordOf(w.chain[named], usage, selector, matching), recordOf(other.chain[named], usage, selector, matching)
				if got := verify(w.chain, mxNames, right); !got.Matches() {
					t.Errorf("%s: %d %s", dane.Text(right)[:5], got.Reason, got.Detail)
				}
				if got := verify(w.chain, mxNames, wrong); got.Matches() {
					t.Errorf("%s of another: matches", dane.Text(wrong)[:5])
				}
				// One match suffices, wherever it stands.
				if got := verify(w.chain, mxNames, wrong, right); !got.Matches() {
					t.Errorf("%s behind another: %d %s", dane.Text(right)[:5], got.Reason, got.Detail)
				}
			}
		}
	}
}

func recordOf(c *x509.Certificate, usage, selector, matching uint8) dns.TLSA {
	data := c.Raw
	if selector == 1 {
		data = c.RawSubjectPublicKeyInfo
	}
	switch matching {
	case 1:
		data = sum256(data)
	case 2:
		data = sum512(data)
	}
	return tlsa(usage, selector, matching, data)
}

// TestEEIgnoresNamesAndDates is RFC 7672 §3.1.1.
func TestEEIgnoresNamesAndDates(t *testing.T) {
	for _, leaf := range []smtptest.Leaf{
		{Names: []string{"other.test"}},
		{Names: []string{"mx.test"}, Validity: smtptest.Expired},
		{Names: []string{"mx.test"}, Validity: smtptest.NotYetValid},
		{Names: []string{"mx.test"}, ClientOnly: true},
	} {
		own := smtptest.SelfSigned(t, leaf).Leaf
		if got := verify([]*x509.Certificate{own}, mxNames, recordOf(own, 3, 1, 1)); !got.Matches() || got.Name != "" {
			t.Errorf("%+v: %d %s", leaf, got.Reason, got.Detail)
		}
	}
}

// TestTA: what a match with an authority takes beside the digest (RFC 7672
// §3.1.2).
func TestTA(t *testing.T) {
	good := newWorld(t, smtptest.Leaf{Names: []string{"mx.test"}})
	issuerKey := recordOf(good.issuer, 2, 1, 1)
	strange := newWorld(t, smtptest.Leaf{Names: []string{"mx.test"}})
	self := smtptest.SelfSigned(t, smtptest.Leaf{Names: []string{"mx.test"}}).Leaf
	with := func(leaf smtptest.Leaf) (world, dns.TLSA) {
		w := newWorld(t, leaf)
		return w, recordOf(w.issuer, 2, 1, 1)
	}
	expired, expiredKey := with(smtptest.Leaf{Names: []string{"mx.test"}, Validity: smtptest.Expired})
	named, namedKey := with(smtptest.Leaf{Names: []string{"other.test"}})
	client, clientKey := with(smtptest.Leaf{Names: []string{"mx.test"}, ClientOnly: true})
	for name, test := range map[string]struct {
		chain  []*x509.Certificate
		record dns.TLSA
		want   dane.Reason
	}{
		"issuer":                       {good.chain, issuerKey, dane.None},
		"root":                         {good.chain, recordOf(good.root, 2, 0, 1), dane.None},
		"issuer, the root is not sent": {good.chain[:2], issuerKey, dane.None},
		"root is not sent":             {good.chain[:2], recordOf(good.root, 2, 0, 1), dane.NoMatch},
		"root in full is not sent":     {good.chain[:2], recordOf(good.root, 2, 0, 0), dane.None},
		"key in full is not sent":      {good.chain[:2], recordOf(good.root, 2, 1, 0), dane.None},
		"issuer in full is not sent":   {good.chain[:1], recordOf(good.issuer, 2, 0, 0), dane.None},
		"issuer key is not sent":       {good.chain[:1], recordOf(good.issuer, 2, 1, 0), dane.None},
		"root in full, link missing":   {good.chain[:1], recordOf(good.root, 2, 0, 0), dane.Broken},
		"key in full of another":       {good.chain[:1], recordOf(strange.issuer, 2, 1, 0), dane.NoMatch},
		// The authority is shown, yet it signed nothing.
		"issuer only laid beside":    {[]*x509.Certificate{strange.chain[0], good.issuer}, issuerKey, dane.Broken},
		"the server's own":           {good.chain, recordOf(good.chain[0], 2, 1, 1), dane.NoMatch},
		"the server's own, twice":    {[]*x509.Certificate{self, self}, recordOf(self, 2, 0, 1), dane.NoMatch},
		"expired":                    {expired.chain, expiredKey, dane.Expired},
		"another name":               {named.chain, namedKey, dane.WrongName},
		"no certificate of a server": {client.chain, clientKey, dane.Broken},
		"no certificate":             {nil, issuerKey, dane.NoCertificate},
	} {
		t.Run(name, func(t *testing.T) {
			if got := verify(test.chain, mxNames, test.record); got.Reason != test.want {
				t.Errorf("got %d (%s), want %d", got.Reason, got.Detail, test.want)
			}
		})
	}
}

// TestNames: RFC 7672 §3.2.2 and §3.2.3.
func TestNames(t *testing.T) {
	for name, test := range map[string]struct {
		leaf  smtptest.Leaf
		names []mailaddr.DomainName
		want  mailaddr.DomainName
	}{
		"the host":             {smtptest.Leaf{Names: []string{"MX.test"}}, []mailaddr.DomainName{"mx.test", "domain.test"}, "mx.test"},
		"the domain":           {smtptest.Leaf{Names: []string{"domain.test"}}, []mailaddr.DomainName{"mx.test", "domain.test"}, "domain.test"},
		"wildcard":             {smtptest.Leaf{Names: []string{"*.domain.test"}}, []mailaddr.DomainName{"mx.domain.test"}, "mx.domain.test"},
		"wildcard, two labels": {smtptest.Leaf{Names: []string{"*.test"}}, []mailaddr.DomainName{"mx.domain.test"}, ""},
		"common name alone":    {smtptest.Leaf{CommonName: "mx.test"}, mxNames, "mx.test"},
		"common name beside":   {smtptest.Leaf{CommonName: "mx.test", Names: []string{"other.test"}}, mxNames, ""},
		"no names to match":    {smtptest.Leaf{Names: []string{"mx.test"}}, nil, ""},
		"an empty name":        {smtptest.Leaf{Names: []string{"mx.test"}}, []mailaddr.DomainName{""}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, test.leaf)
			got := verify(w.chain, test.names, recordOf(w.issuer, 2, 0, 1))
			if got.Name != test.want || got.Matches() != (test.want != "") {
				t.Errorf("got %q, %d %s", got.Name, got.Reason, got.Detail)
			}
		})
	}
}

// TestNearestIsTold: of several failures the one nearest to a match explains.
func TestNearestIsTold(t *testing.T) {
	w := newWorld(t, smtptest.Leaf{Names: []string{"other.test"}})
	got := verify(w.chain, mxNames, recordOf(w.issuer, 2, 0, 1), tlsa(3, 1, 1, sum256(nil)))
	if got.Reason != dane.WrongName || !strings.Contains(got.Detail, "other.test") || got.Record == nil {
		t.Errorf("got %+v", got)
	}
	if !dane.NeedsNames(dane.UsableOf([]dns.TLSA{recordOf(w.issuer, 2, 0, 1)})) || dane.NeedsNames(dane.UsableOf([]dns.TLSA{recordOf(w.chain[0], 3, 0, 1)})) {
		t.Error("only usage 2 needs names")
	}
}

// FuzzVerify: no record and no chain makes it panic, and none matches unless its
// data comes from the chain.
func FuzzVerify(f *testing.F) {
	id := smtptest.SelfSigned(f, smtptest.Leaf{Names: []string{"mx.test"}})
	chain := []*x509.Certificate{id.Leaf}
	f.Add(uint8(3), uint8(1), uint8(1), sum256(id.Leaf.RawSubjectPublicKeyInfo))
	f.Add(uint8(2), uint8(0), uint8(0), id.Leaf.Raw)
	f.Add(uint8(2), uint8(1), uint8(0), id.Leaf.RawSubjectPublicKeyInfo)
	f.Add(uint8(3), uint8(1), uint8(2), []byte{1, 2, 3})
	f.Add(uint8(2), uint8(0), uint8(0), []byte{})
	f.Fuzz(func(t *testing.T, usage, selector, matching uint8, data []byte) {
		record := tlsa(usage, selector, matching, data)
		usable := dane.UsableOf([]dns.TLSA{record})
		if len(usable) == 1 && (usage < 2 || usage > 3 || selector > 1 || matching > 2) {
			t.Fatalf("%s is usable", dane.Text(record))
		}
		got := dane.Verify(chain, usable, mxNames, time.Now())
		if got.Matches() && usage == 3 && !strings.Contains(string(data), string(recordOf(id.Leaf, 3, selector, matching).Data)) {
			t.Fatalf("%s matches", dane.Text(record))
		}
	})
}
