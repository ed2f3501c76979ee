package blob

// A Storage is memory for arrays of several blobs that are not needed at the
// same time: each array that is written destroys what the others held. Who
// places arrays in it knows when their numbers are needed, as a net does. The
// zero Storage is empty, and takes memory when an array in it is first used.
type Storage struct{ memory }

// Reserve says that arrays of up to n numbers will be placed, so that the
// memory is taken at once and need not grow.
func (s *Storage) Reserve(n int) { s.reserve = max(s.reserve, n) }

// PlaceData puts the numbers of b into s, where they are undefined until they
// are written. Blobs that shared the numbers with b keep the old ones; blobs
// that are placed in the same Storage share theirs, in the sense of SharesData.
func (b *Blob) PlaceData(s *Storage) { b.data = &s.memory }

// PlaceDiff puts the gradient of b into s, as PlaceData does with the numbers.
func (b *Blob) PlaceDiff(s *Storage) { b.diff = &s.memory }
