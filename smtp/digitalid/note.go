package digitalid

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
)

// note is what the watcher keeps over a restart.
type note struct {
	// Contents is the digest of the files as they were taken or written last.
	Contents string `json:"contents"`
	// Activation is the number of the activation that the files stand for.
	Activation int64 `json:"activation"`
	// Writing marks that they are being written: files that do not agree are then
	// our own work, cut short.
	Writing bool `json:"writing"`
}

// readNote returns the note of a path; one that is not there or cannot be read is
// empty, so that the files are looked at as new ones.
func readNote(path string) (note, error) {
	var n note
	document, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return note{}, nil
	}
	if err == nil {
		err = json.Unmarshal(document, &n)
	}
	if err != nil {
		return note{}, err
	}
	return n, nil
}

func (n note) save(path string) error {
	document, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return replaceFile(path, string(document), keyMode)
}
