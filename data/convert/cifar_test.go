package convert

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/data/cifar"
	"github.com/gocaffe/gocaffe/internal/reference"
	"google.golang.org/protobuf/proto"
)

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
