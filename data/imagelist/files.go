package imagelist

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/gocaffe/gocaffe/internal/atomicfile"
	"github.com/gocaffe/gocaffe/internal/readfile"
)

// Files are files that can be read by name, from several goroutines.
type Files interface {
	// ReadFile reads a file into buf, which grows as needed.
	ReadFile(name string, buf []byte) ([]byte, error)
	// Close closes the folder or archive and removes what was unpacked of it.
	Close() error
}

// unpacked begins the names of temporary files.
const unpacked = "unpacked"

// Open opens a folder or a tar archive, which may be gzipped. A gzipped archive is
// unpacked to a temporary file in the folder scratch, which Close removes. Those that
// killed processes have left there are removed first.
func Open(ctx context.Context, root, scratch string) (Files, error) {
	atomicfile.Clean(filepath.Join(scratch, unpacked))
	if info, err := os.Stat(root); err == nil && info.IsDir() {
		return Folder(root), nil
	}
	return openArchive(ctx, root, scratch)
}

// A Folder implements Files for a folder.
type Folder string

// ReadFile reads a file in the folder.
func (d Folder) ReadFile(name string, buf []byte) ([]byte, error) {
	return ReadFile(filepath.Join(string(d), filepath.FromSlash(name)), buf)
}

// Close does nothing.
func (Folder) Close() error { return nil }

// ReadFile reads a file into buf, which grows as needed.
func ReadFile(name string, buf []byte) ([]byte, error) {
	f, size, err := readfile.Open(name)
	if err != nil {
		return buf, err
	}
	defer f.Close()
	return readfile.Fill(f, name, size, buf)
}

// archive is an uncompressed tar file with the positions of the files in it.
type archive struct {
	name      string
	file      *os.File
	temporary bool
	entries   map[string]entry
}

type entry struct{ offset, size int64 }

func openArchive(ctx context.Context, name, scratch string) (_ Files, err error) {
	f, _, err := readfile.Open(name)
	if err != nil {
		return nil, err
	}
	a := &archive{name: name, file: f, entries: make(map[string]entry)}
	defer func() {
		if err != nil {
			a.Close()
		}
	}()
	start := make([]byte, 2)
	if _, err := f.ReadAt(start, 0); err != nil && err != io.EOF {
		return nil, err
	}
	if bytes.Equal(start, []byte{0x1f, 0x8b}) {
		if err := a.unpack(ctx, scratch); err != nil {
			return nil, err
		}
	}
	if err := a.index(ctx); err != nil {
		return nil, err
	}
	if len(a.entries) == 0 {
		return nil, fmt.Errorf("%s: no files in the tar archive", name)
	}
	return a, nil
}

// index finds the files and checks that the archive is complete.
func (a *archive) index(ctx context.Context) error {
	t := tar.NewReader(a.file)
	last := int64(0) // where the content of the last file ends
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		header, err := t.Next()
		if err == io.EOF {
			return a.checkEnd(last)
		}
		if err != nil {
			return fmt.Errorf("%s: not a tar archive, or damaged: %w", a.name, err)
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		for record := range header.PAXRecords {
			if strings.HasPrefix(record, "GNU.sparse.") {
				return fmt.Errorf("%s: %s is stored as a sparse file, which is not supported: make the archive without --sparse", a.name, header.Name)
			}
		}
		offset, err := a.file.Seek(0, io.SeekCurrent) // the reader does not read ahead
		if err != nil {
			return err
		}
		a.entries[path.Clean(header.Name)] = entry{offset, header.Size}
		last = offset + header.Size
	}
}

// checkEnd fails unless a block of zeros was read at the end of the archive and only
// zeros follow. An archive without that block may have been cut short between two
// files. last is where the content of the last file ends.
func (a *archive) checkEnd(last int64) error {
	const block = 512
	at, err := a.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	zeros := true
	if at -= block; at >= last {
		_, err = a.file.Seek(at, io.SeekStart)
		for buf := make([]byte, 1<<16); err == nil && zeros; {
			var n int
			n, err = a.file.Read(buf)
			zeros = len(bytes.Trim(buf[:n], "\x00")) == 0
		}
	}
	switch {
	case err != nil && err != io.EOF:
		return err
	case at < last:
		return fmt.Errorf("%s: the tar archive has no end mark: is it cut short?", a.name)
	case !zeros:
		return fmt.Errorf("%s: the tar archive has no end mark, or something after it: is it cut short, or two in one?", a.name)
	}
	return nil
}

// unpack replaces the gzip file by a temporary file with its content.
func (a *archive) unpack(ctx context.Context, scratch string) error {
	packed := a.file
	defer packed.Close()
	z, err := gzip.NewReader(bufio.NewReaderSize(packed, 1<<20))
	if err != nil {
		return fmt.Errorf("%s: %w", a.name, err)
	}
	if a.file, err = os.CreateTemp(scratch, atomicfile.TempPattern(unpacked)); err != nil {
		return err
	}
	a.temporary = true
	os.Remove(a.file.Name()) // the file lives until it is closed, where the system allows that
	if _, err := io.Copy(a.file, contextReader{ctx, z}); err != nil {
		return fmt.Errorf("%s: %w", a.name, err)
	}
	_, err = a.file.Seek(0, io.SeekStart)
	return err
}

// contextReader fails when the context is done.
type contextReader struct {
	ctx context.Context
	in  io.Reader
}

func (r contextReader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.in.Read(b)
}

// ReadFile reads a file of the archive.
func (a *archive) ReadFile(name string, buf []byte) ([]byte, error) {
	e, ok := a.entries[path.Clean(filepath.ToSlash(name))]
	if !ok {
		return buf, absentError{a.name, name}
	}
	info, err := a.file.Stat()
	if err != nil {
		return buf, err
	}
	if e.size > info.Size()-e.offset {
		return buf, fmt.Errorf("%s: the archive ends within %s, which has %d bytes: is it cut short?", a.name, name, e.size)
	}
	return readfile.Fill(io.NewSectionReader(a.file, e.offset, e.size), name, e.size, buf)
}

// An absentError is the fs.ErrNotExist of a file in an archive.
type absentError struct{ archive, name string }

func (e absentError) Error() string { return fmt.Sprintf("%q: no such file in %s", e.name, e.archive) }

func (absentError) Unwrap() error { return fs.ErrNotExist }

// Close closes the archive and removes the temporary file.
func (a *archive) Close() error {
	err := a.file.Close()
	if a.temporary {
		os.Remove(a.file.Name())
	}
	return err
}
