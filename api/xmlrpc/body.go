package xmlrpc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/encoding/charmap"
)

// Limits of a call's body in bytes. The decoder starts under the small one,
// which always suffices to reach the method name; only a method that takes
// certificates then raises it. So nobody can make the gateway read a megabyte by
// a call that has no use for it.
const (
	smallBody = 64 << 10
	largeBody = 1 << 20
)

var errTooLarge = errors.New("the body is over its limit")

// limitedBody reads at most a number of bytes and then fails, where
// [io.LimitedReader] would feign the end of the body. The limit can be raised
// while reading.
type limitedBody struct {
	r io.Reader
	// left is one more than may still come, so that a body of exactly the limit
	// reaches its end before left is spent.
	left int64
}

func newLimitedBody(r io.Reader) *limitedBody {
	return &limitedBody{r: r, left: smallBody + 1}
}

// raise lets the body be largeBody long in all.
func (b *limitedBody) raise() { b.left += largeBody - smallBody }

// Read reads on, or fails with errTooLarge.
func (b *limitedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.r.Read(p)
	b.left -= int64(n)
	return n, err
}

// toUTF8 returns a reader that turns a character set into UTF-8, or a [*fault]
// for one that we do not read. US-ASCII is a part of UTF-8 and needs no work;
// the decoder refuses what is not UTF-8.
func toUTF8(charset string, r io.Reader) (io.Reader, error) {
	switch strings.ToLower(charset) {
	case "utf-8", "utf8", "us-ascii", "ascii":
		return r, nil
	case "iso-8859-1", "latin1":
		return charmap.ISO8859_1.NewDecoder().Reader(r), nil
	}
	return nil, &fault{
		code: codeUnsupportedEncoding,
		text: fmt.Sprintf("character set %q is not supported: send utf-8, us-ascii or iso-8859-1", clip(charset)),
	}
}

// skipByteOrderMark reads over the mark of UTF-8, which some clients on Windows
// send, and reports whether it was there.
func skipByteOrderMark(r *bufio.Reader) bool {
	const mark = "\xEF\xBB\xBF"
	head, _ := r.Peek(len(mark)) // an error comes again with the next read
	if string(head) != mark {
		return false
	}
	_, _ = r.Discard(len(mark)) // they are in the buffer
	return true
}
