package python

import (
	"encoding/binary"
	"errors"
)

// The messages of a call are frames: the number of bytes that follow, and a list of
// integers and a text, each after its length. Numbers have 64 bits, in the order of the
// machine, on which both processes run.

// The operations, the first integer of a request; worker.py has the same numbers.
const (
	opStart    = iota // prepare the process
	opSetUp           // make a layer and call its setup
	opReshape         // call reshape
	opForward         // call reshape, if the next integer is 1, and forward
	opBackward        // call backward
	opClose           // forget a layer
	opMemory          // the answer to a reply that asks for memory
	opImport          // import a module
)

// The kinds of replies, the first integer of each.
const (
	replyDone   = iota
	replyFailed // the text says why
	replyMemory // a blob needs an array: its kind and index, 1 for its diff, and the bytes
)

// A frame is a message, written and read in place.
type frame struct {
	ints []int64
	at   int // the integer that next returns
	text []byte
	raw  []byte
}

func (f *frame) reset() { f.ints, f.at, f.text = f.ints[:0], 0, f.text[:0] }

func (f *frame) add(values ...int64) { f.ints = append(f.ints, values...) }

func (f *frame) addBool(b bool) {
	if b {
		f.add(1)
	} else {
		f.add(0)
	}
}

// encode returns the bytes of the message.
func (f *frame) encode() []byte {
	size := 16 + 8*len(f.ints) + len(f.text)
	b := binary.NativeEndian.AppendUint64(f.raw[:0], uint64(size))
	b = binary.NativeEndian.AppendUint64(b, uint64(len(f.ints)))
	for _, v := range f.ints {
		b = binary.NativeEndian.AppendUint64(b, uint64(v))
	}
	b = binary.NativeEndian.AppendUint64(b, uint64(len(f.text)))
	f.raw = append(b, f.text...)
	return f.raw
}

// decode reads a message without its first number.
func (f *frame) decode(b []byte) error {
	f.reset()
	n, b, ok := length(b, 8)
	if !ok {
		return errDamaged
	}
	for i := range n {
		f.ints = append(f.ints, int64(binary.NativeEndian.Uint64(b[8*i:])))
	}
	n, b, ok = length(b[8*n:], 1)
	if !ok || n != len(b) || len(f.ints) == 0 {
		return errDamaged
	}
	f.text = append(f.text, b...)
	return nil
}

// length reads the number of elements, of the given size, that begin after it.
func length(b []byte, size int) (n int, rest []byte, ok bool) {
	if len(b) < 8 {
		return 0, nil, false
	}
	count := binary.NativeEndian.Uint64(b)
	b = b[8:]
	return int(count), b, count <= uint64(len(b)/size)
}

var errDamaged = errors.New("the process has sent a damaged message")

// next returns the next integer, or 0 after the last.
func (f *frame) next() int64 {
	if f.at == len(f.ints) {
		return 0
	}
	f.at++
	return f.ints[f.at-1]
}
