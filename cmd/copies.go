package gocaffecmd

import (
	"fmt"
	"image"
	"image/draw"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/internal/atomicfile"
)

// copyPaths makes the folder dir for files that are made of images, and returns their
// paths. They have the names of the images, with a number if an earlier one has the same
// name, and the endings that endingOf returns for those of the images. flag is that of the
// folder, for errors. "" is no folder.
func copyPaths(flag, dir string, images []string, endingOf func(string) string) ([]string, error) {
	if dir == "" {
		return nil, nil
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	// The images in that folder, by their names: a copy must not replace one.
	there, is := make(map[string]string), make(map[string]bool)
	for _, path := range images {
		folder := filepath.Dir(path)
		if _, known := is[folder]; !known {
			is[folder] = sameFile(folder, dir)
		}
		if is[folder] {
			there[filepath.Base(path)] = path
		}
	}
	var paths []string
	taken := make(map[string]bool)
	for _, path := range images {
		old := filepath.Ext(path)
		stem, ending := strings.TrimSuffix(filepath.Base(path), old), endingOf(old)
		name := stem + ending
		for i := 2; taken[name]; i++ {
			name = fmt.Sprintf("%s-%d%s", stem, i, ending)
		}
		taken[name] = true
		if from, ok := there[name]; ok {
			return nil, fmt.Errorf("%s %s: the copy of %s would replace %s; want another folder", flag, dir, path, from)
		}
		paths = append(paths, filepath.Join(dir, name))
	}
	return paths, nil
}

// sameFile reports whether two paths are those of one file that exists.
func sameFile(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}

// drawnEnding is the ending of the drawn copy of an image: JPEG stays JPEG, other formats
// become PNG.
func drawnEnding(ending string) string {
	if isJPEG(ending) {
		return ending
	}
	return ".png"
}

func isJPEG(ending string) bool {
	return slices.Contains([]string{".jpg", ".jpeg", ".jpe"}, strings.ToLower(ending))
}

// canvasOf returns a copy of an image to draw into.
func canvasOf(im *data.Image) *image.RGBA {
	canvas := image.NewRGBA(image.Rect(0, 0, im.Width, im.Height))
	draw.Draw(canvas, canvas.Rect, im.NRGBA(), image.Point{}, draw.Src)
	return canvas
}

// writeImage writes an image in the format of its name, JPEG or PNG.
func writeImage(path string, im image.Image) error {
	return atomicfile.Write(path, func(w io.Writer) error {
		if isJPEG(filepath.Ext(path)) {
			return jpeg.Encode(w, im, &jpeg.Options{Quality: 95})
		}
		return png.Encode(w, im)
	})
}
