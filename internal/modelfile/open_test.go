package modelfile

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
)

// numbers returns n numbers, one of them NaN.
func numbers(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i) / 7
	}
	x[n/2] = float32(math.NaN())
	return x
}

func shaped(x []float32, dims ...int64) *caffepb.BlobProto {
	return &caffepb.BlobProto{Shape: &caffepb.BlobShape{Dim: dims}, Data: x}
}

// legacy returns a blob with four axes as old files have them.
func legacy(x []float32, dims ...int32) *caffepb.BlobProto {
	return &caffepb.BlobProto{Num: &dims[0], Channels: &dims[1], Height: &dims[2], Width: &dims[3], Data: x}
}

// TestOpen compares Open with ReadNet for files of several kinds.
func TestOpen(t *testing.T) {
	const chunk = chunkSize / 4 // elements
	conv := caffepb.V1LayerParameter_CONVOLUTION
	layer := func(name string, blobs ...*caffepb.BlobProto) *caffepb.LayerParameter {
		return &caffepb.LayerParameter{Name: &name, Type: proto.String("Convolution"), Blobs: blobs}
	}
	withDiff := shaped(numbers(2000), 40, 50)
	withDiff.Diff = numbers(20)
	bigDiff := shaped(numbers(2000), 2000)
	bigDiff.Diff = numbers(2000)
	both := shaped(numbers(2000), 2000)
	both.DoubleData = []float64{1}
	unknown := &caffepb.NetParameter{Layer: []*caffepb.LayerParameter{layer("a", shaped(numbers(2000), 2000))}}
	unknown.ProtoReflect().SetUnknown([]byte{0xf8, 0x3f, 1})
	for _, test := range []struct {
		name string
		net  *caffepb.NetParameter
		left int // blobs whose numbers stay in the file
	}{
		{"small and large blobs", &caffepb.NetParameter{Name: proto.String("n"), Layer: []*caffepb.LayerParameter{
			layer("a"), layer("b", shaped(numbers(1000), 10, 100), shaped(numbers(2*chunk+5), 2*chunk+5), shaped(numbers(1024), 1024)),
			layer("c", shaped(numbers(chunk), chunk)), layer("b", shaped(numbers(1023), 1023)),
		}}, 3},
		{"V1", &caffepb.NetParameter{Layers: []*caffepb.V1LayerParameter{
			{Name: proto.String("a"), Type: &conv, Blobs: []*caffepb.BlobProto{legacy(numbers(5000), 10, 5, 10, 10), legacy(numbers(10), 1, 1, 1, 10)}},
		}}, 1},
		{"gradients", &caffepb.NetParameter{Layer: []*caffepb.LayerParameter{layer("a", withDiff)}}, 1},
		{"large gradients", &caffepb.NetParameter{Layer: []*caffepb.LayerParameter{layer("a", bigDiff)}}, 0},
		{"two kinds of numbers", &caffepb.NetParameter{Layer: []*caffepb.LayerParameter{layer("a", both)}}, 0},
		{"shape of another size", &caffepb.NetParameter{Layer: []*caffepb.LayerParameter{layer("a", shaped(numbers(2000), 2001))}}, 0},
		{"overflowing shape", &caffepb.NetParameter{Layer: []*caffepb.LayerParameter{layer("a", shaped(numbers(2000), 1<<40, 1<<40, 2000))}}, 0},
		{"a fork's field", unknown, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.caffemodel")
			if err := prototxt.WriteBinary(path, test.net); err != nil {
				t.Fatal(err)
			}
			want, _, err := ReadNet(path)
			if err != nil {
				t.Fatal(err)
			}
			w, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			left := 0
			for _, l := range w.Net.Layer {
				for k, b := range l.Blobs {
					if w.Left(b) {
						left++
						if len(b.Data) > 0 {
							t.Errorf("layer %q has the numbers of blob %d", l.GetName(), k)
						}
					}
					full, err := w.Read(b)
					if err != nil {
						t.Fatal(err)
					}
					l.Blobs[k] = proto.Clone(full).(*caffepb.BlobProto) // the next has the same memory
				}
			}
			if left != test.left {
				t.Errorf("the numbers of %d blobs are in the file, want %d", left, test.left)
			}
			if !proto.Equal(w.Net, want) {
				t.Errorf("Open: %v\nReadNet: %v", w.Net, want)
			}
		})
	}
}

// TestOpenDamaged cuts and changes a file: Open finds what ReadNet finds.
func TestOpenDamaged(t *testing.T) {
	whole, err := proto.Marshal(&caffepb.NetParameter{Layer: []*caffepb.LayerParameter{
		{Name: proto.String("a"), Blobs: []*caffepb.BlobProto{shaped(numbers(1500), 1500), shaped(numbers(3), 3)}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "a.caffemodel")
	check := func(b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, want := ReadNet(path)
		w, err := Open(path)
		if err == nil {
			w.Close()
		}
		if (err == nil) != (want == nil) || err != nil && err.Error() != want.Error() {
			t.Fatalf("Open: %v, ReadNet: %v", err, want)
		}
	}
	for n := 0; n < len(whole); n += 1 + n/30 {
		check(whole[:n])
	}
	for i := range 30 {
		for _, v := range []byte{0, 0x28, 0x2d, 0x80, 0xff} {
			b := append([]byte(nil), whole...)
			b[i] = v
			check(b)
		}
	}
}

// TestReadShorterFile checks the error if a file becomes shorter.
func TestReadShorterFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.caffemodel")
	net := &caffepb.NetParameter{Layer: []*caffepb.LayerParameter{{Blobs: []*caffepb.BlobProto{shaped(numbers(5000), 5000)}}}}
	if err := prototxt.WriteBinary(path, net); err != nil {
		t.Fatal(err)
	}
	w, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := os.Truncate(path, 3000); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Read(w.Net.Layer[0].Blobs[0]); err == nil || err.Error() != path+": it became shorter while it was read" {
		t.Error(err)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
