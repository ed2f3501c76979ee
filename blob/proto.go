package blob

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/caffepb"
)

// ToProto returns the data and, if diff is set, the diff as a message for a
// file.
func (b *Blob) ToProto(diff bool) *caffepb.BlobProto {
	p := new(caffepb.BlobProto)
	if len(b.shape) > 0 { // of a scalar Caffe writes no shape
		p.Shape = new(caffepb.BlobShape)
	}
	for _, n := range b.shape {
		p.Shape.Dim = append(p.Shape.Dim, int64(n))
	}
	p.Data = append([]float32(nil), b.Data()...)
	if diff {
		p.Diff = append([]float32(nil), b.Diff()...)
	}
	return p
}

// legacy reports whether a blob in a file has its shape in the four fields of
// old files.
func legacy(p *caffepb.BlobProto) bool {
	return p.Num != nil || p.Channels != nil || p.Height != nil || p.Width != nil
}

// ProtoShape returns the shape of a blob in a file; in Caffe's old format it
// has four axes.
func ProtoShape(p *caffepb.BlobProto) []int {
	if legacy(p) {
		return []int{int(p.GetNum()), int(p.GetChannels()), int(p.GetHeight()), int(p.GetWidth())}
	}
	shape := make([]int, len(p.GetShape().GetDim()))
	for i, n := range p.GetShape().GetDim() {
		shape[i] = int(n)
	}
	return shape
}

// MatchesProto reports whether a blob in a file can be loaded into b: the
// shapes are equal, or the file uses Caffe's old format with four axes, b has
// at most four, and the sizes agree after b's are padded with leading 1s, as in
// Blob::ShapeEquals of Caffe's blob.cpp.
func (b *Blob) MatchesProto(p *caffepb.BlobProto) bool {
	if !legacy(p) {
		return b.ShapeEqual(ProtoShape(p))
	}
	if len(b.shape) > 4 {
		return false
	}
	for i, n := range ProtoShape(p) {
		want := 1
		if j := i - (4 - len(b.shape)); j >= 0 {
			want = b.shape[j]
		}
		if n != want {
			return false
		}
	}
	return true
}

// FromProto loads data and, if present, diff from a message of a file. If
// reshape is set, the blob takes the file's shape; otherwise the shapes must
// match as in MatchesProto. Elements may be float, double, or one of NVCaffe's
// raw types. If it fails, the elements are unchanged.
func (b *Blob) FromProto(p *caffepb.BlobProto, reshape bool) error {
	if !reshape && !b.MatchesProto(p) {
		return fmt.Errorf("shape %v of the file does not match shape %v", ProtoShape(p), b.shape)
	}
	count := 1
	for _, n := range ProtoShape(p) {
		if n < 0 || n != 0 && count > maxCount/n {
			return fmt.Errorf("shape %v of the file is out of range", ProtoShape(p))
		}
		count *= n
	}
	data, err := values(p.Data, p.DoubleData, p.RawData, p.GetRawDataType())
	if err != nil {
		return err
	}
	if len(data) != count {
		return fmt.Errorf("shape %v of the file needs %d numbers, it has %d", ProtoShape(p), count, len(data))
	}
	diff, err := values(p.Diff, p.DoubleDiff, p.RawDiff, p.GetRawDiffType())
	if err != nil {
		return err
	}
	if len(diff) != 0 && len(diff) != count {
		return fmt.Errorf("shape %v of the file needs %d gradient numbers, it has %d", ProtoShape(p), count, len(diff))
	}
	if reshape {
		if err := b.Reshape(ProtoShape(p)...); err != nil {
			return err
		}
	}
	if b.data != nil {
		b.data.pending.Store(nil)
	}
	copy(b.MutableData(), data)
	if len(diff) > 0 {
		copy(b.MutableDiff(), diff)
	}
	return nil
}

// values returns the elements in whichever form the file has. The widest of
// several wins, as in Caffe, where double_data comes before data.
func values(single []float32, double []float64, raw []byte, kind caffepb.BlobProto_Type) ([]float32, error) {
	switch {
	case len(double) > 0:
		v := make([]float32, len(double))
		for i, x := range double {
			v[i] = float32(x)
		}
		return v, nil
	case len(raw) > 0:
		return rawValues(raw, kind)
	}
	return single, nil
}

func rawValues(raw []byte, kind caffepb.BlobProto_Type) ([]float32, error) {
	var size int
	var value func([]byte) float32
	switch kind {
	case caffepb.BlobProto_DOUBLE:
		size = 8
		value = func(b []byte) float32 { return float32(math.Float64frombits(binary.LittleEndian.Uint64(b))) }
	case caffepb.BlobProto_FLOAT:
		size = 4
		value = func(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) }
	case caffepb.BlobProto_FLOAT16:
		size = 2
		value = func(b []byte) float32 { return float16(binary.LittleEndian.Uint16(b)) }
	default:
		return nil, fmt.Errorf("raw numbers of type %v are not supported, want DOUBLE, FLOAT or FLOAT16", kind)
	}
	if len(raw)%size != 0 {
		return nil, fmt.Errorf("%d raw bytes are not a whole number of %v values", len(raw), kind)
	}
	v := make([]float32, len(raw)/size)
	for i := range v {
		v[i] = value(raw[i*size:])
	}
	return v, nil
}

// float16 converts an IEEE 754 half precision number.
func float16(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exponent, fraction := uint32(h>>10)&0x1f, uint32(h)&0x3ff
	switch exponent {
	case 0: // zero and subnormal: fraction * 2^-24
		v := float32(fraction) / (1 << 24)
		return math.Float32frombits(math.Float32bits(v) | sign)
	case 0x1f: // infinity and NaN
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}
