//go:build !unix

package lmdb

import (
	"errors"
	"os"
)

// mapFile fails: files are read page by page here.
func mapFile(*os.File, int64) ([]byte, error) { return nil, errors.ErrUnsupported }

func unmapFile([]byte) error { return nil }
