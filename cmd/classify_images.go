package gocaffecmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/gocaffe/gocaffe/internal/readfile"
)

// imageEndings are the endings of the files that are taken of a folder.
var imageEndings = []string{".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".pbm", ".pgm", ".ppm", ".pnm"}

// images returns the paths that the arguments and --list name, in their order.
func (f *classifyFlags) images(ctx context.Context, args []string) ([]string, error) {
	var paths []string
	for _, arg := range args {
		some, err := imagesOf(arg)
		if err != nil {
			return nil, err
		}
		paths = append(paths, some...)
	}
	if f.list != "" {
		some, err := listedImages(ctx, f.list, f.root)
		if err != nil {
			return nil, err
		}
		paths = append(paths, some...)
	} else if f.root != "" {
		return nil, errors.New("--root is for the paths of --list, which is not given")
	}
	if len(paths) == 0 {
		return nil, errors.New("classify: there are no images: want files, folders, patterns, or --list FILE")
	}
	return paths, nil
}

// imagesOf returns the images that an argument names: a file, those in a folder, or
// those that match a pattern.
func imagesOf(arg string) ([]string, error) {
	info, err := os.Stat(arg)
	switch {
	case err == nil && info.IsDir():
		return imagesIn(arg)
	case err == nil || !strings.ContainsAny(arg, "*?["):
		return []string{arg}, nil // what is wrong with a file is said when it is read
	}
	paths, err := filepath.Glob(arg)
	if err != nil {
		return nil, fmt.Errorf("the pattern %q: %w", arg, err)
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("no file matches %q", arg)
	}
	return paths, nil
}

// imagesIn returns the image files in a folder, by their names.
func imagesIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		if !e.IsDir() && slices.Contains(imageEndings, strings.ToLower(filepath.Ext(e.Name()))) {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s: the folder has no images (files that end in %s)", dir, strings.Join(imageEndings, ", "))
	}
	return paths, nil
}

// listedImages returns the paths of a list, joined to the folder root. A number after a
// path is a label, as in the lists of gocaffe convert, unless the file is called so.
func listedImages(ctx context.Context, list, root string) ([]string, error) {
	text, err := readfile.Text(ctx, list)
	if err != nil {
		return nil, err
	}
	var paths []string
	for line := range strings.Lines(strings.TrimPrefix(string(text), "\ufeff")) {
		line = strings.TrimRight(line, " \t\r\n")
		if line == "" {
			continue
		}
		path := filepath.Join(root, line)
		if at := strings.LastIndexAny(line, " \t"); at > 0 {
			_, notNumber := strconv.ParseFloat(line[at+1:], 64)
			if _, err := os.Stat(path); notNumber == nil && errors.Is(err, fs.ErrNotExist) {
				path = filepath.Join(root, strings.TrimRight(line[:at], " \t"))
			}
		}
		paths = append(paths, path)
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s: the list has no images", list)
	}
	return paths, nil
}
