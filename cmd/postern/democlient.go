package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	gosmtp "github.com/emersion/go-smtp"
)

// client is a session with the gateway, as another mail server has it.
type client struct{ smtp *gosmtp.Client }

// dial opens a session with a listener: over STARTTLS, or in clear without a
// configuration. The session ends with the context at the latest.
func (d *demo) dial(ctx context.Context, listener string, config *tls.Config) (*client, error) {
	addr, err := d.listener(listener)
	if err != nil {
		return nil, err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connect to the listener %s: %w", listener, err)
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	c := &client{gosmtp.NewClient(conn)}
	if config != nil {
		if c.smtp, err = gosmtp.NewClientStartTLS(conn, config); err != nil {
			return nil, fmt.Errorf("STARTTLS with the listener %s: %w", listener, err)
		}
	}
	if err := c.smtp.Hello("client.example"); err != nil {
		c.close()
		return nil, fmt.Errorf("EHLO to the listener %s: %w", listener, err)
	}
	return c, nil
}

// close ends the session without a word.
func (c *client) close() { _ = c.smtp.Close() }

// fingerprint is that of the certificate which the gateway showed.
func (c *client) fingerprint() string {
	state, _ := c.smtp.TLSConnectionState()
	if len(state.PeerCertificates) == 0 {
		return "none"
	}
	return fingerprint(state.PeerCertificates[0])
}

// send hands over a message and returns its queue id.
func (c *client) send(from, to, content string) (string, error) {
	t, err := c.begin(from, to)
	if err != nil {
		return "", err
	}
	return t.end(content)
}

// transfer is a message under way, after the 354 reply to DATA.
type transfer struct{ data *gosmtp.DataCommand }

// begin says MAIL, RCPT and DATA.
func (c *client) begin(from, to string) (transfer, error) {
	if err := c.smtp.Mail(from, nil); err != nil {
		return transfer{}, refused(err)
	}
	if err := c.smtp.Rcpt(to, nil); err != nil {
		return transfer{}, refused(err)
	}
	data, err := c.smtp.Data()
	return transfer{data}, refused(err)
}

// end sends the content and returns the queue id that the gateway answers with.
func (t transfer) end(content string) (string, error) {
	if _, err := io.WriteString(t.data, content); err != nil {
		return "", err
	}
	response, err := t.data.CloseWithResponse()
	if err != nil {
		return "", refused(err)
	}
	words := strings.Fields(response.StatusText)
	if len(words) == 0 {
		return "", errors.New("the gateway took the message without a queue id")
	}
	return words[len(words)-1], nil
}

// refusedError is a reply of the gateway that turned a message down.
type refusedError struct{ reply *gosmtp.SMTPError }

// refused makes a reply of the gateway a refusedError.
func refused(err error) error {
	if reply, ok := errors.AsType[*gosmtp.SMTPError](err); ok {
		return &refusedError{reply}
	}
	return err
}

// code is the basic code and the enhanced one, as "530 5.7.0".
func (e *refusedError) code() string {
	enhanced := e.reply.EnhancedCode
	return fmt.Sprintf("%d %d.%d.%d", e.reply.Code, enhanced[0], enhanced[1], enhanced[2])
}

// Error returns the reply.
func (e *refusedError) Error() string { return e.code() + " " + e.reply.Message }
