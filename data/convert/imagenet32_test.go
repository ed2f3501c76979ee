package convert

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/data/cifar"
)

// npyFile returns a .npy file with a header of one length.
func npyFile(descr, shape string, elements []byte) []byte {
	text := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, shape)
	text += strings.Repeat(" ", 117-len(text)) + "\n"
	return append(append([]byte("\x93NUMPY\x01\x00"), byte(len(text)), 0), append([]byte(text), elements...)...)
}

// imagenetFile writes a file as the downsampled ImageNet has it: compressed, with bytes,
// labels of 8 bytes and a mean that nobody reads.
func imagenetFile(t *testing.T, path string, pixels []byte, labels []int) {
	t.Helper()
	var longs []byte
	for _, v := range labels {
		longs = append(longs, byte(v), byte(v>>8), 0, 0, 0, 0, 0, 0)
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, a := range []struct {
		name string
		file []byte
	}{
		{"data", npyFile("|u1", fmt.Sprintf("%d, %d", len(pixels)/cifar.ImageSize, cifar.ImageSize), pixels)},
		{"labels", npyFile("<i8", fmt.Sprintf("%d,", len(labels)), longs)},
		{"mean", npyFile("<f4", "1,", make([]byte, 4))},
	} {
		f, err := w.Create(a.name + ".npy")
		if err != nil {
			t.Fatal(err)
		}
		f.Write(a.file)
	}
	w.Close()
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestImageNet32(t *testing.T) {
	dir, out := t.TempDir(), t.TempDir()
	if err := ImageNet32(t.Context(), dir, out, Options{}); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "train_data_batch_1.npz") {
		t.Errorf("of an empty folder: %v, want an error that names the first file", err)
	}
	r := rand.New(rand.NewPCG(5, 5))
	var pixels [][]byte // of each image, of all files
	var labels []int
	for i := range imagenetBatches + 1 {
		name := fmt.Sprintf("train_data_batch_%d.npz", i+1)
		if i == imagenetBatches {
			name = "val_data.npz"
		}
		var file []byte
		var own []int
		for range i%3 + 1 {
			image := make([]byte, cifar.ImageSize)
			for k := range image {
				image[k] = byte(r.Uint32())
			}
			file, own = append(file, image...), append(own, 1+r.IntN(imagenetClasses))
			pixels = append(pixels, image)
		}
		own[0] = 1 + 999*(i%2) // the first and the last class
		labels = append(labels, own...)
		imagenetFile(t, filepath.Join(dir, name), file, own)
	}
	if err := ImageNet32(t.Context(), dir, out, Options{}); err != nil {
		t.Fatal(err)
	}
	train := readAll(t, filepath.Join(out, "imagenet32_train_lmdb"))
	got := append(train, readAll(t, filepath.Join(out, "imagenet32_val_lmdb"))...)
	if len(got) != len(labels) || len(train) != len(labels)-2 {
		t.Fatalf("%d records, %d of them for training, want %d and %d", len(got), len(train), len(labels), len(labels)-2)
	}
	for i, record := range got {
		if d := datum(t, record); int(d.GetLabel()) != labels[i]-1 || !bytes.Equal(d.GetData(), pixels[i]) {
			t.Errorf("record %d has label %d, want %d, or other pixels", i, d.GetLabel(), labels[i]-1)
		}
	}
	if _, err := os.Stat(filepath.Join(out, "imagenet32_mean.binaryproto")); err != nil {
		t.Error(err)
	}

	replace := Options{Replace: true}
	val := filepath.Join(dir, "val_data.npz")
	for want, broken := range map[string]func(){
		"label 0 is 0, want 1 to 1000":                            func() { imagenetFile(t, val, pixels[0], []int{0}) },
		"label 0 is 1001":                                         func() { imagenetFile(t, val, pixels[0], []int{1001}) },
		"there are more images than the 1 labels":                 func() { imagenetFile(t, val, append(pixels[0], pixels[1]...), []int{1}) },
		"there are 1 images and 2 labels":                         func() { imagenetFile(t, val, pixels[0], []int{1, 1}) },
		"imagenet32_val_lmdb have no images":                      func() { imagenetFile(t, val, nil, nil) },
		`no array "labels", only ["data"]`:                        func() { os.WriteFile(val, archiveOf(t, "data", npyFile("|u1", "1, 3072", pixels[0])), 0o644) },
		`array "data" has the shape [2 1536], want n x 3072`:      func() { shape(t, val, "2, 1536", pixels[0]) },
		"val_data.npz: not a .npz file or a damaged one":          func() { os.WriteFile(val, []byte("PK"), 0o644) },
		"val_data.npz: array \"data\": npy: the file ends within": func() { shape(t, val, "2, 3072", pixels[0]) },
	} {
		broken()
		if err := ImageNet32(t.Context(), dir, out, replace); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
		if left := readAll(t, filepath.Join(out, "imagenet32_val_lmdb")); len(left) != 2 {
			t.Errorf("after %q, the old database has %d records, want 2", want, len(left))
		}
	}
}

// shape writes images with two labels and the given shape.
func shape(t *testing.T, path, shape string, pixels []byte) {
	t.Helper()
	file := archiveOf(t, "data", npyFile("|u1", shape, pixels), "labels", npyFile("|u1", "2,", []byte{1, 1}))
	if err := os.WriteFile(path, file, 0o644); err != nil {
		t.Fatal(err)
	}
}

// archiveOf returns a .npz file of names and .npy files.
func archiveOf(t *testing.T, entries ...any) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(entries); i += 2 {
		f, err := w.Create(entries[i].(string) + ".npy")
		if err != nil {
			t.Fatal(err)
		}
		f.Write(entries[i+1].([]byte))
	}
	w.Close()
	return b.Bytes()
}
