//go:build !linux

package leveldb

import "errors"

func exchange(_, _ string) error { return errors.ErrUnsupported }
