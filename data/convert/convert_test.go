package convert

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/data/cifar"
	"github.com/gocaffe/gocaffe/data/lmdb"
	"github.com/gocaffe/gocaffe/internal/reference"
	"google.golang.org/protobuf/proto"
)

type record struct {
	key   string
	value []byte
}

func readAll(t *testing.T, dir string) []record {
	t.Helper()
	db, err := lmdb.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var records []record
	c := db.Cursor()
	for c.Next() {
		records = append(records, record{string(c.Key()), bytes.Clone(c.Value())})
	}
	if c.Err() != nil || len(records) != db.Len() {
		t.Fatalf("%d records, want %d, error %v", len(records), db.Len(), c.Err())
	}
	return records
}

func datum(t *testing.T, r record) *caffepb.Datum {
	t.Helper()
	d := new(caffepb.Datum)
	if err := proto.Unmarshal(r.value, d); err != nil {
		t.Fatalf("key %s: %v", r.key, err)
	}
	return d
}

// TestCaffesDatabases reads Caffe's databases and compares them with their
// lists: key, shape, label, encoded, length, SHA-256.
func TestCaffesDatabases(t *testing.T) {
	for _, name := range []string{"raw", "encoded_png", "encoded_original", "gray", "idx"} {
		t.Run(name, func(t *testing.T) {
			records := readAll(t, reference.Golden(t, "formats/"+name+"_lmdb"))
			text, err := os.ReadFile(reference.Golden(t, "formats/"+name+"_lmdb.txt"))
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSpace(string(text)), "\n")[1:]
			if len(lines) != len(records) {
				t.Fatalf("%d records, want %d", len(records), len(lines))
			}
			for i, r := range records {
				var d data.Datum
				if err := d.Unmarshal(r.value); err != nil {
					t.Fatal(err)
				}
				encoded := 0
				if d.Encoded {
					encoded = 1
				}
				got := fmt.Sprintf("%s %d %d %d %d %d %d %x", r.key, d.Channels, d.Height, d.Width, d.Label, encoded, len(d.Data), sha256.Sum256(d.Data))
				if got != lines[i] {
					t.Errorf("record %d:\n got %s\nwant %s", i, got, lines[i])
				}
			}
		})
	}
}

// pixelsOf returns the pixels of an encoded record.
func pixelsOf(t *testing.T, d *caffepb.Datum) []byte {
	t.Helper()
	var img data.Image
	if err := img.Decode(d.GetData(), data.Native); err != nil {
		t.Fatal(err)
	}
	return img.Pix
}

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
					isJPEG := i%10 == 3
					if !isJPEG && test.name != "encoded_png" {
						t.Errorf("record %d differs from Caffe's", i)
						continue
					}
					g, w := datum(t, got[i]), datum(t, want[i])
					gotPixels, wantPixels := g.GetData(), w.GetData()
					if w.GetEncoded() {
						gotPixels, wantPixels = pixelsOf(t, g), pixelsOf(t, w)
					}
					off := 0
					for j := range wantPixels {
						off = max(off, int(gotPixels[j])-int(wantPixels[j]), int(wantPixels[j])-int(gotPixels[j]))
					}
					if g.GetLabel() != w.GetLabel() || g.GetEncoded() != w.GetEncoded() || len(gotPixels) != len(wantPixels) || off > 2 || off > 0 && !isJPEG {
						t.Errorf("record %d: label %d, %d bytes, off by %d; want %d and %d", i, g.GetLabel(), len(gotPixels), off, w.GetLabel(), len(wantPixels))
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
		{root, "p.png 0 1 3\n", ImagesetOptions{}, `/p.png 0 1": no such file: if the line has 3 labels, one is expected; a database of labels (--label-db) holds several, and any numbers`},
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

// TestCancelled stops conversions midway: nothing is left.
func TestCancelled(t *testing.T) {
	out := t.TempDir()
	f := reference.Golden(t, "formats")
	for name, convert := range map[string]func(context.Context, Options) error{
		"Imageset": func(ctx context.Context, o Options) error {
			_, _, err := Imageset(ctx, f+"/images", f+"/list.txt", out+"/db", ImagesetOptions{Options: o})
			return err
		},
		"IDX": func(ctx context.Context, o Options) error {
			return IDX(ctx, f+"/idx/images-idx3-ubyte", f+"/idx/labels-idx1-ubyte", out+"/db", o)
		},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		err := convert(ctx, Options{Progress: func(done, _ int) {
			if done == 20 {
				cancel()
			}
		}})
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want a cancelled context", name, err)
		}
		if left, _ := os.ReadDir(out); len(left) > 0 {
			t.Errorf("%s left %v", name, left)
		}
	}
}

func TestIDX(t *testing.T) {
	f := reference.Golden(t, "formats")
	out := filepath.Join(t.TempDir(), "db")
	last := 0
	o := Options{Progress: func(done, total int) {
		if done != last+1 || total != 60 {
			t.Errorf("progress %d of %d after %d", done, total, last)
		}
		last = done
	}}
	if err := IDX(t.Context(), f+"/idx/images-idx3-ubyte", f+"/idx/labels-idx1-ubyte", out, o); err != nil {
		t.Fatal(err)
	}
	got, want := readAll(t, out), readAll(t, f+"/idx_lmdb")
	for i := range want {
		if got[i].key != want[i].key || !bytes.Equal(got[i].value, want[i].value) {
			t.Fatalf("record %d differs from Caffe's", i)
		}
	}
	if len(got) != len(want) || last != 60 {
		t.Errorf("%d records and progress %d, want %d and 60", len(got), last, len(want))
	}
}

// TestComputeMean compares the means of Caffe's databases, and of our own, with
// those that compute_image_mean wrote.
func TestComputeMean(t *testing.T) {
	for database, mean := range map[string]string{"raw_lmdb": "mean.binaryproto", "idx_lmdb": "idx_mean.binaryproto"} {
		t.Run(database, func(t *testing.T) {
			db, err := lmdb.Open(reference.Golden(t, "formats/"+database))
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			got, err := ComputeMean(t.Context(), db, nil)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "mean")
			if err := WriteMean(file, got); err != nil {
				t.Fatal(err)
			}
			ours, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(reference.Golden(t, "formats/"+mean))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(ours, want) {
				t.Error("the file differs from Caffe's")
			}
			m, err := data.ReadMean(file)
			if err != nil {
				t.Fatal(err)
			}
			for c, v := range ChannelMeans(got) {
				var sum float64
				for _, x := range m.Data[c*m.Height*m.Width:][:m.Height*m.Width] {
					sum += float64(x)
				}
				if want := sum / float64(m.Height*m.Width); math.Abs(float64(v)-want) > 1e-3 {
					t.Errorf("channel %d: mean %g, want %g", c, v, want)
				}
			}
		})
	}
}

func TestComputeMeanRefuses(t *testing.T) {
	for name, datums := range map[string][]*caffepb.Datum{
		"no records":      nil,
		"images of one":   {raw(1, 2, 2, make([]byte, 4), 0), raw(1, 2, 3, make([]byte, 6), 0)},
		"the datum has 3": {raw(1, 2, 2, make([]byte, 3), 0)},
	} {
		dir := filepath.Join(t.TempDir(), "db")
		j := &job{}
		if err := j.makeDatabase(t.Context(), dir, len(datums), func(i int) (string, *caffepb.Datum, error) { return strconv.Itoa(i), datums[i], nil }); err != nil {
			t.Fatal(err)
		}
		db, err := lmdb.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := ComputeMean(t.Context(), db, nil); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want an error with %q", err, name)
		}
	}
}

// TestMNIST converts the real set and looks at its counts, which data/README.md
// gives.
func TestMNIST(t *testing.T) {
	out := filepath.Join(t.TempDir(), "new", "folder")
	if err := MNIST(t.Context(), reference.Data(t, "mnist"), out, Options{}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][10]int{
		"mnist_train_lmdb": {5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949},
		"mnist_test_lmdb":  {980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009},
	} {
		var got [10]int
		for i, r := range readAll(t, filepath.Join(out, name)) {
			d := datum(t, r)
			if r.key != fmt.Sprintf("%08d", i) || len(d.GetData()) != 784 || d.GetChannels() != 1 || d.GetHeight() != 28 || d.GetWidth() != 28 || d.Encoded != nil {
				t.Fatalf("%s: record %d has key %s and %d bytes", name, i, r.key, len(d.GetData()))
			}
			got[d.GetLabel()]++
		}
		if got != want {
			t.Errorf("%s: images per digit %v, want %v", name, got, want)
		}
	}
	if err := MNIST(t.Context(), t.TempDir(), out, Options{}); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "train-images-idx3-ubyte.gz") {
		t.Errorf("of an empty folder: %v, want an error that names the files", err)
	}
}

// TestCIFAR10Images converts the real set of JPEG files. Its means are known
// from another decoder.
func TestCIFAR10Images(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED with -short: 60,000 images take some seconds")
	}
	out := t.TempDir()
	if err := CIFAR10(t.Context(), reference.Data(t, "cifar10"), out, Options{}); err != nil {
		t.Fatal(err)
	}
	var counts [10]int
	records := readAll(t, filepath.Join(out, "cifar10_test_lmdb"))
	for i, r := range records {
		if r.key != fmt.Sprintf("%05d", i) {
			t.Fatalf("record %d has key %s", i, r.key)
		}
		counts[datum(t, r).GetLabel()]++
	}
	if counts != [10]int{1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000} {
		t.Errorf("images per class: %v, want 1000", counts)
	}
	file, err := os.ReadFile(filepath.Join(out, "cifar10_mean.binaryproto"))
	if err != nil {
		t.Fatal(err)
	}
	var mean caffepb.BlobProto
	if err := proto.Unmarshal(file, &mean); err != nil {
		t.Fatal(err)
	}
	for c, want := range []float64{125.27, 122.93, 113.86} { // red, green, blue
		if got := float64(ChannelMeans(&mean)[c]); math.Abs(got-want) > 0.05 {
			t.Errorf("channel %d has mean %g, want %g", c, got, want)
		}
	}
	if left, _ := os.ReadDir(out); len(left) != 3 {
		t.Errorf("the folder has %v, want two databases and the mean", left)
	}
}

// cifarFiles makes binary files of random images with labels that count up.
func cifarFiles(names []string, labels, each int) map[string][]byte {
	r := rand.New(rand.NewPCG(5, 5))
	files := make(map[string][]byte)
	n := 0
	for _, name := range names {
		var b []byte
		for range each {
			if labels == 2 {
				b = append(b, byte(n%20))
			}
			b = append(b, byte(n%10*labels))
			for range cifar.ImageSize / 4 {
				b = binary.LittleEndian.AppendUint32(b, r.Uint32())
			}
			n++
		}
		files[name] = b
	}
	return files
}

func TestCIFARBinary(t *testing.T) {
	for _, test := range []struct {
		set     cifarSet
		convert func(context.Context, string, string, Options) error
	}{{cifar10, CIFAR10}, {cifar100, CIFAR100}} {
		names := append(slices.Clone(test.set.train), test.set.test...)
		files := cifarFiles(names, test.set.labels, 7)
		for form, place := range map[string]func(dir string){
			"files": func(dir string) {
				for name, b := range files {
					os.WriteFile(filepath.Join(dir, name), b, 0o644)
				}
			},
			"archive": func(dir string) {
				var b bytes.Buffer
				w := tar.NewWriter(&b)
				slices.Reverse(names)
				for _, name := range names {
					w.WriteHeader(&tar.Header{Name: test.set.folder + "/" + name, Size: int64(len(files[name])), Mode: 0o644})
					w.Write(files[name])
				}
				slices.Reverse(names)
				w.Close()
				os.WriteFile(filepath.Join(dir, test.set.archive), zipped(t, b.Bytes()), 0o644)
			},
		} {
			t.Run(test.set.name+"/"+form, func(t *testing.T) {
				dir, out := t.TempDir(), t.TempDir()
				if err := test.convert(t.Context(), dir, out, Options{}); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), test.set.archive) {
					t.Errorf("of an empty folder: %v, want an error that names %s", err, test.set.archive)
				}
				place(dir)
				if err := test.convert(t.Context(), dir, out, Options{}); err != nil {
					t.Fatal(err)
				}
				got := append(readAll(t, filepath.Join(out, test.set.name+"_train_lmdb")), readAll(t, filepath.Join(out, test.set.name+"_test_lmdb"))...)
				if len(got) != 7*len(names) {
					t.Fatalf("%d records, want %d", len(got), 7*len(names))
				}
				for i, r := range got {
					file := files[names[i/7]]
					size := len(file) / 7
					d := datum(t, r)
					if int(d.GetLabel()) != i%10*test.set.labels || !bytes.Equal(d.GetData(), file[(i%7+1)*size-cifar.ImageSize:][:cifar.ImageSize]) {
						t.Fatalf("record %d has label %d, or other pixels", i, d.GetLabel())
					}
				}
				if _, err := data.ReadMean(filepath.Join(out, test.set.name+"_mean.binaryproto")); err != nil {
					t.Error(err)
				}
				if form == "files" {
					os.WriteFile(filepath.Join(dir, names[0]), files[names[0]][:5000], 0o644)
					if err := test.convert(t.Context(), dir, out, Options{Replace: true}); err == nil || !strings.Contains(err.Error(), names[0]+": the file has 5000 bytes, want a multiple of") {
						t.Errorf("of a short file: %v", err)
					}
				}
			})
		}
	}
}
