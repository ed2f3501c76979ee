package blob

import "sync/atomic"

// lastVersion is the last version given to any memory.
var lastVersion atomic.Uint64

// DataVersion returns a number, never 0, that changes when the data may have changed: with every
// call of MutableData or MutableDeviceData, of b or of another blob that shares the memory. Among
// all blobs, equal versions mean the same memory with the same elements, so what was computed from
// it still holds, as long as the counts are equal too.
//
// Code that keeps the slice of MutableData must call MutableData again before writing to it later,
// as a copy on a device requires too. Data that is a part of another blob's (DataPart) has a new
// version at every call.
func (b *Blob) DataVersion() uint64 { return b.data.current() }

// current returns the version.
func (m *memory) current() uint64 {
	if m == nil || m.whole != nil { // a part changes with the whole, and has no elements of its own
		return lastVersion.Add(1)
	}
	// Several goroutines may ask at the same time. The first one numbers the version.
	if v := m.version.Load(); v != 0 {
		return v
	}
	if v := lastVersion.Add(1); m.version.CompareAndSwap(0, v) {
		return v
	}
	return m.version.Load()
}

// changes notes that the elements are about to change.
func (m *memory) changes() { m.version.Store(0) }
