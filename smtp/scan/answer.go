package scan

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bounds on what a server may answer. A result lists what was found in every
// part of the message.
const (
	maxSubmissionOctets = 64 << 10
	maxResultOctets     = 1 << 20
	maxDataIDOctets     = 128
	maxPeerTextOctets   = 120
)

// verdict is what a server makes of a message.
type verdict struct {
	blocked bool
	// reason is the server's word for why, fit to be shown; it may be empty.
	reason string
	// retry says that the scan is to blame and not the message, which may pass
	// another time.
	retry bool
}

var (
	errRunning   = errors.New("the scan is under way")
	errMalformed = errors.New("the answer is no JSON of the expected form, or is too long")
)

// parseSubmission reads the answer to POST /file and returns the data_id.
func parseSubmission(r io.Reader) (string, error) {
	var answer struct {
		DataID string `json:"data_id"`
	}
	if err := json.NewDecoder(io.LimitReader(r, maxSubmissionOctets)).Decode(&answer); err != nil {
		return "", errMalformed
	}
	// The id becomes a part of a path: nothing in it may lead elsewhere.
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	if answer.DataID == "" || len(answer.DataID) > maxDataIDOctets || strings.Trim(answer.DataID, allowed) != "" {
		return "", fmt.Errorf("the data_id is missing or malformed: %w", errMalformed)
	}
	return answer.DataID, nil
}

// parseResult reads the answer to GET /file/{data_id}; errRunning where there is
// no verdict yet.
func parseResult(r io.Reader) (verdict, error) {
	var answer struct {
		Info *struct {
			Progress float64 `json:"progress_percentage"`
			Result   string  `json:"result"`
			Reason   string  `json:"blocked_reason"`
		} `json:"process_info"`
	}
	if err := json.NewDecoder(io.LimitReader(r, maxResultOctets)).Decode(&answer); err != nil || answer.Info == nil {
		return verdict{}, errMalformed
	}
	if answer.Info.Progress < 100 {
		return verdict{}, errRunning
	}
	switch answer.Info.Result {
	case "Allowed":
		return verdict{}, nil
	case "Blocked":
		return verdict{blocked: true, reason: shown(answer.Info.Reason), retry: blamesScan(answer.Info.Reason)}, nil
	case "", "Processing":
		return verdict{}, errRunning
	}
	return verdict{}, fmt.Errorf("the scan came to %q", shown(answer.Info.Result))
}

// blamesScan reports whether a reason is about the scan and not about what was
// scanned.
func blamesScan(reason string) bool {
	switch reason {
	case "Failed", "Not Scanned", "Aborted", "Canceled":
		return true
	}
	return false
}

// shown makes the words of a server fit for replies and logs: bounded printable
// ASCII (RFC 5321 §4.2).
func shown(text string) string {
	ascii := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	return ascii[:min(len(ascii), maxPeerTextOctets)]
}
