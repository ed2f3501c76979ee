// Package leveldb reads and writes LevelDB databases as Caffe does. It builds on
// github.com/syndtr/goleveldb and adds what training needs: several processes can read
// a database at once, records are numbered, and databases are created atomically.
package leveldb

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gocaffe/gocaffe/internal/atomicfile"
	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/storage"
)

// current is the name of a file that every database has.
const current = "CURRENT"

// IsFolder reports whether path is a folder with a LevelDB database.
func IsFolder(path string) bool {
	info, err := os.Stat(filepath.Join(path, current))
	return err == nil && info.Mode().IsRegular()
}

// A DB is a database open for reading. Its methods are safe for concurrent use.
type DB struct {
	path string
	db   *leveldb.DB
	keys []byte // of all records, one after the other
	ends []int  // of each key
}

// Open opens the database in a folder. It reads the whole database once, because
// LevelDB does not store the number of records.
func Open(path string) (*DB, error) {
	if !IsFolder(path) {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("cannot open the LevelDB database %s: %w", path, err)
		}
		return nil, fmt.Errorf("%s is not a LevelDB database: want a folder with a file %s", path, current)
	}
	if files, err := folder(path).List(storage.TypeJournal | storage.TypeTable); err == nil && len(files) == 0 {
		return nil, fmt.Errorf("the LevelDB database %s is incomplete: it has no .log and no .ldb file, and LevelDB always writes one", path)
	}
	raw, err := leveldb.Open(folder(path), &opt.Options{
		ReadOnly: true, ErrorIfMissing: true, Strict: opt.StrictJournalChecksum | opt.StrictBlockChecksum | opt.StrictReader | opt.StrictManifest,
	})
	if err != nil {
		return nil, fmt.Errorf("cannot open the LevelDB database %s: %w", path, err)
	}
	db := &DB{path: path, db: raw}
	records := raw.NewIterator(nil, &opt.ReadOptions{DontFillCache: true})
	for records.Next() {
		db.keys = append(db.keys, records.Key()...)
		db.ends = append(db.ends, len(db.keys))
	}
	records.Release()
	if err := records.Error(); err != nil {
		return nil, errors.Join(db.errorf("%w", err), raw.Close())
	}
	return db, nil
}

func (db *DB) errorf(format string, args ...any) error {
	return fmt.Errorf("LevelDB database %s: %w", db.path, fmt.Errorf(format, args...))
}

// Len returns the number of records.
func (db *DB) Len() int { return len(db.ends) }

// Record returns the key and value of record i, in the order of the keys. It does not
// use scratch.
func (db *DB) Record(i int, _ *[]byte) (key, value []byte, err error) {
	if i < 0 || i >= len(db.ends) {
		return nil, nil, db.errorf("record %d of %d", i, len(db.ends))
	}
	start := 0
	if i > 0 {
		start = db.ends[i-1]
	}
	key = db.keys[start:db.ends[i]:db.ends[i]]
	if value, err = db.db.Get(key, nil); err != nil {
		return nil, nil, db.errorf("key %q: %w", key, err)
	}
	return key, value, nil
}

// Close closes the database.
func (db *DB) Close() error { return db.db.Close() }

// A Writer creates a database from records in the order of their keys. It writes a
// temporary folder next to the final one, and Commit renames it.
type Writer struct {
	dir, temp string
	replace   bool
	db        *leveldb.DB // nil after Commit or Abort
	batch     leveldb.Batch
	size      int // of the batch
	last      []byte
	records   int
}

// batchSize is the number of bytes written at once.
const batchSize = 4 << 20

// Create starts a database in the folder dir and creates its parents if necessary.
// With replace, Commit replaces an existing database; without it, there must be none.
// Temporary folders of dir that killed processes have left are removed.
func Create(dir string, replace bool) (*Writer, error) {
	if err := free(dir, replace); err != nil {
		return nil, err
	}
	dir = filepath.Clean(dir)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, err
	}
	atomicfile.Clean(dir)
	temp, err := os.MkdirTemp(filepath.Dir(dir), atomicfile.TempPattern(filepath.Base(dir)))
	if err != nil {
		return nil, err
	}
	w := &Writer{dir: dir, temp: temp, replace: replace}
	// The block size is that of Caffe's db_leveldb.cpp.
	w.db, err = leveldb.OpenFile(temp, &opt.Options{BlockSize: 64 << 10, WriteBuffer: 64 << 20, ErrorIfExist: true})
	if err == nil {
		err = os.Chmod(temp, 0o755)
	}
	if err != nil {
		w.Abort()
		return nil, fmt.Errorf("%s: cannot create a LevelDB database: %w", dir, err)
	}
	return w, nil
}

// free returns an error if a new database cannot be created at dir.
func free(dir string, replace bool) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0:
		return nil
	case err != nil:
		return err
	case !IsFolder(dir):
		return fmt.Errorf("%s contains files that do not belong to a LevelDB database, want a new or empty folder", dir)
	case !replace:
		return fmt.Errorf("%s: %w: it contains a LevelDB database", dir, fs.ErrExist)
	}
	return nil
}

// Append adds a record. Its key must be greater than the previous one.
func (w *Writer) Append(key, value []byte) error {
	if w.records > 0 && string(key) <= string(w.last) {
		return fmt.Errorf("%s: LevelDB key %q follows %q, want keys in increasing order", w.dir, key, w.last)
	}
	w.last = append(w.last[:0], key...)
	w.records++
	w.batch.Put(key, value)
	if w.size += len(key) + len(value); w.size >= batchSize {
		return w.flush(false)
	}
	return nil
}

func (w *Writer) flush(sync bool) error {
	if err := w.db.Write(&w.batch, &opt.WriteOptions{Sync: sync}); err != nil {
		return fmt.Errorf("%s: %w", w.dir, err)
	}
	w.batch.Reset()
	w.size = 0
	return nil
}

// Commit completes the database and moves it to its folder.
func (w *Writer) Commit() error {
	defer w.Abort()
	if err := w.flush(true); err != nil {
		return err
	}
	err := w.db.Close()
	w.db = nil
	if err != nil {
		return fmt.Errorf("%s: %w", w.dir, err)
	}
	if err := free(w.dir, w.replace); err != nil {
		return err
	}
	// The folders change places in one step where the system can do that, and Abort
	// removes the old one. Elsewhere it is moved aside first.
	if err := exchange(w.temp, w.dir); err == nil {
		return os.RemoveAll(w.temp)
	}
	old := w.temp + ".old"
	if err := os.Rename(w.dir, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(w.temp, w.dir); err != nil {
		return errors.Join(err, os.Rename(old, w.dir))
	}
	return os.RemoveAll(old)
}

// Abort stops writing and removes the temporary files. After Commit it does nothing.
func (w *Writer) Abort() {
	if w.db != nil {
		w.db.Close()
		w.db = nil
	}
	os.RemoveAll(w.temp)
}
