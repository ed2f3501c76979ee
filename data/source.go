// Package data reads images and labels as Caffe's data layers do: records of a
// database and image files, which it decodes, scales, crops and mirrors. The
// packages below read the formats of databases, and convert writes databases.
// Batches are made of records in layers/feed.
package data

import (
	"fmt"
	"os"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data/leveldb"
	"github.com/gocaffe/gocaffe/data/lmdb"
)

// A Source is a database of records in a fixed order. Its methods may be called
// from several goroutines.
type Source interface {
	// Len returns the number of records.
	Len() int

	// Record returns the key and value of record i. They may be in scratch,
	// which grows as needed, and are valid until scratch is used again or the
	// source is closed.
	Record(i int, scratch *[]byte) (key, value []byte, err error)

	// Close closes the database; records that were returned are invalid then.
	Close() error
}

var (
	_ Source = (*lmdb.DB)(nil)
	_ Source = (*leveldb.DB)(nil)
	_ Sink   = (*lmdb.Writer)(nil)
	_ Sink   = (*leveldb.Writer)(nil)
)

// A Sink is a database that is being written.
type Sink interface {
	// Append adds a record. Its key must be greater than the previous one.
	Append(key, value []byte) error

	// Commit completes the database. Until then a reader finds nothing, or the
	// database that was there before.
	Commit() error

	// Abort ends the writing without leaving files behind. After Commit it does
	// nothing.
	Abort()
}

// Open opens the database that a data_param describes.
func Open(path string, backend caffepb.DataParameter_DB) (Source, error) {
	switch kind, ok := kindOf(path); {
	case ok && kind != backend && backend == caffepb.DataParameter_LMDB:
		return nil, fmt.Errorf("%q is a LevelDB database, and backend is LMDB: write backend: LEVELDB", path)
	case ok && kind != backend:
		return nil, fmt.Errorf("%q is an LMDB database, and backend is LEVELDB, which is the default: write backend: LMDB", path)
	}
	return open(path, backend)
}

// OpenAny opens a database of either kind.
func OpenAny(path string) (Source, error) {
	kind, ok := kindOf(path)
	if !ok {
		kind = caffepb.DataParameter_LMDB // whose error names the path
	}
	return open(path, kind)
}

func open(path string, backend caffepb.DataParameter_DB) (source Source, err error) {
	if backend == caffepb.DataParameter_LMDB {
		source, err = lmdb.Open(path)
	} else {
		source, err = leveldb.Open(path)
	}
	if err != nil {
		return nil, err
	}
	return source, nil
}

// kindOf returns which kind of database a folder has, if any.
func kindOf(path string) (kind caffepb.DataParameter_DB, ok bool) {
	switch {
	case lmdb.IsFolder(path):
		return caffepb.DataParameter_LMDB, true
	case leveldb.IsFolder(path):
		return caffepb.DataParameter_LEVELDB, true
	}
	return 0, false
}

// Create starts a database in the folder dir, which it creates if necessary, with its
// parents. With replace, Commit replaces an existing database of the same kind; without
// it, there must be none.
func Create(dir string, backend caffepb.DataParameter_DB, replace bool) (sink Sink, err error) {
	if err := CheckFree(dir, backend, replace); err != nil {
		return nil, err
	}
	if backend == caffepb.DataParameter_LMDB {
		sink, err = lmdb.Create(dir, replace)
	} else {
		sink, err = leveldb.Create(dir, replace)
	}
	if err != nil {
		return nil, err
	}
	return sink, nil
}

// names are the kinds of databases with their articles.
var names = map[caffepb.DataParameter_DB]string{caffepb.DataParameter_LMDB: "an LMDB", caffepb.DataParameter_LEVELDB: "a LevelDB"}

// CheckFree returns the error that Create has if the place of a database is taken.
func CheckFree(dir string, backend caffepb.DataParameter_DB, replace bool) error {
	switch kind, ok := kindOf(dir); {
	case ok && kind != backend:
		return fmt.Errorf("%s has %s database, which %s database does not replace", dir, names[kind], names[backend])
	case ok && !replace:
		return fmt.Errorf("%s: %w: there is %s database already", dir, os.ErrExist, names[kind])
	}
	return nil
}
