package outbound

import (
	"crypto/tls"
	"errors"
	"syscall"
)

// alive reports whether an idle connection seems fit for use: the peer neither
// closed it nor said anything since the last reply. It asks the kernel, without
// waiting and without taking anything. A connection that dies a moment later
// shows it at the next command.
func (c *client) alive() bool {
	if c.in.Buffered() > 0 {
		return false
	}
	raw := c.conn
	if secured, ok := raw.(*tls.Conn); ok {
		raw = secured.NetConn()
	}
	socket, ok := raw.(syscall.Conn)
	if !ok {
		return true
	}
	return quiet(socket)
}

// quiet reports whether a socket has nothing to read: no octets, no end, no
// error.
func quiet(socket syscall.Conn) bool {
	control, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	silent := false
	err = control.Control(func(fd uintptr) {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		silent = errors.Is(err, syscall.EAGAIN)
	})
	return err == nil && silent
}
