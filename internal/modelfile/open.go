package modelfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/readfile"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
)

// Weights are those of a file, as ReadNet returns them, but the numbers of large blobs may
// still be in the file. So a net can take blob after blob, and the numbers of all are not in
// memory twice.
type Weights struct {
	Net   *caffepb.NetParameter
	Notes []prototxt.Note

	path  string
	file  *os.File                    // nil if all numbers are in Net
	left  map[*caffepb.BlobProto]span // the blobs whose numbers are in the file
	data  []float32                   // room for those of the largest
	chunk []byte
}

// chunkSize is the number of bytes that are read at a time, a multiple of four.
const chunkSize = 64 << 10

// Open opens a file of weights. Files in protobuf's format that are damaged or of an unusual
// form, and those in HDF5, are read as a whole by ReadNet, which has the better errors.
func Open(path string) (*Weights, error) {
	if !IsHDF5(path) {
		if w := openParts(path); w != nil {
			return w, nil
		}
	}
	param, notes, err := ReadNet(path)
	if err != nil {
		return nil, err
	}
	return &Weights{Net: param, Notes: notes}, nil
}

// openParts reads all of a file but the numbers of large blobs. It returns nil if the file
// must be read as a whole.
func openParts(path string) *Weights {
	f, size, err := readfile.Open(path)
	if err != nil {
		return nil
	}
	w := &Weights{path: path, file: f}
	if size == 0 || size > math.MaxInt32 || w.parse(size) != nil {
		f.Close()
		return nil
	}
	return w
}

var errUnusual = errors.New("the file must be read as a whole")

// parse reads the file but for the numbers of large blobs.
func (w *Weights) parse(size int64) error {
	s := skeleton{file: w.file}
	b, err := s.message(ofNet, 0, size)
	if err != nil {
		return err
	}
	w.Net = new(caffepb.NetParameter)
	if err := proto.Unmarshal(b, w.Net); err != nil {
		return err
	}
	if len(w.Net.ProtoReflect().GetUnknown()) > 0 {
		return errUnusual // something else, or a fork's net
	}
	for _, l := range w.Net.Layers {
		if _, known := caffepb.V1LayerParameter_LayerType_name[int32(l.GetType())]; !known {
			return errUnusual
		}
	}
	w.left = make(map[*caffepb.BlobProto]span)
	largest := int64(0)
	for _, c := range s.cut {
		var b *caffepb.BlobProto
		if c.v1 {
			b = w.Net.Layers[c.layer].Blobs[c.blob]
		} else {
			b = w.Net.Layer[c.layer].Blobs[c.blob]
		}
		_, twice := w.left[b]
		if twice || len(b.Data)+len(b.DoubleData)+len(b.RawData) > 0 || count(b) != c.size/4 {
			return errUnusual
		}
		w.left[b] = c.span
		largest = max(largest, c.size/4)
	}
	w.data = make([]float32, largest)
	if w.Notes, err = prototxt.UpgradeNet(w.path, w.Net, nil); err != nil {
		return err
	}
	kept := 0
	for _, l := range w.Net.Layer {
		for _, b := range l.Blobs {
			if w.Left(b) {
				kept++
			}
		}
	}
	if kept != len(w.left) {
		return errUnusual
	}
	return nil
}

// count returns the number of elements that the shape of a blob gives, or -1.
func count(b *caffepb.BlobProto) int64 {
	n := int64(1)
	for _, size := range blob.ProtoShape(b) {
		if size < 0 || int64(size) > math.MaxInt32 || n*int64(size) > math.MaxInt32 {
			return -1
		}
		n *= int64(size)
	}
	return n
}

// Left reports whether the numbers of a blob are still in the file. There are as many as its
// shape says.
func (w *Weights) Left(b *caffepb.BlobProto) bool {
	_, left := w.left[b]
	return left
}

// Read returns a blob with its numbers, which are valid until the next call.
func (w *Weights) Read(b *caffepb.BlobProto) (*caffepb.BlobProto, error) {
	at, left := w.left[b]
	if !left {
		return b, nil
	}
	if w.chunk == nil {
		w.chunk = make([]byte, chunkSize)
	}
	data := w.data[:at.size/4]
	for done := int64(0); done < at.size; done += chunkSize {
		chunk := w.chunk[:min(chunkSize, at.size-done)]
		if _, err := w.file.ReadAt(chunk, at.from+done); err != nil {
			if err == io.EOF {
				err = errors.New("it became shorter while it was read")
			}
			return nil, fmt.Errorf("%s: %w", w.path, err)
		}
		for i := range len(chunk) / 4 {
			data[int(done/4)+i] = math.Float32frombits(binary.LittleEndian.Uint32(chunk[4*i:]))
		}
	}
	return &caffepb.BlobProto{
		Num: b.Num, Channels: b.Channels, Height: b.Height, Width: b.Width, Shape: b.Shape, Data: data, Diff: b.Diff,
		DoubleDiff: b.DoubleDiff, RawDiff: b.RawDiff, RawDiffType: b.RawDiffType,
	}, nil
}

// Close closes the file.
func (w *Weights) Close() error {
	if w.file == nil {
		return nil
	}
	return w.file.Close()
}
