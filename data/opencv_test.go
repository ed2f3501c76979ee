package data

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

var modes = map[string]Mode{"native": Native, "color": Color, "gray": Gray}

// TestOpenCV compares images of all formats with what OpenCV has read of them, to the
// bit. testdata/images/make.py has made both.
func TestOpenCV(t *testing.T) {
	dir := filepath.Join("testdata", "images")
	compareOpenCV(t, dir, filepath.Join(dir, "expected.txt"))
}

// compareOpenCV compares the images of a folder with a list of what OpenCV reads.
func compareOpenCV(t *testing.T, dir, list string) {
	t.Helper()
	f, err := os.Open(list)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	compared := 0
	var im Image // whose storage is reused
	for lines.Scan() {
		word := strings.Fields(lines.Text())
		name, mode := word[0], word[1]
		file, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		err = im.Decode(file, modes[mode])
		got := fmt.Sprintf("%d %d %d %x", im.Width, im.Height, im.Channels, im.Pix)
		want := strings.Join(word[2:], " ")
		switch {
		case want == "none" || want == "deep":
			if err == nil {
				t.Errorf("%s, %s: OpenCV gives %s", name, mode, want)
			}
		case err != nil:
			t.Errorf("%s, %s: %v", name, mode, err)
		case got != want:
			t.Errorf("%s, %s: got\n%s\nwant\n%s", name, mode, differing(got, want), differing(want, got))
		}
		compared++
	}
	if err := lines.Err(); err != nil || compared < 30 {
		t.Errorf("%d images were compared, error %v", compared, err)
	}
}

// differing returns a, from shortly before it differs from b.
func differing(a, b string) string {
	at := 0
	for at < min(len(a), len(b)) && a[at] == b[at] {
		at++
	}
	from := max(0, at-20)
	return fmt.Sprintf("at %d: ...%.80s", at, a[from:])
}

// TestInstalledOpenCV runs make.py's reading with the OpenCV of this machine, if it has
// one for Python, on images that Go's encoders write.
func TestInstalledOpenCV(t *testing.T) {
	python := ""
	for _, p := range []string{"python3", "/usr/bin/python3", "/usr/bin/python3.11"} {
		if exec.Command(p, "-c", "import cv2, numpy").Run() == nil {
			python = p
			break
		}
	}
	if python == "" {
		t.Skip("SKIPPED: there is no OpenCV for Python to compare with (apt-get install python3-opencv)")
	}
	dir := t.TempDir()
	writeSamples(t, dir)
	script, err := filepath.Abs(filepath.Join("testdata", "images", "make.py"))
	if err != nil {
		t.Fatal(err)
	}
	run := exec.Command(python, "-c", "import sys; sys.path.insert(0, sys.argv[1]); import make; make.expect()", filepath.Dir(script))
	run.Dir = dir
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	compareOpenCV(t, dir, filepath.Join(dir, "expected.txt"))
}

// writeSamples writes images of several kinds and sizes, and cuts JPEG files short.
func writeSamples(t *testing.T, dir string) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	write := func(name string, encode func(io.Writer) error) []byte {
		var b bytes.Buffer
		if err := errors.Join(encode(&b), os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644)); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for i, size := range []image.Point{{1, 1}, {5, 3}, {16, 16}, {33, 47}, {100, 31}} {
		area := image.Rectangle{Max: size}
		rgba, nrgba, deep, gray := image.NewRGBA(area), image.NewNRGBA(area), image.NewNRGBA64(area), image.NewGray(area)
		for y := range size.Y {
			for x := range size.X {
				c := color.NRGBA{byte(3*x + r.IntN(30)), byte(5*y + r.IntN(30)), byte(x*y + r.IntN(30)), byte(r.Uint32())}
				nrgba.Set(x, y, c)
				gray.Set(x, y, c)
				c.A = 255
				rgba.Set(x, y, c)
				deep.Set(x, y, color.NRGBA64{uint16(r.Uint32()), uint16(r.Uint32()), uint16(r.Uint32()), uint16(r.Uint32())})
			}
		}
		kinds := map[string]image.Image{"rgba": rgba, "nrgba": nrgba, "deep": deep, "gray": gray}
		for _, kind := range slices.Sorted(maps.Keys(kinds)) { // in this order, the cuts are the same in every run
			img := kinds[kind]
			name := fmt.Sprintf("%s%d", kind, i)
			write(name+".png", func(w io.Writer) error { return png.Encode(w, img) })
			if kind == "deep" {
				continue
			}
			write(name+".tif", func(w io.Writer) error { return tiff.Encode(w, img, &tiff.Options{Compression: tiff.Deflate}) })
			if kind != "nrgba" {
				write(name+".bmp", func(w io.Writer) error { return bmp.Encode(w, img) })
			}
			for _, quality := range []int{30, 75, 100} {
				name := fmt.Sprintf("%s_%d", name, quality)
				whole := write(name+".jpg", func(w io.Writer) error { return jpeg.Encode(w, img, &jpeg.Options{Quality: quality}) })
				from := bytes.Index(whole, []byte{0xff, 0xda}) + 20
				write(name+"_cut.jpg", func(w io.Writer) error {
					_, err := w.Write(whole[:from+r.IntN(max(1, len(whole)-from))])
					return err
				})
			}
		}
	}
}
