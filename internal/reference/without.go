package reference

import (
	"io/fs"
	"path"
	"slices"
)

// Without returns a file system that lacks some folders of cases, such as
// "Lstm/cpu_two_sequences", when folders are read: for cases whose values differ
// from ours on purpose.
func Without(cases fs.FS, folders ...string) fs.FS { return without{cases, folders} }

type without struct {
	fs.FS
	folders []string
}

// ReadDir returns the entries of a folder that are there.
func (w without) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(w.FS, name)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
		return slices.Contains(w.folders, path.Join(name, e.Name()))
	}), err
}
