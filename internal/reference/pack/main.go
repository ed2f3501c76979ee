// Pack writes the sets of golden values in the folder SHARED to zip files:
//
//	go run ./internal/reference/pack SHARED
//
// It does not change sets that SHARED lacks, nor zip files with up-to-date contents,
// since different versions of Go may compress the same contents to different bytes.
package main

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// sets are the folders to pack, by kind. The nets, 9 MB of weights that hardly compress,
// are useful only for tests with the images of MNIST.
var sets = map[string][]string{
	"golden":       {"formats", "layers", "solvers"},
	"golden-forks": {"layers-misc", "layers-normface", "layers-pspnet", "layers-rcnn", "layers-segnet", "layers-ssd", "layers-yolo"},
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./internal/reference/pack SHARED")
		os.Exit(2)
	}
	for kind, names := range sets {
		for _, name := range names {
			if err := update(filepath.Join(os.Args[1], kind, name), filepath.Join("internal", "reference", "testdata", kind, name+".zip")); err != nil {
				fmt.Fprintln(os.Stderr, "pack:", err)
				os.Exit(1)
			}
		}
	}
}

// update packs a folder unless the zip file already has its contents.
func update(dir, file string) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		fmt.Printf("%s: left alone, there is no folder %s\n", filepath.ToSlash(file), dir)
		return nil
	}
	var files []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		return err
	}
	if same(dir, files, file) {
		return nil
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	w.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(out, flate.BestCompression)
	})
	for _, name := range files {
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		entry, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate}) // without a time: the bytes depend on the content alone
		if err != nil {
			return err
		}
		if _, err := entry.Write(data); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	fmt.Printf("%s: %d files, %d bytes\n", filepath.ToSlash(file), len(files), b.Len())
	return os.WriteFile(file, b.Bytes(), 0o666)
}

// same reports whether the zip file contains exactly these files.
func same(dir string, files []string, file string) bool {
	z, err := zip.OpenReader(file)
	if err != nil {
		return false
	}
	defer z.Close()
	if len(z.File) != len(files) {
		return false
	}
	for _, name := range files {
		want, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			return false
		}
		got, err := fs.ReadFile(z, path.Clean(name))
		if err != nil || !bytes.Equal(got, want) {
			return false
		}
	}
	return true
}
