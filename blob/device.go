package blob

import (
	"runtime"
	"sync"
)

// A Ptr is the address of an element in the memory of a device; 0 is none.
type Ptr uintptr

// At returns the address of element i of the array at p, whose elements have
// four bytes.
func (p Ptr) At(i int) Ptr { return p + Ptr(4*i) }

// A Device has memory of its own, in which blobs may keep a copy of their
// elements; package cuda implements it. Its methods return no errors: a device
// keeps its first error, ignores further work, and the code that runs the
// layers checks it. So Data and the like can move elements without returning
// errors.
//
// Work queued before a call is done before it.
type Device interface {
	Alloc(n int) Ptr                 // room for n numbers, which are undefined; 0 if that fails
	Free(p Ptr)                      // from any goroutine; work that uses p may still wait to be done
	Zero(n int, y Ptr)               // sets n elements to zero
	Copy(n int, x, y Ptr)            // copies n elements from x to y
	ToDevice(src []float32, dst Ptr) // src may change when it returns
	ToHost(src Ptr, dst []float32)   // dst has the numbers when it returns

	// Uses returns the list in which blobs note the addresses that they return,
	// so that work can be recorded and replayed; nil when not recording.
	Uses() *Uses
}

// onDevice is the copy of a memory on a device. As in Caffe's syncedmem.hpp,
// the newest values are on the host, on the device, or on both.
type onDevice struct {
	mu      sync.Mutex // layers on the host read weights in several goroutines
	device  Device
	block   *block
	current [2]int // how many numbers from the first on are the newest, on the host and on the device
}

const (
	host = iota
	device
)

// A block is device memory that is freed when nothing refers to it.
type block struct {
	device Device
	ptr    Ptr
	room   int
}

func (b *block) free() {
	if b.ptr != 0 {
		b.device.Free(b.ptr)
	}
	b.ptr, b.room = 0, 0
}

// DeviceData returns the address of the device's copy of the data, for reading.
// The address stays the same until the blob grows or shares the data of
// another.
func (b *Blob) DeviceData(d Device) Ptr { return b.onDevice(d, false, false) }

// MutableDeviceData returns the address of the device's copy of the data, for
// writing. The host's copy is then out of date.
func (b *Blob) MutableDeviceData(d Device) Ptr { return b.onDevice(d, false, true) }

// DeviceDiff returns the address of the device's copy of the diff, for reading.
func (b *Blob) DeviceDiff(d Device) Ptr { return b.onDevice(d, true, false) }

// MutableDeviceDiff returns the address of the device's copy of the diff, for
// writing.
func (b *Blob) MutableDeviceDiff(d Device) Ptr { return b.onDevice(d, true, true) }

// onDevice returns the address of the device's copy of the data or the diff.
func (b *Blob) onDevice(d Device, diff, write bool) Ptr {
	m := b.data
	if diff {
		m = b.diff
	}
	if m == nil || b.count == 0 { // no numbers
		return 0
	}
	m.separate()
	if m.pending.Load() != nil {
		m.slice(b.count)
	}
	if m.device == nil {
		m.attach(d)
	}
	m.device.mu.Lock()
	defer m.device.mu.Unlock()
	before := m.device.current
	p := m.send(d, b.count)
	if write && p != 0 {
		m.device.current[host] = 0
		m.changes()
	}
	if r := d.Uses(); r != nil {
		r.list = append(r.list, use{b, m, b.count, diff, write, p, before})
	}
	return p
}

// read returns the newest values of the first n elements, on the host.
func (m *memory) read(n int) []float32 {
	if m == nil || m.device == nil {
		return m.slice(n)
	}
	m.device.mu.Lock()
	defer m.device.mu.Unlock()
	return m.fetch(n)
}

// write is read for elements that are about to change.
func (m *memory) write(n int) []float32 {
	if m == nil {
		return nil
	}
	m.changes()
	if m.device == nil {
		return m.slice(n)
	}
	m.device.mu.Lock()
	defer m.device.mu.Unlock()
	values := m.fetch(n)
	m.device.current[device] = 0
	return values
}

// fetch copies the first n elements to the host if they are newer on the
// device. Elements on neither side are zero.
func (m *memory) fetch(n int) []float32 {
	values, d := m.slice(n), m.device
	if d.current[host] < n {
		if k := min(n, d.current[device]); k > d.current[host] {
			d.device.ToHost(d.block.ptr, values[:k])
		}
		d.current[host] = n
	}
	return values
}

// attach adds an empty copy on a device.
func (m *memory) attach(d Device) {
	b := &block{device: d}
	m.device = &onDevice{device: d, block: b, current: [2]int{host: len(m.host)}}
	runtime.AddCleanup(m.device, (*block).free, b)
}

// send copies the first n elements to the device if they are newer on the host.
// Elements on neither side are zero.
func (m *memory) send(to Device, n int) Ptr {
	d := m.device
	if d.device != to {
		m.fetch(max(n, d.current[device]))
		d.block.free()
		d.device, d.block.device, d.current[device] = to, to, 0
	}
	if d.block.room < n && !m.growDevice(max(n, m.reserve)) {
		return 0
	}
	if d.current[device] >= n {
		return d.block.ptr
	}
	k := min(n, d.current[host])
	if k > d.current[device] {
		d.device.ToDevice(m.host[:k], d.block.ptr)
	} else {
		k = d.current[device]
	}
	if k < n {
		d.device.Zero(n-k, d.block.ptr.At(k))
	}
	d.current[device] = n
	return d.block.ptr
}

// growDevice allocates a larger block and copies the old one. If that fails, it
// changes nothing.
func (m *memory) growDevice(n int) bool {
	d := m.device
	p := d.device.Alloc(n)
	if p == 0 {
		return false
	}
	if k := d.current[device]; k > 0 {
		d.device.Copy(k, d.block.ptr, p)
	}
	d.block.free()
	d.block.ptr, d.block.room = p, n
	return true
}

// Uses lists the addresses that blobs have returned while work was done or
// recorded.
type Uses struct{ list []use }

type use struct {
	blob        *Blob
	memory      *memory
	n           int
	diff, write bool
	ptr         Ptr
	before      [2]int // memory.device.current
}

// Again repeats the effect of returning the addresses, as if the recorded work
// were queued once more. It returns false if an address or a count has changed;
// the work must then be done again without the recording.
func (u *Uses) Again(d Device) bool {
	for i := range u.list {
		e := &u.list[i]
		b := e.blob
		if b.count != e.n || e.diff && b.diff != e.memory || !e.diff && b.data != e.memory || b.onDevice(d, e.diff, e.write) != e.ptr {
			return false
		}
	}
	return true
}

// Undo reverts the effect of returning the addresses, for work that was
// recorded and will not be done.
func (u *Uses) Undo() {
	for i := len(u.list) - 1; i >= 0; i-- {
		u.list[i].memory.device.current = u.list[i].before
	}
	u.list = nil
}
