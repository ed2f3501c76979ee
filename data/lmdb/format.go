// Package lmdb reads LMDB databases, and writes new ones, without liblmdb.
//
// A database is a file of pages, data.mdb. Pages 0 and 1 are meta pages; the one
// with the higher transaction number is valid and names the root of a B+ tree.
// Branch pages hold keys and page numbers, leaf pages hold keys and values, and a
// value too long for a leaf is in a run of overflow pages. Byte order and word size
// are those of the machine that wrote the file; only files of 64-bit little-endian
// machines are supported. The layout is that of liblmdb's mdb.c, version 0.9.
//
// Named databases in a file and several values for a key, which Caffe does not use,
// are not supported.
package lmdb

import "encoding/binary"

const (
	magic   = 0xBEEFC0DE
	version = 1

	// dataFile is the name of the database in its folder.
	dataFile = "data.mdb"

	// MaxKeySize is the length of the longest key that liblmdb accepts.
	MaxKeySize = 511

	noRoot   = ^uint64(0) // page number of the root of an empty tree
	maxDepth = 32         // liblmdb's CURSOR_STACK

	minPageSize = 512 // limits of what the offsets of a page can express
	maxPageSize = 0x8000
)

// Layout of a page: a header, then offsets of the nodes from the start of the
// page, growing up, and the nodes, growing down from the end.
const (
	pageNumberAt = 0  // 8 bytes
	pageFlagsAt  = 10 // 2 bytes, after 2 unused
	lowerAt      = 12 // 2 bytes: end of the offsets
	upperAt      = 14 // 2 bytes: start of the nodes
	pageCountAt  = 12 // 4 bytes, in place of lower and upper, of an overflow run
	headerSize   = 16

	pageBranch   = 0x01
	pageLeaf     = 0x02
	pageOverflow = 0x04
	pageMeta     = 0x08
	pageKind     = pageBranch | pageLeaf | pageOverflow | pageMeta | pageFixed
	pageFixed    = 0x20 // values of one size, of databases with several values of a key
)

// Layout of a node: a header, the key, and on a leaf the value or, with
// nodeBig, the number of its first overflow page.
const (
	nodeLowAt      = 0 // 2+2 bytes: size of the value; on a branch the page number,
	nodeFlagsAt    = 4 // 2 bytes:   of which these are bits 32 to 47
	nodeKeySizeAt  = 6 // 2 bytes
	nodeHeaderSize = 8

	nodeBig = 0x01
)

// Layout of a meta page.
const (
	magicAt       = headerSize
	versionAt     = magicAt + 4
	mapSizeAt     = versionAt + 12 // after the address of the map
	freeTreeAt    = mapSizeAt + 8  // the tree of free pages; its first 4 bytes are the page size
	mainTreeAt    = freeTreeAt + treeSize
	lastPageAt    = mainTreeAt + treeSize
	transactionAt = lastPageAt + 8
	metaEnd       = transactionAt + 8
)

// Layout of the description of a tree.
const (
	treeFlagsAt    = 4
	treeDepthAt    = 6
	treeBranchAt   = 8
	treeLeafAt     = 16
	treeOverflowAt = 24
	treeEntriesAt  = 32
	treeRootAt     = 40
	treeSize       = 48

	treeIntegerKey = 0x08 // flag of the tree of free pages
)

var le = binary.LittleEndian

// nodeLimit is the size from which liblmdb puts a value on overflow pages: two
// nodes must fit on a page.
func nodeLimit(pageSize int) int { return (pageSize-headerSize)/2&^1 - 2 }

// overflowPages returns how many pages a value takes.
func overflowPages(valueSize, pageSize int) int {
	return (headerSize + valueSize + pageSize - 1) / pageSize
}
