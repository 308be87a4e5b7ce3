package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// postfix is an instance of Debian's Postfix with a configuration, a queue and
// ports of its own. Its services are not confined to the queue directory: the
// libraries that Debian copies there are no part of what is measured.
type postfix struct {
	label   string
	dir     string
	nextHop string
	tuned   bool
	port    int
	master  int
}

func newPostfix(label, dir, nextHop string, tuned bool, keys keyFiles) (*postfix, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	p := &postfix{label: label, dir: dir, nextHop: nextHop, tuned: tuned, port: port}
	return p, p.lay(keys)
}

// lay makes the directories and the configuration.
func (p *postfix) lay(keys keyFiles) error {
	for _, name := range []string{"etc", "spool", "data"} {
		if err := os.MkdirAll(filepath.Join(p.dir, name), 0o755); err != nil {
			return err
		}
	}
	if err := p.giveData(); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(p.dir, "etc", "main.cf"), p.mainConfiguration(keys)); err != nil {
		return err
	}
	return writeFile(filepath.Join(p.dir, "etc", "master.cf"), p.masterConfiguration())
}

// giveData makes the data directory Postfix's own, as it demands.
func (p *postfix) giveData() error {
	owner, err := user.Lookup("postfix")
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(owner.Uid)
	if err != nil {
		return err
	}
	return os.Chown(filepath.Join(p.dir, "data"), uid, -1)
}

func (p *postfix) mainConfiguration(keys keyFiles) string {
	host, port, _ := strings.Cut(p.nextHop, ":")
	settings := []string{
		"compatibility_level = 3.6",
		"queue_directory = " + filepath.Join(p.dir, "spool"),
		"data_directory = " + filepath.Join(p.dir, "data"),
		"maillog_file = " + filepath.Join(p.dir, "log"),
		"maillog_file_prefixes = " + p.dir,
		"myhostname = postfix.bench.example",
		"mydestination =",
		"local_recipient_maps =",
		"alias_maps =",
		"alias_database =",
		"notify_classes =",
		"inet_interfaces = 127.0.0.1",
		"inet_protocols = ipv4",
		"mynetworks = 127.0.0.0/8",
		fmt.Sprintf("relayhost = [%s]:%s", host, port),
		"smtpd_tls_security_level = may",
		"smtpd_tls_cert_file = " + keys.certificate,
		"smtpd_tls_key_file = " + keys.key,
		"smtp_tls_security_level = may",
	}
	if p.tuned {
		settings = append(settings, tuning...)
	}
	return strings.Join(settings, "\n") + "\n"
}

// tuning is what a careful administrator would set for such mail: connections are
// reused, also those with TLS, and no limit on a single client stands in the way.
var tuning = []string{
	"smtp_tls_connection_reuse = yes",
	"smtp_connection_cache_on_demand = yes",
	"initial_destination_concurrency = 20",
	"default_destination_concurrency_limit = 20",
	"default_process_limit = 600",
	"smtpd_client_connection_count_limit = 0",
	"smtpd_client_connection_rate_limit = 0",
	"in_flow_delay = 0",
}

func (p *postfix) masterConfiguration() string {
	services := fmt.Sprintf("127.0.0.1:%d inet n - n - - smtpd\n", p.port)
	for _, line := range []string{
		"pickup unix n - n 60 1 pickup",
		"cleanup unix n - n - 0 cleanup",
		"qmgr unix n - n 300 1 qmgr",
		"tlsmgr unix - - n 1000? 1 tlsmgr",
		"rewrite unix - - n - - trivial-rewrite",
		"bounce unix - - n - 0 bounce",
		"defer unix - - n - 0 bounce",
		"trace unix - - n - 0 bounce",
		"verify unix - - n - 1 verify",
		"flush unix n - n 1000? 0 flush",
		"proxymap unix - - n - - proxymap",
		"proxywrite unix - - n - 1 proxymap",
		"smtp unix - - n - - smtp",
		"relay unix - - n - - smtp",
		"showq unix n - n - - showq",
		"error unix - - n - - error",
		"retry unix - - n - - error",
		"discard unix - - n - - discard",
		"anvil unix - - n - 1 anvil",
		"scache unix - - n - 1 scache",
		"tlsproxy unix - - n - 0 tlsproxy",
		"postlog unix-dgram n - n - 1 postlogd",
	} {
		services += line + "\n"
	}
	return services
}

func (p *postfix) name() string    { return p.label }
func (p *postfix) address() string { return fmt.Sprintf("127.0.0.1:%d", p.port) }
func (p *postfix) processes() tree { return tree{p.master} }

func (p *postfix) start(ctx context.Context) error {
	if err := p.control(ctx, "start"); err != nil {
		return err
	}
	return until(ctx, startTime, "the start of Postfix", func() error {
		content, err := os.ReadFile(filepath.Join(p.dir, "spool", "pid", "master.pid"))
		if err != nil {
			return err
		}
		if p.master, err = strconv.Atoi(strings.TrimSpace(string(content))); err != nil {
			return err
		}
		return greets(ctx, p.address())
	})
}

func (p *postfix) control(ctx context.Context, verb string) error {
	return run(ctx, "postfix", "-c", filepath.Join(p.dir, "etc"), verb)
}

func (p *postfix) stop() error                     { return p.control(context.Background(), "stop") }
func (p *postfix) flush(ctx context.Context) error { return p.control(ctx, "flush") }

// postfixVersion says which Postfix is installed; empty: none.
func postfixVersion(ctx context.Context) string {
	said, err := exec.CommandContext(ctx, "postconf", "-d", "-h", "mail_version").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(said))
}
