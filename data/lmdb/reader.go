package lmdb

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"sync"

	"github.com/gocaffe/gocaffe/internal/readfile"
)

// A DB is a database opened for reading. Its methods may be called from several
// goroutines.
//
// The file is read page by page and not mapped into memory, where a program that
// shortens it would end this one with a fault. Every offset in the file is checked:
// a damaged file, or one that changes while it is open, causes an error and nothing
// worse.
type DB struct {
	path     string // of the file
	file     io.ReaderAt
	size     int64
	close    func() error
	pageSize int
	lastPage uint64
	root     uint64
	depth    int
	entries  int

	mu     sync.Mutex // guards what follows: the leaves known so far, in order
	leaves []leaf
	known  int // number of records on them
	ahead  walker
}

// leaf is a leaf page and the number of its first record.
type leaf struct {
	page  uint64
	first int
}

// Open opens the database at path, its folder or its file.
func Open(path string) (*DB, error) {
	name, err := find(path)
	if err != nil {
		return nil, err
	}
	f, size, err := readfile.Open(name)
	if err != nil {
		return nil, err
	}
	return newDB(name, f, size, f.Close)
}

// newDB returns the database in a file, which it closes when it fails.
func newDB(path string, file io.ReaderAt, size int64, close func() error) (*DB, error) {
	db := &DB{path: path, file: file, size: size, close: close}
	db.ahead.db = db
	if err := db.readMeta(); err != nil {
		close()
		return nil, err
	}
	return db, nil
}

// IsFolder reports whether path is a folder with an LMDB database.
func IsFolder(path string) bool {
	info, err := os.Stat(filepath.Join(path, dataFile))
	return err == nil && info.Mode().IsRegular()
}

// find returns the file of the database at path. Its error names the working
// directory, to which paths in a net are relative.
func find(path string) (string, error) {
	name := path
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		name = filepath.Join(path, dataFile)
		_, err = os.Stat(name)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if filepath.IsAbs(name) {
			return "", absentError{fmt.Errorf("no LMDB database at %q: there is no file %s", path, name)}
		}
		wd, _ := os.Getwd()
		return "", absentError{fmt.Errorf("no LMDB database at %q: there is no file %s (working directory %s)", path, filepath.Join(wd, name), wd)}
	case err != nil:
		return "", err
	}
	return name, nil
}

// absentError is an fs.ErrNotExist with a message of its own.
type absentError struct{ error }

func (absentError) Unwrap() error { return fs.ErrNotExist }

// Close closes the file.
func (db *DB) Close() error { return db.close() }

// Len returns the number of records.
func (db *DB) Len() int { return db.entries }

func (db *DB) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: damaged LMDB file: "+format, append([]any{db.path}, args...)...)
}

// read returns n bytes of the file. They are in scratch, which grows as needed, from
// index used on.
func (db *DB) read(offset int64, n int, scratch *[]byte, used int) ([]byte, error) {
	if offset < 0 || int64(n) > db.size-offset {
		return nil, db.errorf("%d bytes at %d are outside of the file, which has %d: is it cut short?", n, offset, db.size)
	}
	if cap(*scratch) < used+n {
		*scratch = make([]byte, used+n) // what is before used stays in the old one, with its user
	}
	*scratch = (*scratch)[:used+n]
	b := (*scratch)[used : used+n : used+n]
	if _, err := db.file.ReadAt(b, offset); err != nil && err != io.EOF {
		return nil, err
	} else if err == io.EOF {
		return nil, db.errorf("it has become shorter than the %d bytes that it had when it was opened: has another program written it?", db.size)
	}
	return b, nil
}

// readMeta reads the newer of the two meta pages, of those that are valid. The
// offset of the second is the page size, which only the meta pages tell.
func (db *DB) readMeta() error {
	newest, why := db.meta(0)
	if newest != nil {
		if second, _ := db.meta(int64(pageSizeOf(newest))); second != nil && pageSizeOf(second) == pageSizeOf(newest) &&
			le.Uint64(second[transactionAt:]) >= le.Uint64(newest[transactionAt:]) {
			newest = second
		}
	} else {
		for size := minPageSize; size <= maxPageSize && newest == nil; size *= 2 {
			if second, _ := db.meta(int64(size)); second != nil && pageSizeOf(second) == size {
				newest = second
			}
		}
	}
	if newest == nil {
		return why
	}
	db.pageSize = pageSizeOf(newest)
	if db.size < 2*int64(db.pageSize) {
		return db.errorf("it has %d bytes, want two pages of %d at least: is it cut short?", db.size, db.pageSize)
	}
	db.lastPage = le.Uint64(newest[lastPageAt:])
	tree := newest[mainTreeAt:]
	if flags := le.Uint16(tree[treeFlagsAt:]); flags != 0 {
		return fmt.Errorf("%s: the LMDB database has the flags %#x (several values of a key, or another order), want 0", db.path, flags)
	}
	db.root = le.Uint64(tree[treeRootAt:])
	db.depth = int(le.Uint16(tree[treeDepthAt:]))
	entries := le.Uint64(tree[treeEntriesAt:])
	// a record takes at least a node header and an offset
	if entries > uint64(db.size)/(nodeHeaderSize+2) {
		return db.errorf("%d records cannot be in %d bytes: is the file cut short?", entries, db.size)
	}
	db.entries = int(entries)
	switch empty := db.root == noRoot; {
	case empty != (entries == 0) || empty != (db.depth == 0):
		return db.errorf("root page %d, depth %d and %d records do not go together", int64(db.root), db.depth, entries)
	case db.depth > maxDepth:
		return db.errorf("depth %d of its tree, want at most %d", db.depth, maxDepth)
	}
	// liblmdb may leave the file short if it dropped the last pages of a transaction.
	// So a short file is damaged only if a page in use is missing.
	if db.lastPage >= uint64(db.size)/uint64(db.pageSize) {
		return db.verify()
	}
	return nil
}

// meta returns the meta page at offset.
func (db *DB) meta(offset int64) ([]byte, error) {
	var scratch []byte
	if db.size < metaEnd {
		return nil, fmt.Errorf("%s: not an LMDB file: it has %d bytes, want two pages at least", db.path, db.size)
	}
	m, err := db.read(offset, metaEnd, &scratch, 0)
	if err != nil {
		return nil, err
	}
	if got := le.Uint32(m[magicAt:]); got != magic {
		return nil, fmt.Errorf("%s: not an LMDB file of a 64-bit little-endian machine: magic number %#x, want %#x", db.path, got, uint32(magic))
	}
	if got := le.Uint32(m[versionAt:]); got != version {
		return nil, fmt.Errorf("%s: LMDB format version %d, want %d", db.path, got, version)
	}
	if le.Uint16(m[pageFlagsAt:])&pageMeta == 0 {
		return nil, db.errorf("the page at %d is not a meta page", offset)
	}
	if n := le.Uint32(m[freeTreeAt:]); n < minPageSize || n > maxPageSize || n&(n-1) != 0 {
		return nil, db.errorf("page size %d, want a power of two from %d to %d", n, minPageSize, maxPageSize)
	}
	return m, nil
}

func pageSizeOf(meta []byte) int { return int(le.Uint32(meta[freeTreeAt:])) }

// tooMany is the error of a tree with more records than its header says.
func (db *DB) tooMany() error {
	return db.errorf("it has more than the %d records that its header says", db.entries)
}

// tooFew is the error of a tree with fewer records than its header says.
func (db *DB) tooFew() error {
	return db.errorf("it has fewer than the %d records that its header says", db.entries)
}

// verify reads all records.
func (db *DB) verify() error {
	c := db.Cursor()
	for c.Next() {
	}
	return c.err
}

// page is a branch or leaf page.
type page []byte

// page returns page n, which must be of the given kind.
func (db *DB) page(n uint64, kind uint16, scratch *[]byte) (page, error) {
	if n < 2 || n > db.lastPage || n > uint64(db.size)/uint64(db.pageSize) {
		return nil, db.errorf("page %d is named, the last is %d and the file has %d bytes: is it cut short?", n, db.lastPage, db.size)
	}
	p, err := db.read(int64(n)*int64(db.pageSize), db.pageSize, scratch, 0)
	if err != nil {
		return nil, err
	}
	if got := le.Uint64(p[pageNumberAt:]); got != n {
		return nil, db.errorf("page %d has number %d", n, got)
	}
	if got := le.Uint16(p[pageFlagsAt:]) & pageKind; got != kind {
		return nil, db.errorf("page %d is of kind %#x, want %#x", n, got, kind)
	}
	lower, upper := int(le.Uint16(p[lowerAt:])), int(le.Uint16(p[upperAt:]))
	if lower <= headerSize || lower%2 != 0 || lower > upper || upper > db.pageSize {
		return nil, db.errorf("page %d has its nodes at %d and %d of %d bytes", n, lower, upper, db.pageSize)
	}
	return p, nil
}

// nodes returns the number of nodes of the page.
func (p page) nodes() int { return (int(le.Uint16(p[lowerAt:])) - headerSize) / 2 }

// number returns the number of the page.
func (p page) number() uint64 { return le.Uint64(p[pageNumberAt:]) }

// node returns the header and the key of node i, and the rest of the page.
func (db *DB) node(p page, i int) (header, key, rest []byte, err error) {
	at := int(le.Uint16(p[headerSize+2*i:]))
	if at < int(le.Uint16(p[upperAt:])) || at > len(p)-nodeHeaderSize {
		return nil, nil, nil, db.errorf("node %d of page %d is at %d of %d bytes", i, p.number(), at, len(p))
	}
	header = p[at : at+nodeHeaderSize]
	size := int(le.Uint16(header[nodeKeySizeAt:]))
	rest = p[at+nodeHeaderSize:]
	if size > len(rest) {
		return nil, nil, nil, db.errorf("node %d of page %d has a key of %d bytes, which does not fit", i, p.number(), size)
	}
	return header, rest[:size:size], rest[size:], nil
}

// child returns the page number in node i of a branch page.
func (db *DB) child(p page, i int) (uint64, error) {
	header, _, _, err := db.node(p, i)
	if err != nil {
		return 0, err
	}
	return uint64(le.Uint32(header[nodeLowAt:])) | uint64(le.Uint16(header[nodeFlagsAt:]))<<32, nil
}

// record returns the key and value in node i of a leaf page, which is in scratch. A
// value that is not on the page is put behind it.
func (db *DB) record(p page, i int, scratch *[]byte) (key, value []byte, err error) {
	header, key, rest, err := db.node(p, i)
	if err != nil {
		return nil, nil, err
	}
	size := uint64(le.Uint32(header[nodeLowAt:]))
	switch flags := le.Uint16(header[nodeFlagsAt:]); flags {
	case 0:
		if size > uint64(len(rest)) {
			return nil, nil, db.errorf("key %.60q has a value of %d bytes, which does not fit its page %d", key, size, p.number())
		}
		return key, rest[:size:size], nil
	case nodeBig:
		if len(rest) < 8 {
			return nil, nil, db.errorf("key %.60q has no room for a page number on page %d", key, p.number())
		}
		value, err := db.overflow(key, le.Uint64(rest), size, scratch)
		return key, value, err
	default:
		return nil, nil, fmt.Errorf("%s: key %.60q has the LMDB node flags %#x (a named database or several values), which are not supported", db.path, key, flags)
	}
}

// overflow returns the value of size bytes that begins on page n.
func (db *DB) overflow(key []byte, n, size uint64, scratch *[]byte) ([]byte, error) {
	start := uint64(db.size) // outside, unless the page number makes sense
	if n >= 2 && n <= db.lastPage && n <= uint64(db.size)/uint64(db.pageSize) {
		start = n * uint64(db.pageSize)
	}
	if start+headerSize+size > uint64(db.size) || int64(int(size)) != int64(size) {
		return nil, db.errorf("key %.60q has a value of %d bytes from page %d on, the file has %d bytes: is it cut short?", key, size, n, db.size)
	}
	run, err := db.read(int64(start), headerSize+int(size), scratch, db.pageSize)
	if err != nil {
		return nil, err
	}
	if le.Uint64(run[pageNumberAt:]) != n || le.Uint16(run[pageFlagsAt:])&pageKind != pageOverflow ||
		uint64(le.Uint32(run[pageCountAt:]))*uint64(db.pageSize) < headerSize+size {
		return nil, db.errorf("page %d does not hold the %d bytes of key %.60q", n, size, key)
	}
	return run[headerSize:], nil
}

// Record returns the key and value of record i, in the order of the keys. They are
// in scratch, which grows as needed.
//
// The first call for a record counts the leaves up to it; in order, that costs
// nothing extra.
func (db *DB) Record(i int, scratch *[]byte) (key, value []byte, err error) {
	if i < 0 || i >= db.entries {
		return nil, nil, fmt.Errorf("%s: record %d was asked for, there are %d", db.path, i, db.entries)
	}
	l, err := db.leafOf(i)
	if err != nil {
		return nil, nil, err
	}
	p, err := db.page(l.page, pageLeaf, scratch)
	if err != nil {
		return nil, nil, err
	}
	if i-l.first >= p.nodes() {
		return nil, nil, db.errorf("page %d has changed since it was opened", l.page)
	}
	return db.record(p, i-l.first, scratch)
}

// leafOf returns the leaf of record i.
func (db *DB) leafOf(i int) (leaf, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	for db.known <= i {
		p, err := db.ahead.nextLeaf()
		if err != nil {
			return leaf{}, err
		}
		if p == nil {
			return leaf{}, db.tooFew()
		}
		db.leaves = append(db.leaves, leaf{p.number(), db.known})
		db.known += p.nodes()
		if db.known > db.entries {
			return leaf{}, db.tooMany()
		}
		if db.known == db.entries {
			if p, err := db.ahead.nextLeaf(); err != nil {
				return leaf{}, err
			} else if p != nil {
				return leaf{}, db.tooMany()
			}
		}
	}
	n := sort.Search(len(db.leaves), func(n int) bool { return db.leaves[n].first > i })
	return db.leaves[n-1], nil
}
