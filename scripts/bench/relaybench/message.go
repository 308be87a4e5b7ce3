package main

import (
	"bytes"
	"hash/crc32"
	"math/rand/v2"
	"strconv"
	"strings"
)

// identity is the header field by which the sink finds a message in the ledger.
const identity = "X-Relaybench-Id: "

const lineLength = 72

// castagnoli is the polynomial that processors know: the sink must not be the
// bottleneck.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// body is the part that all messages of a run share.
type body struct {
	stuffed []byte // as it goes over the wire, RFC 5321 §4.5.2
	sum     uint32 // of the lines without the dots that were added
}

// newBody makes about size bytes of text in lines, every 32nd of which begins with
// a dot: a relay that gets dots wrong must not look fast.
func newBody(size int) body {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	text := rand.New(rand.NewPCG(1, uint64(size)))
	var wire bytes.Buffer
	sum := crc32.New(castagnoli)
	for number := 0; wire.Len() < size; number++ {
		line := make([]byte, 0, lineLength+2)
		if number%32 == 1 {
			wire.WriteByte('.')
			line = append(line, '.')
		}
		for len(line) < min(lineLength, max(1, size-wire.Len()-2)) {
			line = append(line, letters[text.IntN(len(letters))])
		}
		line = append(line, "\r\n"...)
		_, _ = sum.Write(line) // a hash cannot fail
		wire.Write(line)
	}
	return body{stuffed: wire.Bytes(), sum: sum.Sum32()}
}

// appendHeader appends the header section of one message and the empty line.
func appendHeader(to []byte, run string, seq int, recipient string) []byte {
	to = append(to, "From: <load@client.example>\r\nTo: <"...)
	to = append(to, recipient...)
	to = append(to, ">\r\nSubject: relaybench\r\nDate: Wed, 25 Nov 2026 12:00:00 +0000\r\nMessage-ID: <"...)
	to = appendIdentity(to, run, seq)
	to = append(to, "@client.example>\r\n"+identity...)
	to = appendIdentity(to, run, seq)
	return append(to, "\r\n\r\n"...)
}

func appendIdentity(to []byte, run string, seq int) []byte {
	to = append(to, run...)
	to = append(to, '.')
	return strconv.AppendInt(to, int64(seq), 10)
}

// parseIdentity reads the value of the identity field; -1: it is none of ours.
func parseIdentity(value string) (run string, seq int) {
	run, number, _ := strings.Cut(strings.TrimSpace(value), ".")
	seq, err := strconv.Atoi(number)
	if err != nil || seq < 0 {
		return "", -1
	}
	return run, seq
}
