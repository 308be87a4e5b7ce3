package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"time"
)

// commandTime is how long a relay may take to answer.
const commandTime = time.Minute

// pinned are the groups that both TLS ends here offer, see the package comment.
var pinned = []tls.CurveID{tls.X25519, tls.CurveP256}

// client is a connection to a relay that is ready for MAIL.
type client struct {
	raw        net.Conn
	in         *bufio.Reader
	out        *bufio.Writer
	extensions map[string]bool
}

// dialRelay connects, and secures the connection where asked. The certificate is
// not verified: its cost belongs to neither relay.
func dialRelay(ctx context.Context, address string, secure bool) (*client, error) {
	raw, err := (&net.Dialer{Timeout: commandTime}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	c := &client{raw: raw}
	if err := c.open(secure); err != nil {
		raw.Close()
		return nil, err
	}
	return c, nil
}

func (c *client) open(secure bool) error {
	c.use(c.raw)
	if _, err := c.reply(220); err != nil {
		return err
	}
	if err := c.hello(); err != nil || !secure {
		return err
	}
	if !c.extensions["STARTTLS"] {
		return fmt.Errorf("%s does not offer STARTTLS", c.raw.RemoteAddr())
	}
	if _, err := c.command("STARTTLS\r\n", 220); err != nil {
		return err
	}
	secured := tls.Client(c.raw, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12, CurvePreferences: pinned})
	if err := secured.Handshake(); err != nil {
		return err
	}
	c.use(secured)
	return c.hello()
}

// use goes on over the connection.
func (c *client) use(connection net.Conn) {
	c.raw = connection
	c.in = bufio.NewReader(connection)
	c.out = bufio.NewWriterSize(connection, 32<<10)
}

func (c *client) hello() error {
	lines, err := c.command("EHLO client.example\r\n", 250)
	c.extensions = make(map[string]bool)
	for _, line := range lines {
		c.extensions[strings.ToUpper(strings.TrimSpace(line))] = true
	}
	return err
}

func (c *client) command(line string, want int) ([]string, error) {
	_, _ = c.out.WriteString(line) // flush tells
	if err := c.flush(); err != nil {
		return nil, err
	}
	return c.reply(want)
}

func (c *client) flush() error {
	if err := c.raw.SetDeadline(time.Now().Add(commandTime)); err != nil {
		return err
	}
	return c.out.Flush()
}

// reply reads one reply and returns the texts of its lines.
func (c *client) reply(want int) (texts []string, err error) {
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return nil, err
		}
		if len(line) < len("250 ") {
			return nil, fmt.Errorf("a reply of %q", line)
		}
		texts = append(texts, line[4:])
		if line[3] == '-' {
			continue
		}
		if line[:3] != fmt.Sprint(want) {
			return nil, fmt.Errorf("%d was expected: %s", want, strings.TrimSpace(line))
		}
		return texts, nil
	}
}

// send hands one message over, its commands in one write where the relay allows
// that (RFC 2920). The message is complete with header and stuffed.
func (c *client) send(recipient string, header, stuffed []byte) error {
	group := []string{"MAIL FROM:<load@client.example>\r\n", "RCPT TO:<" + recipient + ">\r\n", "DATA\r\n"}
	wants := []int{250, 250, 354}
	if c.extensions["PIPELINING"] {
		for _, line := range group {
			_, _ = c.out.WriteString(line) // flush tells
		}
		if err := c.flush(); err != nil {
			return err
		}
		for _, want := range wants {
			if _, err := c.reply(want); err != nil {
				return err
			}
		}
	} else {
		for i, line := range group {
			if _, err := c.command(line, wants[i]); err != nil {
				return err
			}
		}
	}
	_, _ = c.out.Write(header) // flush tells
	_, _ = c.out.Write(stuffed)
	_, err := c.command(".\r\n", 250)
	return err
}

// quit says good-bye, if anybody listens.
func (c *client) quit() {
	_, _ = c.command("QUIT\r\n", 221) // the relay may have closed already
	c.raw.Close()
}
