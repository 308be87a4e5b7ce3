package acme

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"postern/domain"
	"postern/domain/policy"
)

// hook publishes by a program of the administrator. It is called as
//
//	PROGRAM present|cleanup _acme-challenge.example.com. TEXT
//
// and is to return when the record is given out. Its environment is POSTERN_ACTION,
// POSTERN_DOMAIN (without "*."), POSTERN_RECORD, POSTERN_TEXT and a PATH, and nothing
// of the gateway's own, where secrets may be. Exit status 0 means done.
type hook struct {
	settings policy.ACMEHook
	tell     tell
}

const (
	actionPresent = "present"
	actionCleanUp = "cleanup"

	// maxOutput bounds what is kept of what a program says: its end.
	maxOutput = 2 << 10
	// hookGrace is how long output is waited for after the program has ended: a
	// child of it may hold on to it.
	hookGrace = 2 * time.Second
	hookPath  = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

func (h *hook) publish(ctx context.Context, r record) (func(context.Context) error, error) {
	withdraw := func(ctx context.Context) error { return h.call(ctx, actionCleanUp, r) }
	if err := h.call(ctx, actionPresent, r); err != nil {
		// It may have come half of the way.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
		defer cancel()
		return nil, errors.Join(err, domain.Wrap(withdraw(ctx), "clean up"))
	}
	return withdraw, nil
}

func (h *hook) wait(context.Context) error { return nil }

// call runs the program once and puts what it said into the transcript.
func (h *hook) call(ctx context.Context, action string, r record) error {
	if err := checkProgram(h.settings.Path); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, h.settings.Timeout())
	defer cancel()
	said := &tail{}
	err := h.command(ctx, said, action, r).Run()
	if text := said.String(); text != "" {
		h.tell("%s %s said: %s", h.settings.Path, action, text)
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("it took longer than %s", h.settings.Timeout())
	}
	if err != nil {
		return domain.E(domain.Unavailable, "the DNS hook %s %s for %s failed: %s%s", h.settings.Path, action, r.name(), err, said.after(": "))
	}
	return nil
}

func (h *hook) command(ctx context.Context, said *tail, action string, r record) *exec.Cmd {
	c := exec.CommandContext(ctx, h.settings.Path, action, r.name()+".", r.text)
	c.Dir = "/"
	c.Env = []string{
		hookPath, "LC_ALL=C", "POSTERN_ACTION=" + action,
		"POSTERN_DOMAIN=" + r.domain, "POSTERN_RECORD=" + r.name() + ".", "POSTERN_TEXT=" + r.text,
	}
	c.Stdout, c.Stderr = said, said
	c.WaitDelay = hookGrace
	// Its children are to end with it.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	return c
}

// checkProgram refuses what others than root and our own user could have put there:
// the path comes from the API, and must not make a program of any file.
func checkProgram(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return domain.E(domain.Unavailable, "the DNS hook %s cannot be run: %s", path, cause(err))
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0:
		return domain.E(domain.Unavailable, "the DNS hook %s is no program: it needs the mode 0755", path)
	case info.Mode().Perm()&0o022 != 0:
		return domain.E(domain.Unavailable, "the DNS hook %s can be written by others than its owner: it needs the mode 0755", path)
	case !ok || (owner.Uid != 0 && int(owner.Uid) != os.Geteuid()):
		return domain.E(domain.Unavailable, "the DNS hook %s belongs neither to root nor to the user of the gateway", path)
	}
	return nil
}

// cause is an error of a file without the path, which is told already.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// tail keeps the end of what is written to it.
type tail struct {
	kept []byte
	cut  bool
}

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - maxOutput; over > 0 {
		t.kept, t.cut = append(t.kept[:0], t.kept[over:]...), true
	}
	return len(p), nil
}

// String is what was kept, in one line without control characters.
func (t *tail) String() string {
	text := strings.TrimSpace(string(bytes.ToValidUTF8(t.kept, []byte("?"))))
	if text == "" {
		return ""
	}
	if t.cut {
		text = "…" + text
	}
	return strconv.Quote(text)
}

// after is the text behind a separator; nothing where nothing was said.
func (t *tail) after(separator string) string {
	if text := t.String(); text != "" {
		return separator + text
	}
	return ""
}
