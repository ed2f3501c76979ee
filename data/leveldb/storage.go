package leveldb

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/syndtr/goleveldb/leveldb/storage"
)

// A folder is the read-only storage of a database. It locks and writes nothing, so any
// number of processes can read a database at once, and its files can be read-only.
type folder string

var _ storage.Storage = folder("")

var errReadOnly = errors.New("the database is opened for reading")

// unlocked is the lock of a folder, which does nothing.
type unlocked struct{}

func (unlocked) Unlock() {}

func (folder) Lock() (storage.Locker, error)                   { return unlocked{}, nil }
func (folder) Log(string)                                      {}
func (folder) SetMeta(storage.FileDesc) error                  { return errReadOnly }
func (folder) Create(storage.FileDesc) (storage.Writer, error) { return nil, errReadOnly }
func (folder) Remove(storage.FileDesc) error                   { return errReadOnly }
func (folder) Rename(_, _ storage.FileDesc) error              { return errReadOnly }
func (folder) Close() error                                    { return nil }

// GetMeta returns the manifest that the file CURRENT names.
func (f folder) GetMeta() (storage.FileDesc, error) {
	text, err := os.ReadFile(filepath.Join(string(f), current))
	if err != nil {
		return storage.FileDesc{}, err
	}
	fd, ok := parse(strings.TrimSuffix(string(text), "\n"))
	if !ok || fd.Type != storage.TypeManifest || !strings.HasSuffix(string(text), "\n") {
		return storage.FileDesc{}, fmt.Errorf("the file %s contains %.40q, want the name of a manifest", current, text)
	}
	return fd, nil
}

// List returns the files of the given types.
func (f folder) List(types storage.FileType) ([]storage.FileDesc, error) {
	entries, err := os.ReadDir(string(f))
	if err != nil {
		return nil, err
	}
	var list []storage.FileDesc
	for _, e := range entries {
		if fd, ok := parse(e.Name()); ok && fd.Type&types != 0 {
			list = append(list, fd)
		}
	}
	return list, nil
}

// Open opens a file. Tables of LevelDB before 1.14 end in .sst.
func (f folder) Open(fd storage.FileDesc) (storage.Reader, error) {
	name := ""
	switch fd.Type {
	case storage.TypeManifest:
		name = fmt.Sprintf("MANIFEST-%06d", fd.Num)
	case storage.TypeJournal:
		name = fmt.Sprintf("%06d.log", fd.Num)
	case storage.TypeTable:
		name = fmt.Sprintf("%06d.ldb", fd.Num)
	default:
		return nil, fmt.Errorf("file %d of type %v does not belong to a database", fd.Num, fd.Type)
	}
	file, err := os.Open(filepath.Join(string(f), name))
	if errors.Is(err, fs.ErrNotExist) && fd.Type == storage.TypeTable {
		file, err = os.Open(filepath.Join(string(f), fmt.Sprintf("%06d.sst", fd.Num)))
	}
	if err != nil {
		return nil, err // not file: the interface would not be nil
	}
	return file, nil
}

// parse returns the number and the type of a file with the given name.
func parse(name string) (fd storage.FileDesc, ok bool) {
	number, kind := name, ""
	if rest, is := strings.CutPrefix(name, "MANIFEST-"); is {
		number, kind = rest, "manifest"
	} else if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
		number, kind = name[:dot], name[dot+1:]
	}
	n, err := strconv.ParseUint(number, 10, 63)
	if err != nil {
		return fd, false
	}
	fd.Num = int64(n)
	switch kind {
	case "manifest":
		fd.Type = storage.TypeManifest
	case "log":
		fd.Type = storage.TypeJournal
	case "ldb", "sst":
		fd.Type = storage.TypeTable
	default:
		return fd, false
	}
	return fd, true
}
