//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package filelock

import (
	"errors"
	"os"
)

// tryLock fails: there are no such locks here.
func tryLock(*os.File) (held bool, err error) { return false, errors.ErrUnsupported }
