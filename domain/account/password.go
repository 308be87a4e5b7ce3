package account

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// passwordHash is an argon2id hash (RFC 9106) with all that is needed to check
// a password against it.
type passwordHash struct {
	memory  uint32 // KiB
	passes  uint32
	threads uint8
	salt    []byte
	key     []byte
}

// The cost of a new hash: the first choice of the OWASP Password Storage Cheat
// Sheet, about 20 ms of one core.
const (
	hashMemory  = 19 * 1024
	hashPasses  = 2
	hashThreads = 1
	hashSalt    = 16
	hashKey     = 32
)

// hashPassword returns the hash in PHC form.
func hashPassword(password string) string {
	h := passwordHash{memory: hashMemory, passes: hashPasses, threads: hashThreads, salt: make([]byte, hashSalt)}
	rand.Read(h.salt) // never fails: the process ends instead
	h.key = h.derive(password, hashKey)
	return h.String()
}

// decoyHash returns a hash that no password is known for, and that takes as
// long to check as any other.
func decoyHash() passwordHash {
	h := passwordHash{
		memory: hashMemory, passes: hashPasses, threads: hashThreads,
		salt: make([]byte, hashSalt), key: make([]byte, hashKey),
	}
	rand.Read(h.salt)
	rand.Read(h.key)
	return h
}

func (h passwordHash) derive(password string, size int) []byte {
	return argon2.IDKey([]byte(password), h.salt, h.passes, h.memory, h.threads, uint32(size))
}

// matches reports whether the password is the right one.
func (h passwordHash) matches(password string) bool {
	return subtle.ConstantTimeCompare(h.derive(password, len(h.key)), h.key) == 1
}

// String returns the PHC form: $argon2id$v=19$m=…,t=…,p=…$salt$key.
func (h passwordHash) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.passes, h.threads,
		base64.RawStdEncoding.EncodeToString(h.salt), base64.RawStdEncoding.EncodeToString(h.key))
}

// parsePasswordHash reads a PHC form within bounds that keep one check from
// taking the machine. Its error does not repeat the hash.
func parsePasswordHash(phc string) (passwordHash, error) {
	fields := strings.Split(phc, "$")
	if len(fields) != 6 || fields[0] != "" || fields[1] != "argon2id" || fields[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return passwordHash{}, fmt.Errorf("the password hash is no argon2id hash of version %d", argon2.Version)
	}
	var h passwordHash
	if n, err := fmt.Sscanf(fields[3], "m=%d,t=%d,p=%d", &h.memory, &h.passes, &h.threads); n != 3 || err != nil {
		return passwordHash{}, fmt.Errorf("the password hash has no readable cost")
	}
	var saltErr, keyErr error
	h.salt, saltErr = base64.RawStdEncoding.Strict().DecodeString(fields[4])
	h.key, keyErr = base64.RawStdEncoding.Strict().DecodeString(fields[5])
	if saltErr != nil || keyErr != nil || !h.bounded() || h.String() != phc {
		return passwordHash{}, fmt.Errorf("the password hash is malformed or out of bounds")
	}
	return h, nil
}

// bounded holds a hash to between the least and the most that RFC 9106 §3.1 and
// common sense allow.
func (h passwordHash) bounded() bool {
	const maxMemory = 256 * 1024
	return h.threads >= 1 && h.threads <= 16 &&
		h.passes >= 1 && h.passes <= 16 &&
		h.memory >= 8*uint32(h.threads) && h.memory <= maxMemory &&
		len(h.salt) >= 8 && len(h.salt) <= 64 &&
		len(h.key) >= 16 && len(h.key) <= 64
}
