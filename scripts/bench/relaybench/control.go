package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"net/http"
	"time"
)

// control is how the API fares while mail flows at full speed.
type control struct {
	Read        latency `json:"read"`         // GET of one object
	Edit        latency `json:"edit"`         // one edit, commit to applied
	Activate    latency `json:"activate"`     // of a certificate, until a handshake shows it
	CommitsRate float64 `json:"commits_rate"` // a second, one after the other
	Commits     int     `json:"commits"`      // in that row
	Mail        float64 `json:"mail_rate"`    // messages a second meanwhile
}

// controlPlane works with the API while scenario B runs.
func (s *suite) controlPlane(ctx context.Context) error {
	p, err := s.postern(ctx, "control", s.binary)
	if err != nil {
		return err
	}
	defer func() { s.fail(p.stop()) }()
	sc, err := scenarioOf("B")
	if err != nil {
		return err
	}
	certificates, err := twoCertificates(ctx, p)
	if err != nil {
		return err
	}

	l := sc.mail(p.address())
	enough := make(chan struct{})
	l.enough = enough
	flowed := make(chan measurement, 1)
	go func() { flowed <- s.meter.flow(ctx, p, l) }()

	var c control
	err = c.measure(ctx, p, s.options, certificates)
	close(enough)
	result := <-flowed
	if err != nil {
		return err
	}
	result.Scenario = "control"
	s.fail(result.faults())
	c.Mail = result.Rate
	s.record.Control = &c
	log.Printf("control: read %.1f/%.1f ms, edit %.1f/%.1f ms, activate %.1f/%.1f ms, %.0f commits/s, mail %.0f/s",
		c.Read.P50, c.Read.P99, c.Edit.P50, c.Edit.P99, c.Activate.P50, c.Activate.P99, c.CommitsRate, c.Mail)
	return nil
}

func (c *control) measure(ctx context.Context, p *postern, o options, certificates [2]madeCertificate) (err error) {
	if c.Edit, err = timeEdits(ctx, p, o.edits); err != nil {
		return err
	}
	if c.Read, err = timed(o.edits*5, func(int) error { return p.api.get(ctx, "/api/v1/destination-controls/edited.example") }); err != nil {
		return err
	}
	if c.Activate, err = timed(o.edits, func(i int) error { return certificates[i%2].activate(ctx, p) }); err != nil {
		return err
	}
	begun := time.Now()
	c.Commits = o.commits
	for i := range o.commits {
		if err := edit(ctx, p, i, ""); err != nil {
			return err
		}
	}
	c.CommitsRate = float64(o.commits) / time.Since(begun).Seconds()
	return nil
}

// timed does something so many times, one after the other.
func timed(times int, do func(i int) error) (latency, error) {
	taken := make([]time.Duration, 0, times)
	for i := range times {
		begun := time.Now()
		if err := do(i); err != nil {
			return latency{}, err
		}
		taken = append(taken, time.Since(begun))
		time.Sleep(apart)
	}
	return latencyOf(taken), nil
}

// apart lies between two calls, so that they stay below the rate that one caller
// has and meet mail in different states.
const apart = 10 * time.Millisecond

// timeEdits measures edits of one destination control until they are applied.
func timeEdits(ctx context.Context, p *postern, times int) (latency, error) {
	return timed(times, func(i int) error { return edit(ctx, p, i, "?wait=10s") })
}

// edit commits one edit. Its value differs from the one before.
func edit(ctx context.Context, p *postern, i int, wait string) error {
	return p.api.write(ctx, http.MethodPut, "/destination-controls/edited.example"+wait,
		fmt.Sprintf(`{"max_connections":%d}`, 1+i%1000))
}

// madeCertificate is a certificate that the gateway made.
type madeCertificate struct {
	ID   string `json:"id"`
	name string
}

// twoCertificates makes two certificates to change between.
func twoCertificates(ctx context.Context, p *postern) (made [2]madeCertificate, err error) {
	for i := range made {
		name := fmt.Sprintf("bench%d.example", i)
		if err = p.api.read(ctx, http.MethodPost, "/certificates/self-signed", fmt.Sprintf(`{"host_name":%q,"key_type":"ecdsa_p256","valid_days":30}`, name), &made[i]); err != nil {
			return made, err
		}
		made[i].name = name
	}
	return made, nil
}

// activate activates the certificate and returns when a new connection shows it.
func (m madeCertificate) activate(ctx context.Context, p *postern) error {
	if err := p.api.write(ctx, http.MethodPost, "/certificates/"+m.ID+"/activate?wait=10s", ""); err != nil {
		return err
	}
	return until(ctx, 10*time.Second, "a handshake with the new certificate", func() error {
		c, err := dialRelay(ctx, p.address(), true)
		if err != nil {
			return err
		}
		defer c.raw.Close()
		secured, ok := c.raw.(*tls.Conn)
		if !ok {
			return fmt.Errorf("the connection is clear")
		}
		return secured.ConnectionState().PeerCertificates[0].VerifyHostname(m.name)
	})
}
