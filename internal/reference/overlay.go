package reference

import (
	"io/fs"
	"maps"
	"slices"
)

// An overlay combines several file systems. A file in an earlier one hides files of the
// same name in later ones; folders are merged.
type overlay []fs.FS

// Open opens the first file of that name.
func (o overlay) Open(name string) (fs.File, error) {
	var first error
	for _, f := range o {
		file, err := f.Open(name)
		if err == nil {
			return file, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// ReadDir lists all folders of that name, merged and sorted by file name.
func (o overlay) ReadDir(name string) ([]fs.DirEntry, error) {
	var first error
	found := false
	entries := make(map[string]fs.DirEntry)
	for _, f := range slices.Backward(o) {
		list, err := fs.ReadDir(f, name)
		if err != nil {
			first = err
			continue
		}
		found = true
		for _, e := range list {
			entries[e.Name()] = e
		}
	}
	if !found {
		return nil, first
	}
	sorted := make([]fs.DirEntry, 0, len(entries))
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		sorted = append(sorted, entries[key])
	}
	return sorted, nil
}
