package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// arrival is one message at the far end.
type arrival struct {
	id, hash string
	intact   bool // what stands below the hash has that hash
}

var (
	errNotOurs = errors.New("no message of the ledger")
	errCutOff  = errors.New("ends before its body")
)

// parseDump reads a file of "smtp-sink -d". The file has fields of smtp-sink's
// own, the message with its lines ending in LF, and one empty line more. Fields
// that hops have put on top of ours are passed over.
func parseDump(text []byte) (arrival, error) {
	at := fieldAt(text, idField)
	if at < 0 {
		return arrival{}, errNotOurs
	}
	id, rest := cutLine(text[at+len(idField):])
	hash, isHash := bytes.CutPrefix(rest, []byte(hashField))
	if !isHash {
		return arrival{id: id}, nil // something came between our two fields
	}
	stated, below := cutLine(hash)
	below, whole := bytes.CutSuffix(below, []byte("\n"))
	if !whole {
		return arrival{}, errCutOff
	}
	return arrival{id: id, hash: stated, intact: hashOf(below) == stated}, nil
}

// fieldAt returns where the header field stands, negative where it does not.
func fieldAt(text []byte, field string) int {
	if bytes.HasPrefix(text, []byte(field)) {
		return 0
	}
	at := bytes.Index(text, []byte("\n"+field))
	if end := bytes.Index(text, []byte("\n\n")); at < 0 || end >= 0 && end < at {
		return -1
	}
	return at + 1
}

func cutLine(text []byte) (line string, rest []byte) {
	first, rest, _ := bytes.Cut(text, []byte("\n"))
	return string(first), rest
}

// readDumps calls found for every message in the files below a directory, and
// returns how many files hold other mail.
func readDumps(dir string, found func(arrival)) (others int, err error) {
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		a, err := parseDump(text)
		if errors.Is(err, errNotOurs) {
			others++
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		found(a)
		return nil
	})
	return others, err
}
