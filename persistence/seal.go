package persistence

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"postern/domain"
)

// purpose is what a secret is for. Each purpose has a key of its own, so that
// a sealed value of one table opens in no other.
type purpose string

const purposeCertificateKey purpose = "certificate private key"

const (
	masterKeyName = "master.key"
	masterKeySize = 32
	// sealVersion leads each sealed value, so that the form can change.
	sealVersion = 1
)

// sealer encrypts secrets before they reach the database: AES-256-GCM with a
// random nonce, under a key that HKDF (RFC 5869) derives from the master key
// for each purpose. The purpose and the row's id are authenticated with it: a
// sealed value that was moved to another row does not open. It never shows a
// key or a secret in an error or a log: the master key is kept inside a
// function, which nothing that prints can look into.
//
// Random 96-bit nonces are safe for 2³² values a key (NIST SP 800-38D §8.3); a
// gateway seals a few thousand.
type sealer struct {
	key func(p purpose) ([]byte, error)
}

func newSealer(master []byte) *sealer {
	return &sealer{func(p purpose) ([]byte, error) {
		return hkdf.Key(sha256.New, master, nil, "postern seal "+string(p), 32)
	}}
}

// loadSealer reads the master key of the data directory, making one if the
// directory is new. A key that is missing beside a database is not made anew:
// the secrets in there would be lost for good, without a word. A key file that
// others can read is refused, since it no longer keeps anything secret.
func loadSealer(dir string) (*sealer, error) {
	path := filepath.Join(dir, masterKeyName)
	master, err := readMasterKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		master, err = firstMasterKey(dir, path)
	}
	if err != nil {
		return nil, domain.Wrap(err, "%s", masterKeyName)
	}
	return newSealer(master), nil
}

func firstMasterKey(dir, path string) ([]byte, error) {
	_, err := os.Stat(filepath.Join(dir, configurationName))
	if err == nil {
		return nil, domain.E(domain.Unavailable, "it is missing, and without it the secrets in %s cannot be read: restore it", configurationName)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, unusable(err)
	}
	return createMasterKey(path)
}

func readMasterKey(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if loose := info.Mode().Perm() & 0o077; loose != 0 {
		return nil, domain.E(domain.Unavailable, "its mode %#o lets others read it: make it 0600", info.Mode().Perm())
	}
	key, err := io.ReadAll(io.LimitReader(f, masterKeySize+1))
	if err != nil {
		return nil, err
	}
	if len(key) != masterKeySize {
		return nil, domain.E(domain.Unavailable, "it is damaged: it must have %d bytes", masterKeySize)
	}
	return key, nil
}

// createMasterKey writes a random key. It is complete and durable under another
// name before it gets its own: a crash leaves no half key, and nothing is ever
// sealed under a key that a crash could take away.
func createMasterKey(path string) ([]byte, error) {
	key := make([]byte, masterKeySize)
	rand.Read(key) // never fails: the process ends instead
	half := path + ".new"
	if err := os.Remove(half); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, unusable(err)
	}
	f, err := os.OpenFile(half, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, unusable(err)
	}
	_, err = f.Write(key)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, unusable(err)
	}
	if err := errors.Join(os.Rename(half, path), syncDirectory(filepath.Dir(path))); err != nil {
		return nil, unusable(err)
	}
	return key, nil
}

// seal encrypts the plaintext for the row. The result is one byte of version,
// 12 of nonce, the ciphertext and 16 of tag.
func (s *sealer) seal(p purpose, id string, plaintext []byte) ([]byte, error) {
	aead, err := s.aead(p)
	if err != nil {
		return nil, err
	}
	sealed := make([]byte, 1+aead.NonceSize(), 1+aead.NonceSize()+len(plaintext)+aead.Overhead())
	sealed[0] = sealVersion
	nonce := sealed[1:]
	rand.Read(nonce)
	return aead.Seal(sealed, nonce, plaintext, additionalData(p, id)), nil
}

// open decrypts what seal made for the same purpose and row.
func (s *sealer) open(p purpose, id string, sealed []byte) ([]byte, error) {
	aead, err := s.aead(p)
	if err != nil {
		return nil, err
	}
	head := 1 + aead.NonceSize()
	if len(sealed) < head || sealed[0] != sealVersion {
		return nil, fmt.Errorf("the sealed %s of %q has an unknown form", p, id)
	}
	plaintext, err := aead.Open(nil, sealed[1:head], sealed[head:], additionalData(p, id))
	if err != nil {
		return nil, fmt.Errorf("the sealed %s of %q does not open: it was altered, or %s is another one", p, id, masterKeyName)
	}
	return plaintext, nil
}

func (s *sealer) aead(p purpose) (cipher.AEAD, error) {
	key, err := s.key(p)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

const purposeCursor purpose = "list cursors"

// CursorSecret returns the secret that signs the cursors of lists: the same for
// every opening of the directory.
func (d *Database) CursorSecret() ([]byte, error) { return d.sealer.key(purposeCursor) }

// additionalData binds a sealed value to its place. A zero byte parts the two
// texts, and no purpose holds one.
func additionalData(p purpose, id string) []byte {
	return []byte(string(p) + "\x00" + id)
}
