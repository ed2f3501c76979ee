package convert

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gocaffe/gocaffe/internal/reference"
)

// TestImageset makes the databases of commands.txt and compares them with those
// that Caffe's convert_imageset made: the same bytes, but for what comes from
// JPEG, which is 2 of 255 off at most, and encoded images, whose pixels are
// the same.
func TestImageset(t *testing.T) {
	packed := packImages(t)
	for _, test := range []struct {
		name    string
		options ImagesetOptions
	}{
		{"raw", ImagesetOptions{Height: 10, Width: 12, CheckSize: true}},
		{"gray", ImagesetOptions{Height: 10, Width: 12, Gray: true}},
		{"encoded_png", ImagesetOptions{Height: 10, Width: 12, Encoded: true, EncodeType: "png"}},
		{"encoded_original", ImagesetOptions{Encoded: true}},
	} {
		want := readAll(t, reference.Golden(t, "formats/"+test.name+"_lmdb"))
		for kind, root := range map[string]string{"folder": reference.Golden(t, "formats/images"), "tar": packed[0], "tar.gz": packed[1]} {
			t.Run(test.name+"/"+kind, func(t *testing.T) {
				out := filepath.Join(t.TempDir(), "db")
				if _, _, err := Imageset(t.Context(), root, reference.Golden(t, "formats/list.txt"), out, test.options); err != nil {
					t.Fatal(err)
				}
				if left, _ := os.ReadDir(filepath.Dir(out)); len(left) != 1 {
					t.Errorf("beside the database there is more: %v", left)
				}
				got := readAll(t, out)
				if len(got) != len(want) {
					t.Fatalf("%d records, want %d", len(got), len(want))
				}
				for i := range got {
					if got[i].key != want[i].key {
						t.Fatalf("record %d has key %s, want %s", i, got[i].key, want[i].key)
					}
					if bytes.Equal(got[i].value, want[i].value) {
						continue
					}
					if test.name != "encoded_png" {
						t.Errorf("record %d differs from Caffe's", i)
						continue
					}
					g, w := datum(t, got[i]), datum(t, want[i]) // other encoders pack otherwise
					if g.GetLabel() != w.GetLabel() || !g.GetEncoded() || !bytes.Equal(pixelsOf(t, g), pixelsOf(t, w)) {
						t.Errorf("record %d: label %d or its pixels differ from Caffe's, label %d", i, g.GetLabel(), w.GetLabel())
					}
				}
			})
		}
	}
}

// packImages puts the golden images into a tar file and a compressed one, in
// another order than that of the list.
func packImages(t *testing.T) [2]string {
	t.Helper()
	dir := reference.Golden(t, "formats/images")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(entries)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		w.WriteHeader(&tar.Header{Name: "./" + e.Name(), Size: int64(len(content)), Mode: 0o644})
		w.Write(content)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	names := [2]string{filepath.Join(t.TempDir(), "images.tar"), filepath.Join(t.TempDir(), "images.tar.gz")}
	if err := os.WriteFile(names[0], b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(names[1], zipped(t, b.Bytes()), 0o644); err != nil {
		t.Fatal(err)
	}
	return names
}

func zipped(t *testing.T, content []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(content)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestImagesetShuffleAndEncode(t *testing.T) {
	root, list := reference.Golden(t, "formats/images"), reference.Golden(t, "formats/list.txt")
	out := filepath.Join(t.TempDir(), "db")
	make := func(o ImagesetOptions) []record {
		o.Replace = true
		if _, _, err := Imageset(t.Context(), root, list, out, o); err != nil {
			t.Fatal(err)
		}
		return readAll(t, out)
	}
	plain := make(ImagesetOptions{Height: 8, Width: 8})
	shuffled := make(ImagesetOptions{Height: 8, Width: 8, Shuffle: true, Seed: 1})
	moved := 0
	byPath := func(r record) string { return r.key[9:] }
	values := map[string][]byte{}
	for _, r := range plain {
		values[byPath(r)] = r.value
	}
	for i, r := range shuffled {
		if !bytes.Equal(values[byPath(r)], r.value) {
			t.Errorf("the image of %s has changed", r.key)
		}
		if byPath(r) != byPath(plain[i]) {
			moved++
		}
		if r.key[:8] != fmt.Sprintf("%08d", i) {
			t.Errorf("record %d has key %s", i, r.key)
		}
	}
	if moved < 40 || len(shuffled) != 60 {
		t.Errorf("%d of %d images have moved", moved, len(shuffled))
	}
	// EncodeType alone means encoded; a PNG made into a JPEG is close to what it was
	for i, r := range make(ImagesetOptions{EncodeType: "jpg", Gray: true})[:3] {
		d := datum(t, r)
		if !d.GetEncoded() || !bytes.HasPrefix(d.GetData(), []byte{0xff, 0xd8}) {
			t.Fatalf("record %d is not a JPEG", i)
		}
	}
}

func TestImagesetErrors(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "bad.png"), []byte("\x89PNG\r\n\x1a\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	golden := reference.Golden(t, "formats/images")
	list := filepath.Join(root, "list.txt")
	out := filepath.Join(root, "out", "db")
	for _, test := range []struct {
		root, list string
		options    ImagesetOptions
		want       string
	}{
		{root, "bad.png 3\n", ImagesetOptions{}, `list.txt:1: "bad.png": cannot decode`},
		{root, "absent.png 3\n", ImagesetOptions{}, `list.txt:1: "` + root + `/absent.png": no such file`},
		{root, "p.png 0 1 3\n", ImagesetOptions{}, `the line has 3 labels, one is expected; a database of labels (--label-db) holds several, and any numbers: "`},
		{root, "bad.png three\n", ImagesetOptions{}, `list.txt:1: label "three", want a whole number`},
		{root, "bad.png 1\n\nnolabel\n", ImagesetOptions{}, `list.txt:3: got "nolabel", want a path, a space and a label`},
		{root, "", ImagesetOptions{}, "list.txt: the list has no images"},
		{golden, "colour00.png 1\ncolour01.png 1\n", ImagesetOptions{CheckSize: true}, "another is 3 x "},
		{golden, "colour00.png 1\n", ImagesetOptions{Height: 3}, "resize height 3 and width 0, want both or none"},
		{golden, "colour00.png 1\n", ImagesetOptions{EncodeType: "tiff"}, `encode type "tiff", want png or jpg`},
		{filepath.Join(root, "bad.png"), "x 1\n", ImagesetOptions{}, "bad.png: not a tar archive"},
		{filepath.Join(root, "nowhere"), "x 1\n", ImagesetOptions{}, `/nowhere": no such file`},
		{golden, "colour00.png 1 2\n", ImagesetOptions{Labels: 2}, "2 labels for each image, want 1, or more with a database for labels"},
		{golden, "colour00.png 1 2\n", ImagesetOptions{LabelDB: root + "/out/./db"}, "is the database for images and the one for labels, want two"},
		{golden, "colour00.png 1 x\n", ImagesetOptions{LabelDB: root + "/out/labels", Labels: 2}, `label "x", want a number`},
	} {
		if err := os.WriteFile(list, []byte(test.list), 0o644); err != nil {
			t.Fatal(err)
		}
		_, _, err := Imageset(t.Context(), test.root, list, out, test.options)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want one line with %q", err, test.want)
		}
		if left, _ := os.ReadDir(filepath.Dir(out)); len(left) > 0 {
			t.Fatalf("%q left %v behind", test.want, left)
		}
	}
}

// TestLabelDB writes several labels for each image to a database of their own, under
// the keys of the images, in the order of these.
func TestLabelDB(t *testing.T) {
	golden, dir := reference.Golden(t, "formats/images"), t.TempDir()
	list, out, labels := filepath.Join(dir, "list.txt"), filepath.Join(dir, "db"), filepath.Join(dir, "labels")
	const text = "colour00.png 1 0.5 -7\nabsent.png 2 0 0\ncolour01.png 3 1e10 0\ncolour02.png 16777216 0 0\n"
	if err := os.WriteFile(list, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	want := map[string][]float32{"colour00.png": {1, 0.5, -7}, "colour01.png": {3, 1e10, 0}, "colour02.png": {16777216, 0, 0}}
	for seed := range uint64(5) {
		o := ImagesetOptions{Options: Options{Replace: true}, LabelDB: labels, Shuffle: seed > 0, Seed: seed, MaxBad: 0.25, Skipped: func(error) {}}
		if _, _, err := Imageset(t.Context(), golden, list, out, o); err != nil {
			t.Fatal(err)
		}
		images, records := readAll(t, out), readAll(t, labels)
		if len(images) != 3 || len(records) != 3 {
			t.Fatalf("%d images and %d records of labels, want 3", len(images), len(records))
		}
		for i, r := range records {
			d := datum(t, r)
			if r.key != images[i].key || !slices.Equal(d.GetFloatData(), want[r.key[9:]]) || d.GetChannels() != 3 || d.GetHeight() != 1 || d.GetWidth() != 1 {
				t.Errorf("record %d: key %s has %v, want the key %s with %v", i, r.key, d, images[i].key, want[r.key[9:]])
			}
			if label := datum(t, images[i]).GetLabel(); label != 0 {
				t.Errorf("image %d has label %d, want 0", i, label)
			}
		}
	}
	// When too many images are bad, both databases stay.
	o := ImagesetOptions{Options: Options{Replace: true}, LabelDB: labels, Labels: 1, Skipped: func(error) {}}
	if _, _, err := Imageset(t.Context(), golden, list, out, o); err == nil {
		t.Fatal("images that cannot be read are no error")
	}
	if len(readAll(t, labels)) != 3 || datum(t, readAll(t, labels)[0]).GetChannels() != 3 {
		t.Error("the database of labels has changed")
	}
	if left, _ := filepath.Glob(filepath.Join(labels, ".*")); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}

// TestImagesetLeavesOut has images that cannot be read, few and many of them.
func TestImagesetLeavesOut(t *testing.T) {
	golden := reference.Golden(t, "formats/images")
	dir := t.TempDir()
	list, out := filepath.Join(dir, "list.txt"), filepath.Join(dir, "db")
	run := func(text string, o ImagesetOptions) (skipped, leftOut, total int, err error) {
		if err := os.WriteFile(list, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		o.Skipped = func(error) {
			mu.Lock()
			defer mu.Unlock()
			skipped++
		}
		leftOut, total, err = Imageset(t.Context(), golden, list, out, o)
		return skipped, leftOut, total, err
	}
	const some = "colour00.png 1\nabsent.png 2\ncolour01.png 3\n"
	if _, _, _, err := run(some, ImagesetOptions{MaxBad: 0.33}); err == nil || err.Error() != out+" was not written: 1 of 3 images were left out, more than 33 %" {
		t.Errorf("with 33 %%: %v", err)
	}
	if _, err := os.Stat(out); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s: %v, want nothing", out, err)
	}
	if skipped, leftOut, total, err := run(some, ImagesetOptions{MaxBad: 0.34}); err != nil || skipped != 1 || leftOut != 1 || total != 3 {
		t.Errorf("with 34 %%: skipped %d, left out %d of %d, %v", skipped, leftOut, total, err)
	}
	check := func() {
		t.Helper()
		if got := readAll(t, out); len(got) != 2 || got[1].key != "00000002_colour01.png" {
			t.Errorf("the database has %d records, want colour00.png and colour01.png", len(got))
		}
	}
	check()
	// A database that is there stays, unless another may take its place and is whole.
	if _, _, _, err := run(some, ImagesetOptions{MaxBad: 1}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a database: %v, want fs.ErrExist", err)
	}
	check()
	replace := Options{Replace: true}
	for _, test := range []struct {
		text   string
		maxBad float64
		want   string
	}{
		{"absent.png 2\n", 1, "1 of 1 images were left out"},
		{"absent.png 2\ncolour00.png 1\n", 0, "1 of 2 images were left out, more than 0 %"},
		{some, -0.1, "the share of images that may be left out is -0.1, want 0 to 1"},
		{some, math.NaN(), "the share of images that may be left out is NaN, want 0 to 1"},
	} {
		_, _, _, err := run(test.text, ImagesetOptions{Options: replace, MaxBad: test.maxBad})
		if err == nil || !strings.HasSuffix(err.Error(), test.want) {
			t.Errorf("%q: got %v, want %s", test.text, err, test.want)
		}
		check()
		if left, _ := filepath.Glob(filepath.Join(out, ".*")); len(left) > 0 {
			t.Errorf("%q left %v", test.text, left)
		}
	}
	if _, _, _, err := run("colour02.png 2\n", ImagesetOptions{Options: replace}); err != nil || len(readAll(t, out)) != 1 {
		t.Errorf("replaced: %v, %d records, want 1", err, len(readAll(t, out)))
	}
}
