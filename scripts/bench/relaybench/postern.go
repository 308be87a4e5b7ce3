package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"
)

// postern is the gateway under test, with a data directory of its own.
type postern struct {
	label   string
	binary  string
	dir     string
	nextHop string // host:port of the sink

	ports   []int // API, public, private, HTTPS
	dead    int   // a port where nobody listens
	command *exec.Cmd
	exited  chan error
	api     *api // nil before the first start
}

func newPostern(label, binary, dir, nextHop string) (*postern, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	ports, err := freePorts(5)
	if err != nil {
		return nil, err
	}
	return &postern{label: label, binary: binary, dir: dir, nextHop: nextHop, ports: ports[:4], dead: ports[4]}, nil
}

func (p *postern) name() string    { return p.label }
func (p *postern) address() string { return fmt.Sprintf("127.0.0.1:%d", p.ports[2]) }
func (p *postern) processes() tree { return tree{p.command.Process.Pid} }

// start runs the gateway and waits until it is ready and applies its settings.
func (p *postern) start(ctx context.Context) error {
	if err := p.launch(ctx); err != nil {
		return err
	}
	if p.api != nil {
		return p.ready(ctx)
	}
	token, err := p.token(ctx)
	if err != nil {
		return err
	}
	p.api = newAPI(fmt.Sprintf("http://127.0.0.1:%d", p.ports[0]), token)
	if err := p.ready(ctx); err != nil {
		return err
	}
	return p.configure(ctx)
}

func (p *postern) outputPath() string { return filepath.Join(p.dir, "output") }

// launch starts the process. It is not bound to the context: stop and kill end it.
func (p *postern) launch(ctx context.Context) error {
	output, err := os.OpenFile(p.outputPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer output.Close()
	logged, err := os.OpenFile(filepath.Join(p.dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer logged.Close()
	p.command = exec.CommandContext(context.WithoutCancel(ctx), p.binary, "serve",
		"--data-dir", filepath.Join(p.dir, "data"), "--host-name", "postern.bench.example", "--grace", "5s",
		"--api", "127.0.0.1:"+strconv.Itoa(p.ports[0]), "--inbound-port", strconv.Itoa(p.ports[1]),
		"--outbound-port", strconv.Itoa(p.ports[2]), "--https-port", strconv.Itoa(p.ports[3]))
	p.command.Stdout, p.command.Stderr = output, logged
	if err := p.command.Start(); err != nil {
		return err
	}
	p.exited = make(chan error, 1)
	go func() { p.exited <- p.command.Wait() }()
	return nil
}

var tokenShape = regexp.MustCompile(`pstn_[A-Za-z0-9_-]+`)

// token reads the administrator's token, which the first start prints.
func (p *postern) token(ctx context.Context) (token string, err error) {
	err = until(ctx, startTime, "the first start of Postern", func() error {
		said, err := os.ReadFile(p.outputPath())
		if err != nil {
			return err
		}
		if token = tokenShape.FindString(string(said)); token == "" {
			return fmt.Errorf("no token in %q; see %s", said, p.dir)
		}
		return nil
	})
	return token, err
}

func (p *postern) ready(ctx context.Context) error {
	return until(ctx, startTime, "Postern's readiness", func() error { return p.api.get(ctx, "/readyz") })
}

// configure routes all mail to the sink and turns TLS on, both ways.
func (p *postern) configure(ctx context.Context) error {
	host, port, err := splitPort(p.nextHop)
	if err != nil {
		return err
	}
	to := func(port int) string {
		return fmt.Sprintf(`{"next_hops":[{"host":%q,"port":%d}]}`, host, port)
	}
	for _, change := range []struct{ method, path, body string }{
		{"PUT", "/routes/ALL", to(port)},
		{"PUT", "/routes/" + deadDomain, to(p.dead)},
		{"PATCH", "/settings/tls", `{"enabled":true,"send_starttls":true}`},
		{"PATCH", "/listeners/outbound?wait=5s", `{"max_concurrency":5000,"default_policy_parameters":{"tls":"preferred","connections_per_ip":5000}}`},
	} {
		if err := p.api.write(ctx, change.method, change.path, change.body); err != nil {
			return err
		}
	}
	return nil
}

func (p *postern) flush(ctx context.Context) error {
	return p.api.write(ctx, "POST", "/messages/actions", `{"action":"retry","filter":{}}`)
}

// stop ends the gateway in good order, and by force where that takes too long.
func (p *postern) stop() error {
	if p.command == nil {
		return nil
	}
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-p.exited:
		return err
	case <-time.After(startTime):
		return errors.Join(errors.New("postern did not stop"), p.kill())
	}
}

// kill ends the gateway as a power cut ends it, except that the kernel keeps what
// was written.
func (p *postern) kill() error {
	if err := p.command.Process.Kill(); err != nil {
		return err
	}
	killed := <-p.exited
	_ = killed // how it ended says nothing
	return nil
}
