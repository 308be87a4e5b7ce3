package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	kernel "postern/domain/mtasts"
	"postern/persistence"
	"postern/smtp/smtptest"
)

// remember puts a policy into the cache of a gateway that does not run.
func remember(t *testing.T, dir, text string) {
	t.Helper()
	database, err := persistence.Open(t.Context(), dir, persistence.Options{Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	policy, err := kernel.ParsePolicy(text)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	e := kernel.Entry{Domain: "example.com", UsedAt: now, RefreshAt: now.Add(time.Hour)}.Fetched("1", text, policy, now)
	if err := database.MTASTS().Put(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if err := database.Close(); err != nil {
		t.Fatal(err)
	}
}

// B60: a policy in force outlives the restart, a new id that cannot be fetched, and the
// loss of the record; it is shown, pinned and flushed by the API.
func TestMTASTSPolicyStaysInForce(t *testing.T) {
	ca := smtptest.NewCA(t)
	dns := smtptest.NewDNS(t)
	dns.SetTTL(0)
	dns.AddA("mx.example.com", "127.0.0.1")
	dns.AddTXT("_mta-sts.example.com", "v=STSv1; id=2") // its web server has no address
	dir := t.TempDir()
	remember(t, dir, "version: STSv1\nmode: enforce\nmx: mx.example.com\nmax_age: 86400\n")
	g := newGateway(t, dir)
	g.switchOnTLS()
	g.useDNS(dns)
	g.putTrustAnchor("own", "authority", ca.Root().Raw)
	mx := smtptest.NewMX(t, smtptest.MXOptions{Certificate: ca.IssueFor(t, "mx.example.com").TLS})
	g.must("PUT", "/routes/example.com?wait=5s", fmt.Sprintf(`{"policy_domain":true,"next_hops":[{"host":"mx.example.com","port":%d}]}`, mx.AddrPort().Port()))
	const cached = "/mta-sts-policies/example.com"

	from := g.newestEvent()
	g.sendTo("1@example.com")
	mx.WaitMessages(t, 1)
	if e := g.eventAfter(from, "mta_sts.policy_failed"); e.Data["in_force"] != true {
		t.Errorf("event %v", e.Data)
	}
	explained := string(g.must("GET", "/tls/explain?domain=example.com", "").body)
	for _, part := range []string{`"checks":["mx_host"]`, `"applies":true`, `"problem":"sts-policy-fetch-error"`, `"id":"1"`} {
		if !strings.Contains(explained, part) {
			t.Errorf("explain lacks %s: %s", part, explained)
		}
	}
	if text, _ := g.command("explain", "destination", "example.com"); !strings.Contains(text, "MTA-STS  enforce, id 1") {
		t.Errorf("the command says\n%s", text)
	}

	dns.Remove("_mta-sts.example.com", "TXT")
	mx.Update(func(o *smtptest.MXOptions) { o.Certificate = ca.IssueFor(t, "mx.example.net").TLS })
	g.deliverer.CloseIdle()
	g.must("POST", cached+"/pin", `{"reason":"their web server is down"}`)
	g.sendTo("2@example.com")
	g.waitShown("/messages", "4.7.5")
	g.waitShown("/mta-sts-policies", `"reason":"their web server is down"`)
	if r := g.call("POST", cached+"/refresh", ""); r.status != http.StatusConflict {
		t.Errorf("refresh of a pinned policy: %d", r.status)
	}
	g.must("DELETE", "/mta-sts-policies", "")
	g.must("POST", cached+"/unpin", "") // what is pinned was kept
	if m := g.metrics(); !strings.Contains(m, `postern_outbound_mta_sts_policies{mode="enforce"} 1`) {
		t.Error("the metrics do not count the policy")
	}

	g.must("DELETE", cached, "")
	g.must("POST", "/messages/"+g.firstMessage()+"/retry", "")
	mx.WaitMessages(t, 2) // without a policy the name in the certificate does not count
	if r := g.call("POST", cached+"/refresh", ""); r.status != http.StatusNotFound {
		t.Errorf("refresh without a record: %d %s", r.status, r.body)
	}
}

// B60: mail waits where DNS gives no answer about the record, and goes when it does.
func TestMailWaitsForTheRecord(t *testing.T) {
	dns := smtptest.NewDNS(t)
	dns.SetTTL(0)
	dns.AddA("mx.example.com", "127.0.0.1")
	dns.Fail("_mta-sts.example.com", "TXT", smtptest.ServFail)
	g := newGateway(t, t.TempDir())
	g.useDNS(dns)
	mx := smtptest.NewMX(t, smtptest.MXOptions{})
	g.must("PUT", "/routes/example.com?wait=5s", fmt.Sprintf(`{"policy_domain":true,"next_hops":[{"host":"mx.example.com","port":%d}]}`, mx.AddrPort().Port()))
	g.sendTo("1@example.com")
	g.waitShown("/messages", "4.4.3")
	g.must("PATCH", "/settings/mta_sts?wait=5s", `{"enabled":false}`)
	g.must("POST", "/messages/"+g.firstMessage()+"/retry", "")
	mx.WaitMessages(t, 1)
}

// askPolicy asks the public web listener for the policy of the host, by HTTPS.
func (g *gateway) askPolicy(host, path string) (int, http.Header, string) {
	g.t.Helper()
	client := &http.Client{Timeout: smtptest.Timeout, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: host},
	}}
	request, err := http.NewRequest(http.MethodGet, "https://"+g.webAddr(publicHTTPS)+path, http.NoBody)
	if err != nil {
		g.t.Fatal(err)
	}
	request.Host = host
	response, err := client.Do(request)
	if err != nil {
		g.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(text)
}

// B61: the policy of a hosted domain is served under its name and over HTTPS alone; its
// record has an id that changes with it; enforce is refused while a host fails.
func TestHostedMTASTSPolicy(t *testing.T) {
	dns := smtptest.NewDNS(t)
	dns.SetTTL(0)
	dns.AddMX("example.com", 10, "mail.example.com")
	dns.AddMX("example.com", 20, "backup.example.net")
	dns.AddA("mail.example.com", "127.0.0.254") // nobody listens there at port 25
	g := newGateway(t, t.TempDir())
	g.switchOnTLS()
	g.useDNS(dns)
	g.openPublicWeb()
	const policy, records = "/domains/example.com/mta-sts", "/domains/example.com/dns-records"
	g.must("PUT", "/domains/example.com", `{}`)
	if r := g.call("GET", policy, ""); r.status != http.StatusNotFound {
		t.Errorf("before there is one: %d", r.status)
	}
	written := g.must("PUT", policy+"?wait=5s", `{"mode":"testing","mx":["Mail.Example.com"],"max_age_seconds":604800}`)
	if !bytes.Contains(written.body, []byte("nobody can fetch the policy from mta-sts.example.com: no certificate of this gateway covers the name")) {
		t.Errorf("no warning: %s", written.body)
	}

	const path = "/.well-known/mta-sts.txt"
	const text = "version: STSv1\r\nmode: testing\r\nmx: mail.example.com\r\nmax_age: 604800\r\n"
	status, header, body := g.askPolicy("MTA-STS.example.com:443", path)
	if status != http.StatusOK || header.Get("Content-Type") != "text/plain; charset=utf-8" || body != text {
		t.Errorf("%d %s %q", status, header.Get("Content-Type"), body)
	}
	for _, other := range []struct{ host, path string }{
		{"example.com", path}, {"mta-sts.example.org", path}, {"mta-sts.", path}, {"127.0.0.1", path}, {"mta-sts.example.com", path + "/"},
	} {
		if status, _, body := g.askPolicy(other.host, other.path); status != http.StatusNotFound {
			t.Errorf("%v: %d %s", other, status, body)
		}
	}
	if status, _, _ := fetch(t, "GET", "http://"+g.webAddr(publicHTTP)+path); status != http.StatusNotFound {
		t.Errorf("by clear HTTP: %d", status)
	}

	id := decode[struct{ ID string }](t, g.must("GET", policy, "")).ID
	shown := g.must("GET", records, "")
	if !bytes.Contains(shown.body, []byte(`v=STSv1; id=`+id+`;`)) || !bytes.Contains(shown.body, []byte(`"10 mail.example.com."`)) {
		t.Errorf("records %s", shown.body)
	}
	dns.AddTXT("_mta-sts.example.com", "v=STSv1; id=old;")
	check := string(g.must("GET", "/domains/example.com/dns-check", "").body)
	for _, part := range []string{`"good":false`, `"state":"differs","published":["v=STSv1; id=old;"]`, `"purpose":"mta_sts_policy"`} {
		if !strings.Contains(check, part) {
			t.Errorf("the check lacks %s: %s", part, check)
		}
	}

	refused := g.call("PATCH", policy, `{"mode":"enforce"}`)
	if refused.status != http.StatusUnprocessableEntity || !bytes.Contains(refused.body, []byte("could not deliver to mail.example.com at 127.0.0.254:25")) ||
		!bytes.Contains(refused.body, []byte("the MX host backup.example.net is not listed")) {
		t.Errorf("%d %s", refused.status, refused.body)
	}
	ready := string(g.must("GET", policy+"/readiness", "").body)
	if !strings.Contains(ready, `"ready":false`) || !strings.Contains(ready, "backup.example.net is not listed") {
		t.Errorf("readiness %s", ready)
	}
	g.must("PATCH", policy+"?wait=5s", `{"mode":"enforce","force":true}`)
	if _, _, body := g.askPolicy("mta-sts.example.com", path); !strings.Contains(body, "mode: enforce") {
		t.Errorf("served %q", body)
	}
	if again := decode[struct{ ID string }](t, g.must("GET", policy, "")).ID; again == id {
		t.Error("the id has not changed with the policy")
	}
	if r := g.call("DELETE", "/domains/example.com", ""); r.status != http.StatusConflict {
		t.Errorf("delete the domain: %d", r.status)
	}
	g.must("DELETE", policy+"?wait=5s", "")
	if status, _, _ := g.askPolicy("mta-sts.example.com", path); status != http.StatusNotFound {
		t.Errorf("after its end: %d", status)
	}
	if r := g.call("GET", "/domains/example.org/dns-records", ""); r.status != http.StatusNotFound {
		t.Errorf("of a domain that is not hosted: %d", r.status)
	}
}
