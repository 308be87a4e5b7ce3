package keyring

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postern/domain"
	"postern/domain/event"
)

func TestWithoutAnActiveCertificate(t *testing.T) {
	s := newStore(pair(t, "bound", 60, "mail.example.com"))
	ring, _, applied := newRing(t, s)
	load(t, ring)
	if ring.Usable("") {
		t.Error("usable without a certificate")
	}
	if _, ok := ring.Active(); ok || applied.Value() != 0 {
		t.Errorf("active %v, applied %d; want none", ok, applied.Value())
	}
	if _, err := shake(ring.ServerConfig(ServerOptions{}), anyone("mail.example.com")); err == nil {
		t.Error("a handshake succeeded")
	}
	release, err := ring.Hold(t.Context(), "bound")
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if !ring.Usable("bound") || ring.Usable("") {
		t.Error("only the bound endpoint should have a certificate")
	}
}

func TestHold(t *testing.T) {
	s := newStore(pair(t, "active", 60, "a.example"), pair(t, "bound", 60, "b.example"))
	s.activate("active")
	ring, _, _ := newRing(t, s)
	config := ring.ServerConfig(ServerOptions{Binding: "bound"})

	if _, err := ring.Hold(t.Context(), "bound", "missing"); domain.KindOf(err) != domain.NotFound {
		t.Fatalf("Hold of a missing certificate: %v", err)
	}
	first, err := ring.Hold(t.Context(), "bound")
	if err != nil {
		t.Fatal(err)
	}
	second, err := ring.Hold(t.Context(), "bound")
	if err != nil {
		t.Fatal(err)
	}
	first()
	first()
	load(t, ring)
	if got := shown(t, config, ""); got != "bound" {
		t.Errorf("with one holder left: shown %q", got)
	}
	second()
	load(t, ring)
	if got := shown(t, config, ""); got != "active" {
		t.Errorf("with no holder left: shown %q", got)
	}
}

func TestFailuresLeaveInUseWhatWas(t *testing.T) {
	s := newStore(pair(t, "one", 60, "a.example"), pair(t, "two", 60, "a.example"), pair(t, "bound", 60, "b.example"))
	s.activate("one")
	ring, _, applied := newRing(t, s)
	release, err := ring.Hold(t.Context(), "bound")
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	server, bound := ring.ServerConfig(ServerOptions{}), ring.ServerConfig(ServerOptions{Binding: "bound"})

	t.Run("the active one cannot be read", func(t *testing.T) {
		number := s.activate("two")
		s.fail("", errors.New("disk error"))
		if err := ring.Load(t.Context()); err == nil || !strings.Contains(err.Error(), "disk error") {
			t.Errorf("Load() = %v", err)
		}
		if got := shown(t, server, ""); got != "one" || applied.Value() >= number {
			t.Errorf("shown %q, applied %d", got, applied.Value())
		}
		s.fail("", nil)
	})
	t.Run("the key is not the leaf's", func(t *testing.T) {
		good := s.pairs["two"]
		bad := good
		bad.Key = s.pairs["one"].Key
		s.pairs["two"] = bad
		if err := ring.Load(t.Context()); domain.KindOf(err) != domain.Internal {
			t.Errorf("Load() = %v", err)
		}
		if got := shown(t, server, ""); got != "one" {
			t.Errorf("shown %q", got)
		}
		s.pairs["two"] = good
	})
	t.Run("a broken binding does not hold up the activation", func(t *testing.T) {
		s.fail("bound", errors.New("disk error"))
		load(t, ring)
		if got := shown(t, server, ""); got != "two" {
			t.Errorf("shown %q", got)
		}
		if got := shown(t, bound, ""); got != "bound" {
			t.Errorf("the bound endpoint shows %q", got)
		}
		s.fail("bound", nil)
	})
	t.Run("a bound one that was deleted gives way to the active one", func(t *testing.T) {
		s.remove("bound")
		load(t, ring)
		if got := shown(t, bound, ""); got != "two" {
			t.Errorf("the bound endpoint shows %q", got)
		}
	})
}

// Run follows wakes, looks by itself when none comes, and tries again after a
// failure.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(pair(t, "one", 60, "a.example"), pair(t, "two", 60, "a.example"))
		s.activate("one")
		ring, bus, applied := newRing(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			ring.Run(ctx)
		}()
		synctest.Wait()
		if applied.Value() != 1 {
			t.Fatalf("applied %d at start, want 1", applied.Value())
		}

		number := s.activate("two")
		bus.Publish(event.CertificateActivated)
		synctest.Wait()
		if applied.Value() != number {
			t.Errorf("applied %d after a wake, want %d", applied.Value(), number)
		}

		number = s.activate("one") // and the wake is lost
		time.Sleep(reconcileEvery)
		synctest.Wait()
		if applied.Value() != number {
			t.Errorf("applied %d without a wake, want %d", applied.Value(), number)
		}

		number = s.activate("two")
		s.fail("", errors.New("disk error"))
		bus.Publish(event.CertificateActivated)
		synctest.Wait()
		s.fail("", nil)
		time.Sleep(retryEvery)
		synctest.Wait()
		if applied.Value() != number {
			t.Errorf("applied %d after a failure was mended, want %d", applied.Value(), number)
		}
		if c, ok := ring.Active(); !ok || c.ID != "two" {
			t.Errorf("Active() = %q, %v", c.ID, ok)
		}
		cancel()
		<-ended
	})
}

// B41: the certificate changes under the load of handshakes; none fails, and a
// handshake that begins after an activation was applied shows that one or a
// later one.
func TestHandshakesWhileCertificatesChange(t *testing.T) {
	const clients, activations = 200, 40
	s := newStore()
	for n := range activations {
		id := fmt.Sprint(n + 1) // the number of its activation
		s.pairs[id] = pair(t, id, 60, "mail.example.com")
	}
	ring, _, applied := newRing(t, s)
	swap := func(n int) {
		s.activate(fmt.Sprint(n))
		load(t, ring)
	}
	swap(1)
	config := ring.ServerConfig(ServerOptions{})

	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			before := applied.Value()
			state, err := shake(config, anyone("mail.example.com"))
			// The table is swapped just before the mark is raised.
			latest := applied.Value() + 1
			if err != nil {
				t.Error(err)
				return
			}
			got, err := strconv.ParseInt(state.PeerCertificates[0].Subject.CommonName, 10, 64)
			if err != nil || got < before || got > latest {
				t.Errorf("shown activation %d (%v), want one from %d to %d", got, err, before, latest)
			}
		})
	}
	for n := 2; n <= activations; n++ {
		swap(n)
	}
	wg.Wait()
	if got := shown(t, config, ""); got != fmt.Sprint(activations) {
		t.Errorf("shown %s after activation %d", got, activations)
	}
}

// B41: no session is closed or disturbed.
func TestOpenSessionOutlivesAnActivation(t *testing.T) {
	s := newStore(pair(t, "one", 60, "mail.example.com"), pair(t, "two", 60, "mail.example.com"))
	s.activate("one")
	ring, _, _ := newRing(t, s)
	load(t, ring)
	a, b := net.Pipe()
	defer func() { _ = a.Close() }()
	server, client := tls.Server(a, ring.ServerConfig(ServerOptions{})), tls.Client(b, anyone("mail.example.com"))
	go func() {
		_, _ = io.Copy(client, client) // echoes until the pipe is closed
		_ = b.Close()
	}()
	for _, step := range []string{"before", "after"} {
		if _, err := io.WriteString(server, step); err != nil {
			t.Fatal(err)
		}
		echo := make([]byte, len(step))
		if _, err := io.ReadFull(server, echo); err != nil || string(echo) != step {
			t.Fatalf("the session says %q (%v) %s the activation", echo, err, step)
		}
		s.activate("two")
		load(t, ring)
	}
}

func TestConcurrentHoldersAndLoaders(t *testing.T) {
	s := newStore(pair(t, "active", 60, "a.example"), pair(t, "bound", 60, "b.example"))
	s.activate("active")
	ring, _, _ := newRing(t, s)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				release, err := ring.Hold(t.Context(), "bound")
				if err != nil {
					t.Error(err)
					return
				}
				if got := ring.table.Load().standard("bound").certificate.ID; got != "bound" {
					t.Errorf("held, yet %q is used", got)
				}
				release()
				if err := ring.Load(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	load(t, ring)
	if n := len(ring.table.Load().bound); n != 0 {
		t.Errorf("%d certificates are still held", n)
	}
}

// The ring and its log name certificates and never show a key.
func TestNothingShowsAKey(t *testing.T) {
	p := pair(t, "active", 60, "a.example")
	s := newStore(p)
	s.activate("active")
	var log bytes.Buffer
	ring := New(Config{
		Keys: s, Bus: &event.Bus{}, Applied: func(int64) {}, Now: time.Now,
		Log: slog.New(slog.NewJSONHandler(&log, nil)),
	})
	load(t, ring)
	der, err := p.Key.Reveal()
	if err != nil {
		t.Fatal(err)
	}
	scalar := der[36:68] // RFC 5915 inside RFC 5958
	out := log.String()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		out += fmt.Sprintf(verb, ring)
	}
	for _, secret := range []string{string(scalar), fmt.Sprintf("%x", scalar), strings.Trim(fmt.Sprint(scalar), "[]")} {
		if strings.Contains(out, secret) {
			t.Errorf("the key is shown:\n%s", out)
		}
	}
	if !strings.Contains(log.String(), `"certificate":"active"`) {
		t.Errorf("the log does not name the certificate: %s", log.String())
	}
}

func TestClientCertificate(t *testing.T) {
	s := newStore(pair(t, "active", 60, "a.example"), pair(t, "bound", 60, "b.example"))
	ring, _, _ := newRing(t, s)
	server := newRingServer(t)
	server.ClientAuth = tls.RequestClientCert

	presented := func(binding string) string {
		t.Helper()
		got := "none"
		server.VerifyConnection = func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) > 0 {
				got = state.PeerCertificates[0].Subject.CommonName
			}
			return nil
		}
		client := anyone("")
		client.GetClientCertificate = ring.ClientCertificate(binding)
		if _, err := shake(server, client); err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := presented(""); got != "none" {
		t.Errorf("presented %q before any was loaded", got)
	}
	s.activate("active")
	release, err := ring.Hold(t.Context(), "bound")
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if got := presented(""); got != "active" {
		t.Errorf("presented %q without a binding", got)
	}
	if got := presented("bound"); got != "bound" {
		t.Errorf("presented %q for a binding", got)
	}
	// The peer takes certificates of one authority only, and ours is of another.
	other, err := pair(t, "other", 60, "o.example").Certificate.Leaf()
	if err != nil {
		t.Fatal(err)
	}
	server.ClientCAs = x509Pool(other)
	if got := presented(""); got != "none" {
		t.Errorf("presented %q to a peer that cannot make use of it", got)
	}
}
