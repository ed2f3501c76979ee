package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A file is one of an archive or a package.
type file struct {
	name string // in the archive, with slashes
	path string
	mode os.FileMode
}

// label is the beginning of the names of a platform's files.
func (r *release) label(goos, goarch string) string {
	return fmt.Sprintf("gocaffe_%s_%s_%s", strings.TrimPrefix(r.name, "v"), goos, goarch)
}

// archive writes a platform's archive: zip for Windows, tar.gz for others.
func (r *release) archive(goos, goarch string, files []file) error {
	label := r.label(goos, goarch)
	write, ending := writeTar, ".tar.gz"
	if goos == "windows" {
		write, ending = writeZip, ".zip"
	}
	return create(filepath.Join(r.out, label+ending), func(w io.Writer) error {
		return write(w, label+"/", files, r.date)
	})
}

// create writes a file by a function.
func create(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// writeTar writes files below a folder, as root's and of one date.
func writeTar(w io.Writer, folder string, files []file, date time.Time) error {
	compressed, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(compressed)
	for _, f := range files {
		data, err := os.ReadFile(f.path)
		if err != nil {
			return err
		}
		header := &tar.Header{Name: folder + f.name, Size: int64(len(data)), Mode: int64(f.mode), ModTime: date, Uname: "root", Gname: "root"}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := archive.Write(data); err != nil {
			return err
		}
	}
	return errors.Join(archive.Close(), compressed.Close())
}

// writeZip writes files below a folder.
func writeZip(w io.Writer, folder string, files []file, date time.Time) error {
	archive := zip.NewWriter(w)
	for _, f := range files {
		header := &zip.FileHeader{Name: folder + f.name, Method: zip.Deflate, Modified: date}
		header.SetMode(f.mode)
		entry, err := archive.CreateHeader(header)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(f.path)
		if err != nil {
			return err
		}
		if _, err := entry.Write(data); err != nil {
			return err
		}
	}
	return archive.Close()
}

// writeSums writes SHA256SUMS of the files in a folder, for sha256sum -c, and
// returns its text.
func writeSums(dir string) (string, error) {
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return "", err
	}
	var sums strings.Builder
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(data), e.Name())
	}
	return sums.String(), os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(sums.String()), 0o666)
}
