package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	mathrand "math/rand/v2"
	"sync/atomic"
)

// The two fields that every message begins with.
const (
	idField   = "X-Ledger-Id: "
	hashField = "X-Ledger-Hash: "
)

// message is one message under its own id. A hop puts its trace fields on top
// (RFC 5321 §4.4) and leaves the rest alone, so the hash is of everything that
// follows the two fields above.
type message struct {
	id, hash string
	to       string
	text     []byte // the whole message; lines end in LF
}

// author makes messages. Ids start with random digits of the run, so that the
// ledgers of several runs can be checked together.
type author struct {
	run   string
	from  string
	to    []string // in turn
	sizes []int    // in turn: octets of a message, about
	ascii bool     // no octets above 127
	made  atomic.Int64
}

func newAuthor(o blastOptions) *author {
	var run [4]byte
	_, _ = rand.Read(run[:]) // never fails
	return &author{run: hex.EncodeToString(run[:]), from: o.target.from, to: o.to, sizes: o.sizes, ascii: o.ascii}
}

// next makes a message that nobody has seen before.
func (a *author) next() message {
	n := a.made.Add(1)
	m := message{
		id: fmt.Sprintf("%s-%08d", a.run, n),
		to: a.to[int(n)%len(a.to)],
	}
	below := a.below(m, int(n))
	m.hash = hashOf(below)
	m.text = append([]byte(idField+m.id+"\n"+hashField+m.hash+"\n"), below...)
	return m
}

// below is the message without its first two fields.
func (a *author) below(m message, n int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: <%s>\nTo: <%s>\nSubject: ledger %s\nMessage-ID: <%s@ledger.invalid>\n", a.from, m.to, m.id, m.id)
	b.WriteString("Date: Thu, 01 Jan 2026 00:00:00 +0000\nMIME-Version: 1.0\n")
	b.WriteString("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n")
	for _, line := range awkwardLines {
		b.WriteString(line + "\n")
	}
	if !a.ascii {
		b.WriteString("Grüße, 挨拶\n")
	}
	size := a.sizes[n%len(a.sizes)]
	random := mathrand.New(mathrand.NewPCG(uint64(n), uint64(size)))
	for b.Len() < size {
		b.WriteString(randomLine(random, min(size-b.Len(), 120)) + "\n")
	}
	return b.Bytes()
}

// awkwardLines are those that careless code mangles: dots that need stuffing
// (RFC 5321 §4.5.2), the "From " of mailbox files, blanks at the end of a line,
// empty lines.
var awkwardLines = []string{".", "..", ".leading dot", "", "From here on", "trailing blanks  \t", "=3D =20", ""}

func randomLine(random *mathrand.Rand, longest int) string {
	const letters = "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ.0123456789"
	line := make([]byte, random.IntN(max(longest, 1))+1)
	for i := range line {
		line[i] = letters[random.IntN(len(letters))]
	}
	return string(line)
}

func hashOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
