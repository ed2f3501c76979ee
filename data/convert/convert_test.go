package convert

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data"
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
