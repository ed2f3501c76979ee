// Package data reads images and labels as Caffe's data layers do: records of a
// database and image files, which it decodes, scales, crops and mirrors. The
// packages below read the formats of databases, and convert writes databases.
// Batches are made of records in layers/feed.
package data

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/gocaffe/gocaffe/caffepb"
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

var _ Source = (*lmdb.DB)(nil)

// Open opens the database that a data_param describes.
func Open(path string, backend caffepb.DataParameter_DB) (Source, error) {
	if backend == caffepb.DataParameter_LMDB {
		if isLevelDB(path) && !lmdb.IsFolder(path) {
			return nil, fmt.Errorf("%q is a LevelDB database, and backend is LMDB; this version reads LMDB only", path)
		}
		db, err := lmdb.Open(path)
		if err != nil {
			return nil, err
		}
		return db, nil
	}
	if lmdb.IsFolder(path) {
		return nil, fmt.Errorf("%q is an LMDB database, and backend is LEVELDB, which is the default: write backend: LMDB", path)
	}
	return nil, fmt.Errorf("%q: backend is LEVELDB, which is the default, and this version reads LMDB only: convert the data to LMDB and write backend: LMDB", path)
}

// isLevelDB reports whether path is a folder with a LevelDB database.
func isLevelDB(path string) bool {
	_, err := os.Stat(filepath.Join(path, "CURRENT"))
	return err == nil
}
