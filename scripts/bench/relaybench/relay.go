package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"time"
)

// startTime is how long a relay may take to come up.
const startTime = time.Minute

// deadDomain is a destination whose only host refuses connections.
const deadDomain = "dead.example"

// target is a running program that takes mail and forwards it to the sink, by TLS
// where the sink offers STARTTLS.
type target interface {
	name() string
	address() string
	processes() tree
	// flush makes it try at once what waits.
	flush(ctx context.Context) error
}

// relay is a target that can be started, on the queue that it had before, and
// stopped.
type relay interface {
	target
	start(ctx context.Context) error
	stop() error
}

// freePort returns a port that nobody uses now. Another program may take it before
// the relay does; then the relay does not start, and says so.
func freePort() (int, error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// freePorts returns as many different ports.
func freePorts(count int) ([]int, error) {
	var held []net.Listener
	defer func() {
		for _, listener := range held {
			listener.Close()
		}
	}()
	ports := make([]int, count)
	for i := range ports {
		listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		held = append(held, listener)
		ports[i] = listener.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}

// until tries until it works or the time is over.
func until(ctx context.Context, limit time.Duration, what string, works func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := works()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("%s did not come about within %s: %w", what, limit, errors.Join(err, ctx.Err()))
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// greets asks whether an SMTP server answers there.
func greets(ctx context.Context, address string) error {
	c, err := dialRelay(ctx, address, false)
	if err == nil {
		c.quit()
	}
	return err
}

// run runs a command to its end and shows what it said if it fails.
func run(ctx context.Context, name string, args ...string) error {
	if said, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w: %s", name, args, err, said)
	}
	return nil
}

// writeFile writes a file that all may read.
func writeFile(path, content string) error { return os.WriteFile(path, []byte(content), 0o644) }
