package blob

import "github.com/gocaffe/gocaffe/internal/sysmem"

// A Storage is memory that arrays of several blobs use one after another:
// writing one array destroys the others. The code that places arrays in it must
// know when their values are needed, as a net does. The zero Storage is empty
// and allocates memory when an array in it is first accessed.
type Storage struct{ memory }

// Reserve announces arrays of up to n elements, so that the memory need not
// grow.
func (s *Storage) Reserve(n int) { s.reserve = max(s.reserve, n) }

// PlaceData places the data of b in s, where it is undefined until it is
// written. Blobs that shared it with b keep the old memory; blobs placed in the
// same Storage share data in the sense of SharesData.
func (b *Blob) PlaceData(s *Storage) { b.data = &s.memory }

// PlaceDiff places the diff of b in s, as PlaceData does with the data.
func (b *Blob) PlaceDiff(s *Storage) { b.diff = &s.memory }

// DataPart returns a Storage that is a part of b's data, the n elements from element at on:
// an array in it is a piece of b. If the array grows, or moves to a device, it gets memory of
// its own, as Separate gives it.
func (b *Blob) DataPart(at, n int) *Storage {
	b.data.reserve = max(b.data.reserve, b.count)
	s := new(Storage)
	s.whole, s.at, s.size = b.data, at, n
	return s
}

// Separate gives a part memory of its own, with the elements that it has. On any other
// Storage it does nothing.
func (s *Storage) Separate() { s.separate() }

// part returns the first n elements of a part, of which several goroutines may read what is
// there.
func (m *memory) part(n int) []float32 {
	if n > m.size {
		m.separate()
		return m.slice(n)
	}
	return m.whole.write(m.at + m.size)[m.at:][:n:n]
}

func (m *memory) separate() {
	if m.whole == nil {
		return
	}
	own := sysmem.Floats(m.size)
	copy(own, m.part(m.size))
	m.host, m.whole = own, nil
}
