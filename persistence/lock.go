package persistence

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"postern/domain"
)

// lockDirectory makes this process the only one that has the directory open,
// until the returned function is called or the process ends, however it ends:
// the kernel drops the lock. The file stays; its being there means nothing.
func lockDirectory(dir string) (unlock func() error, err error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, unusable(err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f.Close, nil
	}
	closeErr := f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, domain.E(domain.Conflict, "another process has it open")
	}
	return nil, unusable(errors.Join(err, closeErr))
}
