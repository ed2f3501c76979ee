package blob

import (
	"runtime"
	"sync"
)

// Ptr is the address of a number in the memory of a device. 0 is none.
type Ptr uintptr

// At returns the address of number i of an array of float32 (or of any other
// type of four bytes) that begins at p.
func (p Ptr) At(i int) Ptr { return p + Ptr(4*i) }

// A Device has memory of its own, in which blobs may have a copy of their
// numbers. Package cuda has one. None of the methods returns an error: a device
// keeps the first that it meets, does nothing any more, and whoever runs the
// layers asks it. So Data and its like can move numbers and yet return nothing
// but the numbers.
//
// Work that is put into the device before a call is done before it.
type Device interface {
	Alloc(n int) Ptr                 // room for n numbers, which are undefined; 0 if that fails
	Free(p Ptr)                      // from any goroutine; work that uses p may still wait to be done
	Zero(p Ptr, n int)               // sets n numbers to zero
	Copy(dst, src Ptr, n int)        // on the device
	ToDevice(dst Ptr, src []float32) // src may change when it returns
	ToHost(dst []float32, src Ptr)   // dst has the numbers when it returns
}

// onDevice is the copy of a memory on a device. As in Caffe's syncedmem.hpp,
// the newest numbers are on the host, on the device, or on both.
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

// block is what is given back to the device when nobody uses it any more.
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

// DeviceData returns the address of a device's copy of the numbers, for
// reading. The address stays the same until the blob grows or shares the
// numbers of another.
func (b *Blob) DeviceData(d Device) Ptr { return b.data.deviceRead(d, b.count) }

// MutableDeviceData returns the address of a device's copy of the numbers, for
// writing. The host's copy is then out of date.
func (b *Blob) MutableDeviceData(d Device) Ptr { return b.data.deviceWrite(d, b.count) }

// DeviceDiff returns the address of a device's copy of the gradient, for
// reading.
func (b *Blob) DeviceDiff(d Device) Ptr { return b.diff.deviceRead(d, b.count) }

// MutableDeviceDiff returns the address of a device's copy of the gradient, for
// writing.
func (b *Blob) MutableDeviceDiff(d Device) Ptr { return b.diff.deviceWrite(d, b.count) }

// read returns the first n numbers on the host, the newest there are.
func (m *memory) read(n int) []float32 {
	if m == nil || m.device == nil {
		return m.slice(n)
	}
	m.device.mu.Lock()
	defer m.device.mu.Unlock()
	return m.fetch(n)
}

// write is read for numbers that are going to change.
func (m *memory) write(n int) []float32 {
	if m == nil || m.device == nil {
		return m.slice(n)
	}
	m.device.mu.Lock()
	defer m.device.mu.Unlock()
	values := m.fetch(n)
	m.device.current[device] = 0
	return values
}

// fetch brings the first n numbers to the host, if they are newer on the
// device. What neither has is zero.
func (m *memory) fetch(n int) []float32 {
	values, d := m.slice(n), m.device
	if d.current[host] < n {
		if k := min(n, d.current[device]); k > d.current[host] {
			d.device.ToHost(values[:k], d.block.ptr)
		}
		d.current[host] = n
	}
	return values
}

func (m *memory) deviceRead(d Device, n int) Ptr {
	if m == nil || n == 0 { // no numbers
		return 0
	}
	if m.device == nil {
		m.attach(d)
	}
	m.device.mu.Lock()
	defer m.device.mu.Unlock()
	return m.send(d, n)
}

func (m *memory) deviceWrite(d Device, n int) Ptr {
	p := m.deviceRead(d, n)
	if p != 0 {
		m.device.current[host] = 0
	}
	return p
}

// attach makes the record of a copy on a device, which the numbers of the host
// are all newer than.
func (m *memory) attach(d Device) {
	b := &block{device: d}
	m.device = &onDevice{device: d, block: b, current: [2]int{host: len(m.host)}}
	runtime.AddCleanup(m.device, (*block).free, b)
}

// send brings the first n numbers to the device, if they are newer on the host.
// What neither has is zero.
func (m *memory) send(to Device, n int) Ptr {
	d := m.device
	if d.device != to {
		m.fetch(max(n, d.current[device]))
		d.block.free()
		d.device, d.block.device, d.current[device] = to, to, 0
	}
	if d.block.room < n {
		m.growDevice(max(n, m.reserve))
	}
	if d.block.ptr == 0 || d.current[device] >= n {
		return d.block.ptr
	}
	k := min(n, d.current[host])
	if k > d.current[device] {
		d.device.ToDevice(d.block.ptr, m.host[:k])
	} else {
		k = d.current[device]
	}
	if k < n {
		d.device.Zero(d.block.ptr.At(k), n-k)
	}
	d.current[device] = n
	return d.block.ptr
}

// growDevice takes a larger block and keeps the numbers of the old one.
func (m *memory) growDevice(n int) {
	d := m.device
	p := d.device.Alloc(n)
	if k := d.current[device]; k > 0 && p != 0 {
		d.device.Copy(p, d.block.ptr, k)
	}
	d.block.free()
	d.block.ptr, d.block.room = p, n
	if p == 0 {
		d.block.room, d.current[device] = 0, 0
	}
}
