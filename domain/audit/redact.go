package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of what an entry keeps of what came from outside.
const (
	maxDocument = 32 << 10 // octets of a document; of a larger one its digest is kept
	maxText     = 512      // octets of one string
	maxDepth    = 32
)

// Redacted stands where a secret was.
const Redacted = "[redacted]"

// secretNames are parts of the names of members that hold secrets. A boolean
// such as password_set tells no secret and stays.
func secretName(name string) bool {
	return slices.ContainsFunc([]string{
		"password", "passphrase", "secret", "private", "pkcs12", "api_key", "signing_key", "hmac", "token", "session", "credential",
	}, func(part string) bool { return strings.Contains(strings.ToLower(name), part) })
}

// secretValue knows secrets by sight, whatever the member is called.
func secretValue(text string) bool {
	return strings.Contains(text, "PRIVATE KEY-----") || strings.HasPrefix(text, "pstn_")
}

// Redact returns a JSON document without secrets and with long strings cut. Of
// what is no JSON document, or is too large, it returns size and digest: enough
// to prove what it was, to one who has it.
func Redact(document []byte) json.RawMessage {
	if len(bytes.TrimSpace(document)) == 0 {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	var value any
	if len(document) > maxDocument || decoder.Decode(&value) != nil || decoder.More() {
		return digest(document)
	}
	return RedactValue(value)
}

// RedactValue is [Redact] for a value that is already decoded: of maps, slices
// and what JSON has besides.
func RedactValue(value any) json.RawMessage {
	clean, err := json.Marshal(redacted(value, 0))
	if err != nil {
		return nil
	}
	return bounded(clean)
}

func redacted(value any, depth int) any {
	if depth > maxDepth {
		return Redacted
	}
	switch value := value.(type) {
	case map[string]any:
		clean := make(map[string]any, len(value))
		for name, member := range value {
			if _, flag := member.(bool); secretName(name) && !flag && member != nil {
				member = Redacted
			}
			clean[name] = redacted(member, depth+1)
		}
		return clean
	case []any:
		clean := make([]any, len(value))
		for i, member := range value {
			clean[i] = redacted(member, depth+1)
		}
		return clean
	case []byte:
		return digest(value)
	case string:
		if secretValue(value) {
			return Redacted
		}
		return shorten(value)
	}
	return value
}

// Taken keeps a document that passes by, as far as an entry can hold it. Of a
// larger one it knows size and digest. The zero value is ready.
type Taken struct {
	head []byte
	size int64
	sum  hash.Hash
}

// Write takes the next part of the document. It never fails.
func (t *Taken) Write(part []byte) (int, error) {
	if t.sum == nil {
		t.sum = sha256.New()
	}
	t.sum.Write(part)
	t.size += int64(len(part))
	if room := maxDocument - len(t.head); room > 0 {
		t.head = append(t.head, part[:min(room, len(part))]...)
	}
	return len(part), nil
}

// Document returns what was taken without secrets, as [Redact] does.
func (t *Taken) Document() json.RawMessage {
	if t.size > int64(len(t.head)) {
		return digestOf(t.size, t.sum.Sum(nil))
	}
	return Redact(t.head)
}

// bounded replaces a document that is too large by its digest.
func bounded(document json.RawMessage) json.RawMessage {
	if len(document) > maxDocument {
		return digest(document)
	}
	return document
}

func digest(data []byte) json.RawMessage {
	sum := sha256.Sum256(data)
	return digestOf(int64(len(data)), sum[:])
}

func digestOf(size int64, sum []byte) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"octets":%d,"sha256":%q}`, size, hex.EncodeToString(sum)))
}

// shorten cuts a text that is too long between characters.
func shorten(text string) string {
	if len(text) <= maxText {
		return text
	}
	cut := maxText
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}
