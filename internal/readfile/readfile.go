// Package readfile opens and reads files named by users. These may also be pipes without
// a writer, endless devices, and folders.
package readfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// MaxPipe is the maximum number of bytes that Text reads from a pipe or a device.
const MaxPipe = 16 << 20

// Open opens a regular file and returns its size. Anything else is an error, without
// waiting for the other end of a pipe.
func Open(path string) (*os.File, int64, error) {
	f, info, err := open(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		f.Close()
		return nil, 0, fmt.Errorf("%s is %s, want a regular file", path, kind(info.Mode()))
	}
	return f, info.Size(), nil
}

// All reads a regular file of at most limit bytes.
func All(path string, limit int64) ([]byte, error) {
	f, size, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > limit {
		return nil, fmt.Errorf("%s has %d bytes, want at most %d", path, size, limit)
	}
	return Fill(f, path, size, nil)
}

// Fill reads the size bytes of a file from r into buf, which grows as needed.
func Fill(r io.Reader, path string, size int64, buf []byte) ([]byte, error) {
	if int64(int(size)) != size {
		return buf, fmt.Errorf("%s is too large: %d bytes", path, size)
	}
	if int64(cap(buf)) < size {
		buf = make([]byte, size)
	}
	buf = buf[:size]
	n, err := io.ReadFull(r, buf)
	var at *fs.PathError
	switch {
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		return buf, fmt.Errorf("%s became shorter while it was read: %d of %d bytes are left", path, n, size)
	case errors.As(err, &at):
		return buf, fmt.Errorf("%s: %w", path, at.Err)
	case err != nil:
		return buf, fmt.Errorf("%s: %w", path, err)
	}
	return buf, nil
}

// Text reads a text: a regular file or up to MaxPipe bytes from a pipe or a device, as in
// "--model <(program)". It stops when ctx is done, or when nothing arrives for a minute.
func Text(ctx context.Context, path string) ([]byte, error) {
	r, size, err := Stream(ctx, path, MaxPipe)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if size > 0 {
		return Fill(r, path, size, nil)
	}
	return io.ReadAll(r)
}

// Stream opens a text like Text, for reading piece by piece. From a pipe or a device at
// most limit bytes are read, and the size is 0.
func Stream(ctx context.Context, path string, limit int64) (r io.ReadCloser, size int64, err error) {
	f, info, err := open(path)
	if err != nil {
		return nil, 0, err
	}
	switch mode := info.Mode(); {
	case mode.IsRegular() && info.Size() > 0:
		return f, info.Size(), nil
	case mode.IsRegular() || mode&(fs.ModeNamedPipe|fs.ModeCharDevice) != 0: // files of /proc have size 0
		return newPipe(ctx, f, path, mode&fs.ModeNamedPipe != 0, limit), 0, nil
	default:
		f.Close()
		return nil, 0, fmt.Errorf("%s is %s, want a text file", path, kind(mode))
	}
}

// open opens a file of any kind. It does not wait for the other end of a pipe.
func open(path string) (*os.File, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|nonblock, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, absentError(path)
	}
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// An absentError is an fs.ErrNotExist with the path of the missing file and the folder to
// which it is relative. The path is quoted to make blanks at its ends visible.
type absentError string

func (e absentError) Error() string {
	path := string(e)
	if filepath.IsAbs(path) {
		return fmt.Sprintf("%q: no such file", path)
	}
	directory, err := os.Getwd()
	if err != nil {
		return fmt.Sprintf("%q: no such file (the working directory is gone: %v)", path, err)
	}
	return fmt.Sprintf("%q: no such file (working directory %s)", path, directory)
}

func (absentError) Unwrap() error { return fs.ErrNotExist }

// kind describes a file that is not a regular one.
func kind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "not a file"
}
