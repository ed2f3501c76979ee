package lmdb

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gocaffe/gocaffe/internal/atomicfile"
)

// pageSize is the page size of new files, which liblmdb uses on most machines.
const pageSize = 4096

// A Writer creates a database from records in the order of their keys. It writes
// leaves and values as they fill up, then the branches above them, and last the
// meta pages, to a temporary file in the folder. Commit renames it: data.mdb is
// always complete.
type Writer struct {
	dir     string
	madeDir bool
	file    *atomicfile.File // nil after Commit or Abort
	out     *bufio.Writer
	next    uint64 // number of the next page to write

	leaf     pageBuilder
	firstKey []byte // of the leaf
	lastKey  []byte
	leaves   []child
	scratch  []byte

	entries, branchPages, overflowPages uint64
}

// child is a page and the least key below it.
type child struct {
	key  []byte
	page uint64
}

// Create starts a database in the folder dir, which it creates if necessary, with
// its parents. With replace, Commit replaces an existing database; without it,
// there must be none.
func Create(dir string, replace bool) (*Writer, error) {
	if !replace && IsFolder(dir) {
		return nil, fmt.Errorf("%s: %w: there is an LMDB database already", dir, fs.ErrExist)
	}
	w := &Writer{dir: dir, next: 2}
	_, err := os.Stat(dir)
	w.madeDir = errors.Is(err, fs.ErrNotExist)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if w.file, err = atomicfile.Create(filepath.Join(dir, dataFile)); err != nil {
		w.removeDir()
		return nil, fmt.Errorf("%s: cannot make an LMDB database: %w", dir, errors.Unwrap(err))
	}
	w.out = bufio.NewWriterSize(w.file, 1<<20)
	w.leaf.reset()
	if _, err := w.out.Write(make([]byte, 2*pageSize)); err != nil { // the meta pages' place
		w.Abort()
		return nil, err
	}
	return w, nil
}

// Append adds a record. Its key must be greater than the previous one and have 1 to
// MaxKeySize bytes.
func (w *Writer) Append(key, value []byte) error {
	switch {
	case len(key) == 0 || len(key) > MaxKeySize:
		return fmt.Errorf("%s: LMDB key %.40q has %d bytes, want 1 to %d", w.dir, key, len(key), MaxKeySize)
	case w.entries > 0 && bytes.Compare(key, w.lastKey) <= 0:
		return fmt.Errorf("%s: LMDB key %.60q follows %.60q, want keys in increasing order", w.dir, key, w.lastKey)
	case uint64(len(value)) > 1<<32-1:
		return fmt.Errorf("%s: the value of LMDB key %.60q has %d bytes, want less than 2^32", w.dir, key, len(value))
	}
	size, flags := len(value), uint16(0)
	if nodeHeaderSize+len(key)+len(value) > nodeLimit(pageSize) {
		flags = nodeBig
		w.scratch = le.AppendUint64(w.scratch[:0], w.next)
		if err := w.writeOverflow(value); err != nil {
			return err
		}
		value = w.scratch
	}
	if !w.leaf.fits(len(key) + len(value)) {
		if err := w.endLeaf(); err != nil {
			return err
		}
	}
	if w.leaf.nodes == 0 {
		w.firstKey = append(w.firstKey[:0], key...)
	}
	w.leaf.add(uint64(size)|uint64(flags)<<32, key, value)
	w.lastKey = append(w.lastKey[:0], key...)
	w.entries++
	return nil
}

// writeOverflow writes a value to overflow pages.
func (w *Writer) writeOverflow(value []byte) error {
	pages := overflowPages(len(value), pageSize)
	var header [headerSize]byte
	le.PutUint64(header[pageNumberAt:], w.next)
	le.PutUint16(header[pageFlagsAt:], pageOverflow)
	le.PutUint32(header[pageCountAt:], uint32(pages))
	w.next += uint64(pages)
	w.overflowPages += uint64(pages)
	w.out.Write(header[:]) // bufio keeps the first error, the last Write returns it
	w.out.Write(value)
	var padding [pageSize]byte
	_, err := w.out.Write(padding[:pages*pageSize-headerSize-len(value)])
	return err
}

func (w *Writer) endLeaf() error {
	w.leaves = append(w.leaves, child{bytes.Clone(w.firstKey), w.next})
	return w.writePage(&w.leaf, pageLeaf)
}

// writePage writes a page under the next number.
func (w *Writer) writePage(b *pageBuilder, kind uint16) error {
	_, err := w.out.Write(b.finish(w.next, kind))
	w.next++
	b.reset()
	return err
}

// branches writes branch pages above the given pages and returns them.
func (w *Writer) branches(below []child) ([]child, error) {
	var above []child
	var b pageBuilder
	for len(below) > 0 {
		b.reset()
		n := 0
		for n < len(below) && b.fits(keySizeInBranch(below[n], n)) {
			b.add(below[n].page, below[n].key[:keySizeInBranch(below[n], n)], nil)
			n++
		}
		if n == len(below)-1 { // liblmdb wants two nodes on a branch: leave two for the last
			n--
			b.removeLast()
		}
		above = append(above, child{below[0].key, w.next})
		if err := w.writePage(&b, pageBranch); err != nil {
			return nil, err
		}
		w.branchPages++
		below = below[n:]
	}
	return above, nil
}

// keySizeInBranch returns the length of the key in node n of a branch. The first
// node has none, since it counts as less than all others.
func keySizeInBranch(c child, n int) int {
	if n == 0 {
		return 0
	}
	return len(c.key)
}

// Commit completes the database and gives it its name.
func (w *Writer) Commit() (err error) {
	defer func() {
		if err != nil {
			w.Abort()
			err = fmt.Errorf("%s: cannot write the LMDB database: %w", w.dir, err)
		}
	}()
	if w.leaf.nodes > 0 {
		if err := w.endLeaf(); err != nil {
			return err
		}
	}
	root, depth := noRoot, uint16(0)
	for level := w.leaves; len(level) > 0; depth++ {
		root = level[0].page
		if len(level) == 1 {
			depth++
			break
		}
		if level, err = w.branches(level); err != nil {
			return err
		}
	}
	if err := w.out.Flush(); err != nil {
		return err
	}
	if _, err := w.file.WriteAt(w.metaPages(root, depth), 0); err != nil {
		return err
	}
	file := w.file
	w.file = nil
	if err := file.Commit(); err != nil {
		w.removeDir()
		return err
	}
	return nil
}

// Abort discards the database. After Commit it does nothing.
func (w *Writer) Abort() {
	if w.file == nil {
		return
	}
	w.file.Abort()
	w.file = nil
	w.removeDir()
}

// removeDir removes the folder if Create has created it and it is empty.
func (w *Writer) removeDir() {
	if w.madeDir {
		os.Remove(w.dir)
	}
}

// metaPages returns pages 0 and 1: the empty database of transaction 0, and the
// records as transaction 1, the newer.
func (w *Writer) metaPages(root uint64, depth uint16) []byte {
	pages := make([]byte, 2*pageSize)
	mapSize := uint64(1 << 20)
	for mapSize < w.next*pageSize {
		mapSize *= 2
	}
	for i := range uint64(2) {
		m := pages[i*pageSize:]
		le.PutUint64(m[pageNumberAt:], i)
		le.PutUint16(m[pageFlagsAt:], pageMeta)
		le.PutUint32(m[magicAt:], magic)
		le.PutUint32(m[versionAt:], version)
		le.PutUint64(m[mapSizeAt:], mapSize)
		free := m[freeTreeAt:]
		le.PutUint32(free, pageSize)
		le.PutUint16(free[treeFlagsAt:], treeIntegerKey)
		le.PutUint64(free[treeRootAt:], noRoot)
		le.PutUint64(m[mainTreeAt+treeRootAt:], noRoot)
		le.PutUint64(m[lastPageAt:], 1)
		le.PutUint64(m[transactionAt:], i)
	}
	m := pages[pageSize:]
	le.PutUint64(m[lastPageAt:], w.next-1)
	tree := m[mainTreeAt:]
	le.PutUint16(tree[treeDepthAt:], depth)
	le.PutUint64(tree[treeBranchAt:], w.branchPages)
	le.PutUint64(tree[treeLeafAt:], uint64(len(w.leaves)))
	le.PutUint64(tree[treeOverflowAt:], w.overflowPages)
	le.PutUint64(tree[treeEntriesAt:], w.entries)
	le.PutUint64(tree[treeRootAt:], root)
	return pages
}

// A pageBuilder builds a branch or leaf page.
type pageBuilder struct {
	page  [pageSize]byte
	nodes int
	upper int // start of the nodes
}

func (b *pageBuilder) reset() { *b = pageBuilder{upper: pageSize} }

// nodeSize returns the size of a node with the given number of bytes of key and value.
func nodeSize(content int) int { return (nodeHeaderSize + content + 1) &^ 1 }

// fits reports whether one more node fits on the page.
func (b *pageBuilder) fits(content int) bool {
	return headerSize+2*(b.nodes+1)+nodeSize(content) <= b.upper
}

// add puts a node on the page. Start is the first 6 bytes of its header.
func (b *pageBuilder) add(start uint64, key, value []byte) {
	b.upper -= nodeSize(len(key) + len(value))
	node := b.page[b.upper:]
	le.PutUint64(node, start|uint64(len(key))<<48)
	copy(node[nodeHeaderSize:], key)
	copy(node[nodeHeaderSize+len(key):], value)
	le.PutUint16(b.page[headerSize+2*b.nodes:], uint16(b.upper))
	b.nodes++
}

// removeLast removes the last node of a branch page.
func (b *pageBuilder) removeLast() {
	b.nodes--
	size := nodeSize(int(le.Uint16(b.page[b.upper+nodeKeySizeAt:])))
	clear(b.page[b.upper : b.upper+size])
	le.PutUint16(b.page[headerSize+2*b.nodes:], 0)
	b.upper += size
}

// finish returns the bytes of the page.
func (b *pageBuilder) finish(number uint64, kind uint16) []byte {
	le.PutUint64(b.page[pageNumberAt:], number)
	le.PutUint16(b.page[pageFlagsAt:], kind)
	le.PutUint16(b.page[lowerAt:], uint16(headerSize+2*b.nodes))
	le.PutUint16(b.page[upperAt:], uint16(b.upper))
	return b.page[:]
}
