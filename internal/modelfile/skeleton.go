package modelfile

import (
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

// A skeleton copies a net in protobuf's format without the numbers of large blobs.
type skeleton struct {
	file   io.ReaderAt
	layers [ofBlob]int // that have begun, of each kind
	last   kind        // that of the present layer
	blobs  int         // of the present layer that have begun
	cut    []cutBlob   // what was left out
}

// A span is a part of a file.
type span struct{ from, size int64 }

// A cutBlob is a blob whose numbers were left out.
type cutBlob struct {
	span
	v1          bool // the layer is one of V1's
	layer, blob int
}

// A kind is a kind of message.
type kind int

const (
	ofNet kind = iota
	ofLayer
	ofV1Layer
	ofBlob
	other
)

// cutSize is the size in bytes from which on numbers are left out.
const cutSize = 4 << 10

// The numbers of fields of caffe.proto.
const (
	netV1Layers  = 2
	netLayer     = 100
	v1LayerBlobs = 6
	layerBlobs   = 7
	blobData     = 5
)

// fieldOf returns the kind of message that a field of a message is.
func fieldOf(k kind, number protowire.Number) kind {
	switch {
	case k == ofNet && number == netLayer:
		return ofLayer
	case k == ofNet && number == netV1Layers:
		return ofV1Layer
	case k == ofLayer && number == layerBlobs, k == ofV1Layer && number == v1LayerBlobs:
		return ofBlob
	}
	return other
}

// message returns the message of the given kind that is at from to end-1 of the file,
// without the numbers of large blobs.
func (s *skeleton) message(k kind, from, end int64) ([]byte, error) {
	var dst []byte
	var buf [2 * 10]byte // a tag and a number
	for from < end {
		head := buf[:min(int64(len(buf)), end-from)]
		if _, err := s.file.ReadAt(head, from); err != nil {
			return nil, err
		}
		number, wire, n := protowire.ConsumeTag(head)
		if n < 0 {
			return nil, errUnusual
		}
		if wire != protowire.BytesType {
			size := protowire.ConsumeFieldValue(number, wire, head[n:])
			if size < 0 || k == ofBlob && number == blobData {
				return nil, errUnusual // a blob whose numbers are fields of their own, for one
			}
			dst = append(dst, head[:n+size]...)
			from += int64(n + size)
			continue
		}
		length, m := protowire.ConsumeVarint(head[n:])
		value := from + int64(n+m)
		if m < 0 || length > uint64(end-value) {
			return nil, errUnusual
		}
		size := int64(length)
		switch field := fieldOf(k, number); {
		case field != other:
			s.begin(field)
			part, err := s.message(field, value, value+size)
			if err != nil {
				return nil, err
			}
			dst = protowire.AppendBytes(protowire.AppendTag(dst, number, wire), part)
		case k == ofBlob && size >= cutSize:
			if number != blobData || size%4 != 0 {
				return nil, errUnusual
			}
			s.leave(span{value, size})
		default:
			at := len(dst)
			dst = append(dst, make([]byte, value+size-from)...)
			if _, err := s.file.ReadAt(dst[at:], from); err != nil {
				return nil, err
			}
		}
		from = value + size
	}
	return dst, nil
}

// begin counts layers and blobs.
func (s *skeleton) begin(k kind) {
	if k == ofBlob {
		s.blobs++
		return
	}
	s.layers[k]++
	s.last, s.blobs = k, 0
}

// leave leaves out the numbers of the present blob.
func (s *skeleton) leave(at span) {
	s.cut = append(s.cut, cutBlob{span: at, v1: s.last == ofV1Layer, layer: s.layers[s.last] - 1, blob: s.blobs - 1})
}
