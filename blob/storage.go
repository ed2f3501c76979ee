package blob

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
