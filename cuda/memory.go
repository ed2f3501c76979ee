package cuda

import (
	"sync"
	"unsafe"

	"github.com/gocaffe/gocaffe/cuda/driver"
)

// memory is an allocator that keeps freed blocks for reuse, since the driver waits
// for the device when it frees memory. All work is on one stream, so a block can be
// reused while queued work still uses it. An Upload, which has a stream of its own,
// waits for that work.
type memory struct {
	mu     sync.Mutex
	size   map[Ptr]uint64   // of all blocks, in bytes
	idle   map[uint64][]Ptr // free blocks, by size
	used   uint64
	cached uint64
}

// blockBytes rounds a size up, so that blocks have few different sizes: to a multiple
// of 512 bytes and, above 1 MiB, of an eighth of the power of two below.
func blockBytes(bytes uint64) uint64 {
	unit := uint64(512)
	for unit*16 <= bytes && bytes > 1<<20 {
		unit *= 2
	}
	return (bytes + unit - 1) / unit * unit
}

// Alloc returns memory for n elements, whose contents are undefined, or 0 if that
// fails. Free returns it.
func (d *Device) Alloc(n int) Ptr {
	p, err := d.alloc(n)
	if err != nil {
		d.Fail(err)
	}
	return p
}

// alloc is Alloc for callers that can do without the memory. It returns 0 and no
// error if n is 0 or the device has an error already.
func (d *Device) alloc(n int) (Ptr, error) {
	if n <= 0 {
		return 0, nil
	}
	bytes := blockBytes(4 * uint64(n))
	m := &d.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if list := m.idle[bytes]; len(list) > 0 {
		p := list[len(list)-1]
		m.idle[bytes] = list[:len(list)-1]
		m.used += bytes
		m.cached -= bytes
		return p, nil
	}
	if !d.enter() {
		return 0, nil
	}
	defer d.leave()
	if d.notRecordable("allocating memory") {
		return 0, nil
	}
	p, err := d.drv.MemAlloc(bytes)
	if err != nil && m.cached > 0 {
		m.freeIdle(d.drv, d.Fail)
		p, err = d.drv.MemAlloc(bytes)
	}
	if err != nil {
		return 0, err
	}
	if m.size == nil {
		m.size, m.idle = make(map[Ptr]uint64), make(map[uint64][]Ptr)
	}
	m.size[Ptr(p)] = bytes
	m.used += bytes
	return Ptr(p), nil
}

// free returns how many bytes can be allocated on the device, with those that are
// kept for reuse, and how many it has. The context is current.
func (d *Device) free() (free, total uint64, err error) {
	free, total, err = d.drv.MemInfo()
	d.memory.mu.Lock()
	defer d.memory.mu.Unlock()
	return free + d.memory.cached, total, err
}

// Free returns memory of Alloc. Any goroutine may call it; after Close it does
// nothing.
func (d *Device) Free(p Ptr) {
	m := &d.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if bytes, ok := m.size[p]; ok {
		m.idle[bytes] = append(m.idle[bytes], p)
		m.used -= bytes
		m.cached += bytes
	}
}

// MemoryUsed returns the number of bytes on the device that blobs and layers use,
// without those of the kernels and the driver.
func (d *Device) MemoryUsed() uint64 {
	d.memory.mu.Lock()
	defer d.memory.mu.Unlock()
	return d.memory.used
}

// freeIdle returns the free blocks to the driver.
func (m *memory) freeIdle(drv driver.Driver, failed func(error)) {
	for _, list := range m.idle {
		for _, p := range list {
			failed(drv.MemFree(driver.Ptr(p)))
			delete(m.size, p)
		}
	}
	clear(m.idle)
	m.cached = 0
}

func (m *memory) freeAll(drv driver.Driver, failed func(error)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for p := range m.size {
		failed(drv.MemFree(driver.Ptr(p)))
	}
	m.size, m.idle, m.used, m.cached = nil, nil, 0, 0
}

// Zero sets the n elements of y to zero.
func (d *Device) Zero(n int, y Ptr) { d.memset(n, 0, y) }

// memset sets the n elements of y to the float32 with the given bits.
func (d *Device) memset(n int, bits uint32, y Ptr) {
	if n <= 0 || !d.enter() {
		return
	}
	defer d.leave()
	d.Fail(d.drv.Memset32Async(driver.Ptr(y), bits, uint64(n), d.stream))
}

// Copy copies n elements from x to y, both on the device.
func (d *Device) Copy(n int, x, y Ptr) {
	if n <= 0 || x == y || !d.enter() {
		return
	}
	defer d.leave()
	d.Fail(d.drv.CopyOnDeviceAsync(driver.Ptr(y), driver.Ptr(x), 4*uint64(n), d.stream))
}

// staging is pinned memory through which data are copied between Go's memory and
// the device. It has two slots, which are used in turn, each with an event that
// says when the device is done with it.
type staging struct {
	mu    sync.Mutex // layers on the host read blobs in several goroutines
	slots [2]slot
	next  int
}

type slot struct {
	mem  unsafe.Pointer
	done driver.Event
	busy bool // done has been recorded
}

const slotElements = 1 << 18 // 1 MiB

// take returns the next slot as soon as the device is done with it.
func (s *staging) take(drv driver.Driver) (*slot, []float32, error) {
	slot := &s.slots[s.next]
	s.next = (s.next + 1) % len(s.slots)
	var err error
	if slot.done == 0 {
		if slot.done, err = drv.EventCreate(false); err != nil {
			return nil, nil, err
		}
	}
	if slot.mem == nil {
		if slot.mem, err = drv.HostAlloc(4 * slotElements); err != nil {
			return nil, nil, err
		}
	}
	if err := slot.wait(drv); err != nil {
		return nil, nil, err
	}
	return slot, unsafe.Slice((*float32)(slot.mem), slotElements), nil
}

// wait waits until the device is done with the slot.
func (s *slot) wait(drv driver.Driver) error {
	if !s.busy {
		return nil
	}
	s.busy = false
	return drv.EventSynchronize(s.done)
}

func (s *staging) free(drv driver.Driver, failed func(error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.slots {
		if s.slots[i].mem != nil {
			failed(drv.HostFree(s.slots[i].mem))
		}
		if s.slots[i].done != 0 {
			failed(drv.EventDestroy(s.slots[i].done))
		}
	}
	s.slots = [2]slot{}
}

// ToDevice copies src to the device, after the work queued before. When it
// returns, src may change, and the copy may still be queued. It may be called by
// several goroutines.
func (d *Device) ToDevice(src []float32, dst Ptr) {
	if len(src) == 0 || !d.enter() {
		return
	}
	defer d.leave()
	if d.notRecordable("copying data to the device") {
		return
	}
	d.staging.mu.Lock()
	defer d.staging.mu.Unlock()
	for len(src) > 0 {
		slot, room, err := d.staging.take(d.drv)
		if err != nil {
			d.Fail(err)
			return
		}
		n := copy(room, src)
		if err := d.drv.CopyToDeviceAsync(driver.Ptr(dst), slot.mem, 4*uint64(n), d.stream); err != nil {
			d.Fail(err)
			return
		}
		if err := d.drv.EventRecord(slot.done, d.stream); err != nil {
			d.Fail(err)
			return
		}
		slot.busy = true
		dst, src = dst.At(n), src[n:]
	}
}

// ToHost copies data from the device, after the work queued before, and waits for
// them. It may be called by several goroutines.
func (d *Device) ToHost(src Ptr, dst []float32) {
	if len(dst) == 0 || !d.enter() {
		return
	}
	defer d.leave()
	if d.notRecordable("copying data from the device") {
		return
	}
	d.staging.mu.Lock()
	defer d.staging.mu.Unlock()
	for len(dst) > 0 {
		slot, room, err := d.staging.take(d.drv)
		if err != nil {
			d.Fail(err)
			return
		}
		n := min(len(dst), len(room))
		if err := d.drv.CopyToHostAsync(slot.mem, driver.Ptr(src), 4*uint64(n), d.stream); err != nil {
			d.Fail(err)
			return
		}
		if err := d.drv.EventRecord(slot.done, d.stream); err != nil {
			d.Fail(err)
			return
		}
		slot.busy = true
		if err := slot.wait(d.drv); err != nil {
			d.Fail(err)
			return
		}
		copy(dst, room[:n])
		dst, src = dst[n:], src.At(n)
	}
}

// Ints returns the memory of values as ints, for tables of ints that are stored in
// a blob and read by kernels.
func Ints(values []float32) []int32 {
	return unsafe.Slice((*int32)(unsafe.Pointer(unsafe.SliceData(values))), len(values))
}
