package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"sync"
)

// ledger is a file of acknowledged messages, a line "id hash" for each. Lines
// are written at once, so that the ledger of a client that is killed is as true
// as any other.
type ledger struct {
	mu   sync.Mutex
	file *os.File
}

// openLedger opens a ledger to add to; it need not exist.
func openLedger(path string) (*ledger, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	return &ledger{file: file}, nil
}

// add writes down that a message was acknowledged.
func (l *ledger) add(m message) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := fmt.Fprintf(l.file, "%s %s\n", m.id, m.hash)
	return err
}

func (l *ledger) close() error { return l.file.Close() }

// readLedgers returns the hashes of all acknowledged messages by their ids.
func readLedgers(paths []string) (map[string]string, error) {
	acknowledged := map[string]string{}
	for _, path := range paths {
		if err := readLedger(path, acknowledged); err != nil {
			return nil, err
		}
	}
	return acknowledged, nil
}

func readLedger(path string, into map[string]string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		id, hash, ok := strings.Cut(lines.Text(), " ")
		if _, twice := into[id]; !ok || twice {
			return fmt.Errorf("%s:%d: no ledger line, or an id for the second time", path, n)
		}
		into[id] = hash
	}
	return lines.Err()
}
