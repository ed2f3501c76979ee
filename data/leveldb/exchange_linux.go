package leveldb

import "golang.org/x/sys/unix"

// exchange lets two folders change their names in one step. It fails if one is
// absent, and on file systems that cannot do it.
func exchange(a, b string) error {
	return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
}
