package blob

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/reference"
	"google.golang.org/protobuf/proto"
)

func TestProtoRoundTrip(t *testing.T) {
	for _, shape := range [][]int{{}, {0}, {7}, {2, 3, 1, 4, 1}} {
		for _, withDiff := range []bool{false, true} {
			b := newBlob(t, shape...)
			for i := range b.MutableData() {
				b.MutableData()[i], b.MutableDiff()[i] = rand.Float32(), rand.Float32()
			}
			raw, err := proto.Marshal(b.ToProto(withDiff))
			if err != nil {
				t.Fatal(err)
			}
			p := new(caffepb.BlobProto)
			if err := proto.Unmarshal(raw, p); err != nil {
				t.Fatal(err)
			}
			got := new(Blob)
			if err := got.FromProto(p, true); err != nil {
				t.Fatalf("shape %v: %v", shape, err)
			}
			if !got.ShapeEqual(shape) || !slices.Equal(got.Data(), b.Data()) {
				t.Errorf("shape %v becomes %v, %v becomes %v", shape, got.Shape(), b.Data(), got.Data())
			}
			want := make([]float32, b.Count())
			if withDiff {
				want = b.Diff()
			}
			if !slices.Equal(got.Diff(), want) {
				t.Errorf("shape %v, diff %v: diff becomes %v, want %v", shape, withDiff, got.Diff(), want)
			}
		}
	}
}

// old is a blob of an old file, with four fields for its shape.
func old(num, channels, height, width int32) *caffepb.BlobProto {
	return &caffepb.BlobProto{Num: &num, Channels: &channels, Height: &height, Width: &width}
}

func TestMatchesProto(t *testing.T) {
	modern := func(dims ...int64) *caffepb.BlobProto {
		return &caffepb.BlobProto{Shape: &caffepb.BlobShape{Dim: dims}}
	}
	num := int32(1)
	for _, test := range []struct {
		shape []int
		p     *caffepb.BlobProto
		want  bool
	}{
		{[]int{2, 3}, modern(2, 3), true},
		{[]int{2, 3}, modern(1, 1, 2, 3), false}, // only the old form may be padded
		{[]int{2, 3}, modern(3, 2), false},
		{[]int{2, 3}, old(1, 1, 2, 3), true},
		{[]int{2, 3}, old(2, 3, 1, 1), false},
		{[]int{3}, old(1, 1, 1, 3), true},
		{[]int{}, old(1, 1, 1, 1), true},
		{[]int{2, 3, 4, 5}, old(2, 3, 4, 5), true},
		{[]int{1, 2, 3, 4, 5}, old(2, 3, 4, 5), false},
		{[]int{1, 0, 0, 0}, &caffepb.BlobProto{Num: &num}, true}, // absent fields are 0
	} {
		if got := newBlob(t, test.shape...).MatchesProto(test.p); got != test.want {
			t.Errorf("shape %v and %v: %v, want %v", test.shape, ProtoShape(test.p), got, test.want)
		}
	}
}

func TestFromProtoNumbers(t *testing.T) {
	bytes := func(order func([]byte)) []byte {
		b := make([]byte, 16)
		order(b)
		return b
	}
	f16 := caffepb.BlobProto_FLOAT16
	f32 := caffepb.BlobProto_FLOAT
	f64 := caffepb.BlobProto_DOUBLE
	for name, p := range map[string]*caffepb.BlobProto{
		"double": {DoubleData: []float64{1.5, -2}},
		"both":   {DoubleData: []float64{1.5, -2}, Data: []float32{3, 4}},
		"raw double": {RawDataType: &f64, RawData: bytes(func(b []byte) {
			binary.LittleEndian.PutUint64(b, math.Float64bits(1.5))
			binary.LittleEndian.PutUint64(b[8:], math.Float64bits(-2))
		})},
		"raw float": {RawDataType: &f32, RawData: bytes(func(b []byte) {
			binary.LittleEndian.PutUint32(b, math.Float32bits(1.5))
			binary.LittleEndian.PutUint32(b[4:], math.Float32bits(-2))
		})[:8]},
		"raw half": {RawDataType: &f16, RawData: []byte{0x00, 0x3e, 0x00, 0xc0}},
	} {
		p.Shape = &caffepb.BlobShape{Dim: []int64{2}}
		b := new(Blob)
		if err := b.FromProto(p, true); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !slices.Equal(b.Data(), []float32{1.5, -2}) {
			t.Errorf("%s: %v, want [1.5 -2]", name, b.Data())
		}
	}
}

// TestFloat16 compares every half precision number with the value that the
// standard's formula gives.
func TestFloat16(t *testing.T) {
	for h := range 1 << 16 {
		exponent, fraction := h>>10&0x1f, float64(h&0x3ff)
		var want float64
		switch exponent {
		case 0:
			want = math.Ldexp(fraction, -24)
		case 31:
			want = math.Inf(1)
			if fraction != 0 {
				want = math.NaN()
			}
		default:
			want = math.Ldexp(1+fraction/1024, exponent-15)
		}
		if h>>15 == 1 {
			want = -want
		}
		got := float64(float16(uint16(h)))
		if got != want && !(math.IsNaN(got) && math.IsNaN(want)) || math.Signbit(got) != (h>>15 == 1) {
			t.Fatalf("%#04x is %g, want %g", h, got, want)
		}
	}
}

func TestFromProtoErrors(t *testing.T) {
	shape := func(dims ...int64) *caffepb.BlobShape { return &caffepb.BlobShape{Dim: dims} }
	odd := caffepb.BlobProto_FLOAT
	integer := caffepb.BlobProto_INT
	for _, test := range []struct {
		p       *caffepb.BlobProto
		reshape bool
		want    string
	}{
		{&caffepb.BlobProto{Shape: shape(3), Data: []float32{1, 2, 3}}, false, "shape [3] of the file does not match shape [2]"},
		{&caffepb.BlobProto{Shape: shape(2), Data: []float32{1}}, false, "shape [2] of the file needs 2 numbers, it has 1"},
		{&caffepb.BlobProto{Shape: shape(2)}, false, "needs 2 numbers, it has 0"},
		{&caffepb.BlobProto{Shape: shape(2), Data: []float32{1, 2}, Diff: []float32{1}}, false, "needs 2 gradient numbers, it has 1"},
		{&caffepb.BlobProto{Shape: shape(-1, 3)}, true, "shape [-1 3] of the file is out of range"},
		{&caffepb.BlobProto{Shape: shape(1<<20, 1<<20)}, true, "is out of range"},
		{&caffepb.BlobProto{Shape: shape(1<<62, 4)}, true, "is out of range"},
		{&caffepb.BlobProto{Shape: shape(2), RawDataType: &odd, RawData: []byte{1, 2, 3}}, false, "3 raw bytes are not a whole number of FLOAT values"},
		{&caffepb.BlobProto{Shape: shape(2), RawDataType: &integer, RawData: []byte{1, 2, 3, 4}}, false, "raw numbers of type INT are not supported"},
	} {
		b := newBlob(t, 2)
		copy(b.MutableData(), []float32{8, 9})
		err := b.FromProto(test.p, test.reshape)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error %v, want %q", err, test.want)
		}
		if !b.ShapeEqual([]int{2}) || !slices.Equal(b.Data(), []float32{8, 9}) {
			t.Errorf("%q: a failed load leaves %v of shape %v", test.want, b.Data(), b.Shape())
		}
	}
}

// TestGoldenWeights loads weights that Caffe wrote, in the new form and in that
// of old files.
func TestGoldenWeights(t *testing.T) {
	dir := reference.Golden(t, "formats")
	for _, name := range []string{"fillers/filled.caffemodel", "upgrade/v1.caffemodel"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		var net caffepb.NetParameter
		if err := proto.Unmarshal(data, &net); err != nil {
			t.Fatal(err)
		}
		var blobs []*caffepb.BlobProto
		for _, l := range net.GetLayer() {
			blobs = append(blobs, l.GetBlobs()...)
		}
		for _, l := range net.GetLayers() {
			blobs = append(blobs, l.GetBlobs()...)
		}
		if len(blobs) == 0 {
			t.Errorf("%s has no blobs", name)
		}
		for _, p := range blobs {
			var b Blob
			if err := b.FromProto(p, true); err != nil {
				t.Errorf("%s: %v", name, err)
			} else if !slices.Equal(b.Data(), p.GetData()) {
				t.Errorf("%s: numbers differ", name)
			}
		}
	}
}
