package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// Bounds of a call.
const (
	callTimeout        = 10 * time.Second
	maxResponseHeader  = 64 << 10
	maxResponseContent = 4 << 10
)

// Final is an error that another try will not mend.
type Final struct{ Err error }

// Error returns the text of the error.
func (f Final) Error() string { return f.Err.Error() }

// Unwrap returns the error.
func (f Final) Unwrap() error { return f.Err }

// Caller posts to webhooks. It is safe for concurrent use.
type Caller struct {
	allowPrivate func() bool
	client       *http.Client
}

// NewCaller returns a caller that looks names up by the resolver. allowPrivate says
// whether addresses of this machine and of private networks may be called now.
func NewCaller(allowPrivate func() bool, resolver *net.Resolver) *Caller {
	c := &Caller{allowPrivate: allowPrivate}
	dialer := &net.Dialer{Timeout: callTimeout, ControlContext: c.checkAddress, Resolver: resolver}
	c.client = &http.Client{
		Timeout: callTimeout,
		// No proxy: it would see to addresses that are not checked here. Nothing is
		// kept open, so that every call is checked.
		Transport: &http.Transport{
			DialContext: dialer.DialContext, DisableKeepAlives: true, MaxResponseHeaderBytes: maxResponseHeader,
		},
		// A receiver that moves is configured anew; one that sends us elsewhere is
		// not followed.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// checkAddress refuses to connect to where an administrator does not want us.
// It sees the very address that will be connected to, after any look-up: a name
// that changes its address between check and use gains nothing.
func (c *Caller) checkAddress(_ context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if !c.allowPrivate() && !isPublic(to.Addr()) {
		return Final{ErrPrivate}
	}
	return nil
}

// Post makes one try to post a JSON document, and returns the status of the answer;
// 0 where there was none. All but success is an error, [Final] where another try is
// of no use. The URL never appears in errors: its path may be all that keeps
// strangers out.
func (c *Caller) Post(ctx context.Context, to string, header http.Header, body []byte) (status int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return 0, Final{errors.New("the URL cannot be called")}
	}
	for name, values := range header {
		request.Header[name] = values
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "Postern")
	response, err := c.client.Do(request)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err
		}
		return 0, fmt.Errorf("the webhook cannot be called: %w", err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxResponseContent)) // what it says is of no interest
	return response.StatusCode, judge(response.StatusCode)
}

// judge tells success from failure, and failures that may pass from final ones.
func judge(status int) error {
	err := fmt.Errorf("the webhook answered with status %d", status)
	switch {
	case status/100 == 2:
		return nil
	case status/100 == 5, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout:
		return err
	}
	return Final{err}
}
