package digitalid

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"postern/domain/certificate"
)

// maxFile bounds a file in octets; the import of PEM has the same bound.
const maxFile = 1 << 20

// Modes: the key is for the gateway's own user.
const (
	folderMode      = 0o700
	keyMode         = 0o600
	certificateMode = 0o644
)

// names are the files in the order in which they are written.
var names = [...]string{certificate.DigitalIDKey, certificate.DigitalIDCertificate, certificate.DigitalIDBoth}

// readFiles returns what is in the files of a folder now; neither need be there.
func readFiles(folder string) (certificate.DigitalID, error) {
	var texts [len(names)]string
	for i, name := range names {
		text, err := readFile(filepath.Join(folder, name))
		if err != nil {
			return certificate.DigitalID{}, fmt.Errorf("%s: %w", name, err)
		}
		texts[i] = text
	}
	return certificate.DigitalID{Key: texts[0], Certificate: texts[1], Both: texts[2]}, nil
}

// readFile follows symbolic links, by which Kubernetes and other tools replace
// files. A pipe in the place of a file holds nobody up.
func readFile(path string) (string, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", cause(err)
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", errors.New("is no regular file")
	}
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("is larger than %d bytes", maxFile)
	}
	return string(text), cause(err)
}

// cause is an error of the system without the path.
func cause(err error) error {
	var failure *fs.PathError
	if errors.As(err, &failure) {
		return failure.Err
	}
	return err
}

// digest tells contents apart.
func digest(d certificate.DigitalID) string {
	sum := sha256.New()
	for _, text := range [...]string{d.Key, d.Certificate, d.Both} {
		part := sha256.Sum256([]byte(text)) // of one length, so that parts cannot run together
		sum.Write(part[:])
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// split returns the files of an export: the key, followed by the chain.
func split(export []byte) certificate.DigitalID {
	block, chain := pem.Decode(export)
	if block == nil {
		return certificate.DigitalID{}
	}
	return certificate.DigitalID{
		Key: string(pem.EncodeToMemory(block)), Certificate: string(chain), Both: string(export),
	}
}

// checkReplaceable refuses to put a file of ours into the place of what somebody
// else keeps there by a link.
func checkReplaceable(folder string) error {
	for _, name := range names {
		info, err := os.Lstat(filepath.Join(folder, name))
		if err == nil && !info.Mode().IsRegular() {
			return fmt.Errorf("%s is a symbolic link or no file, and is not replaced", name)
		}
	}
	return nil
}

// writeFiles replaces the files one after the other, each at once.
func writeFiles(folder string, d certificate.DigitalID) error {
	if err := os.MkdirAll(folder, folderMode); err != nil {
		return cause(err)
	}
	for i, text := range [...]string{d.Key, d.Certificate, d.Both} {
		mode := fs.FileMode(keyMode)
		if names[i] == certificate.DigitalIDCertificate {
			mode = certificateMode
		}
		if err := replaceFile(filepath.Join(folder, names[i]), text, mode); err != nil {
			return fmt.Errorf("%s: %w", names[i], cause(err))
		}
	}
	return nil
}

// replaceFile writes beside the file and renames, so that nobody reads a part.
func replaceFile(path, text string, mode fs.FileMode) error {
	folder, name := filepath.Split(path)
	beside := filepath.Join(folder, "."+name+".new")
	if err := os.Remove(beside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(beside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, bytes.NewReader([]byte(text)))
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(beside, path)
	}
	return errors.Join(err, syncFolder(folder))
}

// syncFolder makes a rename durable.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
