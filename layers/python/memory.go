package python

import (
	"fmt"
	"math/bits"
	"os"
	"unsafe"

	mmap "github.com/edsrzf/mmap-go"
)

// minSegment is the smallest size of a segment in bytes. Segments begin at multiples
// of it, as mapping a part of a file demands on every system (64 KiB on Windows).
const minSegment = 1 << 16

// memory is the memory that is shared with the process: a file, of which segments are
// mapped one by one. Only this side changes its size.
type memory struct {
	file *os.File
	path string // by which the process opens the file; "" if it inherits it
	size int64
	free map[int][]*segment // segments of closed layers, by their size
	all  []*segment
}

// A segment is a part of the memory that holds one array.
type segment struct {
	offset int64
	bytes  mmap.MMap
}

// floats returns the first n elements of a segment.
func (s *segment) floats(n int) []float32 {
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&s.bytes[0])), n)
}

// allocate returns a segment of at least n bytes, filled with zeros.
func (m *memory) allocate(n int) (*segment, error) {
	if n < 0 || n > 1<<40 {
		return nil, fmt.Errorf("cannot share an array of %d bytes", n)
	}
	// With powers of 2, an array that grows a little in every pass needs few segments,
	// and what it does not use costs no memory.
	size := max(minSegment, 1<<bits.Len(uint(max(n, 1)-1)))
	if list := m.free[size]; len(list) > 0 {
		s := list[len(list)-1]
		m.free[size] = list[:len(list)-1]
		clear(s.bytes)
		return s, nil
	}
	if err := m.extend(size); err != nil {
		return nil, fmt.Errorf("cannot extend the memory shared with Python to %d bytes: %w", m.size+int64(size), err)
	}
	bytes, err := mmap.MapRegion(m.file, size, mmap.RDWR, 0, m.size)
	if err != nil {
		return nil, fmt.Errorf("cannot map %d bytes of the memory shared with Python: %w", size, err)
	}
	s := &segment{m.size, bytes}
	m.size += int64(size)
	m.all = append(m.all, s)
	return s, nil
}

// release makes a segment available to other layers. The process must not use it
// any more.
func (m *memory) release(s *segment) {
	if m.free == nil {
		m.free = make(map[int][]*segment)
	}
	m.free[len(s.bytes)] = append(m.free[len(s.bytes)], s)
}

// close unmaps all segments and removes the file.
func (m *memory) close() {
	for _, s := range m.all {
		s.bytes.Unmap()
	}
	m.all, m.free = nil, nil
	m.file.Close()
	if m.path != "" {
		os.Remove(m.path)
	}
}

// newFile creates a temporary file for the memory, which extend fills with zeros, so
// that a full disk is an error and not a fault of the process.
func newFile() (*memory, error) {
	f, err := os.CreateTemp("", "gocaffe-python-*")
	if err != nil {
		return nil, fmt.Errorf("cannot create the memory shared with Python: %w", err)
	}
	return &memory{file: f, path: f.Name()}, nil
}

// fill writes n bytes of zeros at the end of the file.
func (m *memory) fill(n int) error {
	zeros := make([]byte, minSegment)
	for at := m.size; at < m.size+int64(n); at += minSegment {
		if _, err := m.file.WriteAt(zeros, at); err != nil {
			return err
		}
	}
	return nil
}
