// Package atomicfile writes files that are either complete or absent.
//
// A file is written under a temporary name in its final folder, synced to the disk
// and renamed. Temporary names contain the machine and the process, which allows
// Clean to remove the files of killed processes.
package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A File is being written under a temporary name. Commit gives it its final name,
// Abort removes it; call one of them.
type File struct {
	path string
	file *os.File // nil after Commit or Abort
}

// Create starts writing the file path. An existing file is unchanged until Commit.
// Create removes temporary files of path left by killed processes.
func Create(path string) (*File, error) {
	Clean(path)
	err := failing(OpCreate, path)
	var f *os.File
	if err == nil {
		f, err = os.CreateTemp(filepath.Dir(path), TempPattern(filepath.Base(path)))
	}
	if err != nil {
		return nil, named(path, err)
	}
	return &File{path: path, file: f}, nil
}

// Temp returns the temporary name, for libraries that write files themselves. It is
// valid until Commit or Abort. They call BeforeWrite before each write, and what it
// returns is the error of the write: tests let writes fail there.
func (f *File) Temp() string { return f.file.Name() }

// BeforeWrite is described at Temp.
func (f *File) BeforeWrite() error { return named(f.path, failing(OpWrite, f.path)) }

// Write appends p.
func (f *File) Write(p []byte) (int, error) {
	if err := failing(OpWrite, f.path); err != nil {
		n, _ := f.file.Write(p[:len(p)/2]) // a full disk takes a part
		return n, named(f.path, err)
	}
	n, err := f.file.Write(p)
	return n, named(f.path, err)
}

// WriteAt writes p at an offset.
func (f *File) WriteAt(p []byte, offset int64) (int, error) {
	err := failing(OpWrite, f.path)
	n := 0
	if err == nil {
		n, err = f.file.WriteAt(p, offset)
	}
	return n, named(f.path, err)
}

// Commit syncs the file and gives it its final name, replacing any existing file. If
// it fails, it removes the file and leaves an existing one unchanged.
func (f *File) Commit() error {
	temp := f.file.Name()
	steps := []struct {
		op Op
		do func() error
	}{
		{OpSync, func() error { return errors.Join(f.file.Chmod(0o644), f.file.Sync()) }},
		{OpClose, f.file.Close},
		{OpRename, func() error { return os.Rename(temp, f.path) }},
	}
	for _, s := range steps {
		err := failing(s.op, f.path)
		if err == nil {
			err = s.do()
		}
		if err != nil {
			f.Abort()
			return named(f.path, err)
		}
	}
	f.file = nil
	// The file has its final name now, and the old one is gone. That the rename may
	// not survive a power failure does not make it a failure.
	_ = syncDir(filepath.Dir(f.path))
	return nil
}

// Abort removes the file. After Commit it does nothing.
func (f *File) Abort() {
	if f.file == nil {
		return
	}
	f.file.Close() // harmless if it is closed
	os.Remove(f.file.Name())
	f.file = nil
}

// Write creates the file path with the output of write. If anything fails, an
// existing file is unchanged, and the error names path.
func Write(path string, write func(io.Writer) error) error {
	f, err := Create(path)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(f, 1<<20)
	if err = write(buffered); err == nil {
		err = buffered.Flush()
	}
	if err != nil {
		f.Abort()
		return named(path, err)
	}
	return f.Commit()
}

// WriteBytes is Write for bytes in memory.
func WriteBytes(path string, data []byte) error {
	return Write(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// named returns an error with the final name of the file instead of the temporary
// one.
func named(path string, err error) error {
	if err == nil {
		return nil
	}
	var pe *fs.PathError
	var le *os.LinkError
	switch {
	case errors.As(err, &pe) && pe.Path == path:
		return err
	case errors.As(err, &pe):
		err = pe.Err
	case errors.As(err, &le):
		err = le.Err
	}
	return &fs.PathError{Op: "write", Path: path, Err: err}
}

// Temporary names are .NAME.hMACHINE.pPROCESS.RANDOM.tmp.
const tempEnd = ".tmp"

// TempPattern returns a pattern for os.CreateTemp and os.MkdirTemp. Clean removes
// such a temporary file or folder together with those of the file base.
func TempPattern(base string) string {
	return fmt.Sprintf(".%s.h%08x.p%d.*%s", base, machine(), os.Getpid(), tempEnd)
}

// machine returns a number for this machine: several machines may share a folder,
// and process numbers are valid on one machine only.
func machine() uint32 {
	name, _ := os.Hostname()
	h := fnv.New32a()
	io.WriteString(h, name)
	return h.Sum32()
}

// Clean removes the temporary files and folders that ended processes left for
// files whose paths begin with prefix. It ignores failures to remove one.
func Clean(prefix string) {
	dir, base := filepath.Split(prefix)
	entries, err := os.ReadDir(filepath.Clean(dir + "."))
	if err != nil {
		return
	}
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, "."+base) && abandoned(name) {
			os.RemoveAll(filepath.Join(dir, name))
		}
	}
}

// abandoned reports whether a name is that of a temporary file of this machine
// whose process has ended.
func abandoned(name string) bool {
	fields := strings.Split(name, ".")
	if len(fields) < 5 || !strings.HasSuffix(name, tempEnd) {
		return false
	}
	host, process := fields[len(fields)-4], fields[len(fields)-3]
	pid, err := strconv.Atoi(strings.TrimPrefix(process, "p"))
	return host == fmt.Sprintf("h%08x", machine()) && strings.HasPrefix(process, "p") && err == nil && !alive(pid)
}
