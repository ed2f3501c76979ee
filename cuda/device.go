package cuda

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"unsafe"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda/driver"
)

// Ptr is the address of an element in a device's memory, or 0 for none.
type Ptr = blob.Ptr

// A Device is a GPU that runs layers. It implements blob.Device.
type Device struct {
	number int
	name   string
	major  int // compute capability
	minor  int

	drv    driver.Driver
	ctx    driver.Context
	stream driver.Stream
	idle   driver.Event // recorded by Sync

	err       atomic.Pointer[error]
	recording bool
	uses      *blob.Uses // records the addresses that blobs give out; nil when not recording

	libraries    libraries
	precision    Precision
	convolutions convolutions
	memory       memory
	staging      staging
	modules      map[string]loadedModule // by the PTX
	functions    map[*Kernel]function
	config       driver.Config // of the current launch; kept here to avoid an allocation
	args         [maxArgs]uint64
	params       [maxArgs]unsafe.Pointer // to args

	scratch     room
	channelSums room
}

var _ blob.Device = (*Device)(nil)

// Open opens the GPU with the given number, starting at 0. The error says what was
// looked for and what to do. Close releases everything on the GPU.
func Open(number int) (*Device, error) {
	drv, err := driver.Open()
	if err != nil {
		return nil, err
	}
	n, err := drv.DeviceCount()
	if err != nil {
		return nil, err
	}
	if number < 0 || number >= n {
		return nil, fmt.Errorf("there is no GPU %d: the driver finds %d, numbered from 0", number, n)
	}
	d := &Device{
		number:    number,
		drv:       drv,
		modules:   make(map[string]loadedModule),
		functions: make(map[*Kernel]function),
	}
	for i := range d.args {
		d.params[i] = unsafe.Pointer(&d.args[i])
	}
	if err := d.open(driver.Device(number)); err != nil {
		return nil, fmt.Errorf("GPU %d: %w", number, err)
	}
	return d, nil
}

func (d *Device) open(dev driver.Device) (err error) {
	if d.name, err = d.drv.DeviceName(dev); err != nil {
		return err
	}
	for _, a := range []struct {
		attribute driver.Attribute
		value     *int
	}{{driver.CapabilityMajor, &d.major}, {driver.CapabilityMinor, &d.minor}} {
		if *a.value, err = d.drv.DeviceAttribute(a.attribute, dev); err != nil {
			return err
		}
	}
	if d.major < 7 {
		return fmt.Errorf("%s has compute capability %d.%d, the kernels need 7.0 (Volta) or newer", d.name, d.major, d.minor)
	}
	if d.ctx, err = d.drv.PrimaryRetain(dev); err != nil {
		return err
	}
	current := d.locked(func() {
		if d.stream, err = d.drv.StreamCreate(); err != nil {
			return
		}
		if d.idle, err = d.drv.EventCreate(false); err != nil {
			return
		}
		d.libraries.open(d.drv, d.stream)
	})
	if err = errors.Join(current, err); err != nil {
		err = errors.Join(err, d.release())
	}
	return err
}

// Close waits for the device and releases everything on it.
func (d *Device) Close() error {
	err := d.Check()
	return errors.Join(err, d.release())
}

// release releases whatever open and the other methods have created so far.
func (d *Device) release() error {
	var errs []error
	add := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	current := d.locked(func() {
		if d.stream != 0 {
			add(d.drv.StreamSynchronize(d.stream))
		}
		add(d.convolutions.close())
		add(d.libraries.close())
		d.memory.freeAll(d.drv, add)
		d.staging.free(d.drv, add)
		for _, m := range d.modules {
			add(d.drv.ModuleUnload(m.handle))
		}
		if d.idle != 0 {
			add(d.drv.EventDestroy(d.idle))
		}
		if d.stream != 0 {
			add(d.drv.StreamDestroy(d.stream))
		}
	})
	add(current)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	add(d.drv.SetCurrent(0))
	add(d.drv.PrimaryRelease(driver.Device(d.number)))
	return errors.Join(errs...)
}

// Number returns the number that the device was opened with.
func (d *Device) Number() int { return d.number }

// Name returns the name of the device: "NVIDIA A100-SXM4-40GB".
func (d *Device) Name() string { return d.name }

// Capability returns the compute capability, which is 8, 0 for an A100.
func (d *Device) Capability() (major, minor int) { return d.major, d.minor }

// Check returns the first error since the last Check, and clears it.
func (d *Device) Check() error {
	if p := d.err.Swap(nil); p != nil {
		return *p
	}
	return nil
}

// Fail keeps an error for Check, unless there is an earlier one. Layers call it when
// a kernel has found an error in the data.
func (d *Device) Fail(err error) {
	if err != nil {
		kept := err // a copy, so that only an error allocates
		d.err.CompareAndSwap(nil, &kept)
	}
}

// enter makes the device's context current for this goroutine until leave. If there
// is an error already it returns false, and leave must not be called.
func (d *Device) enter() bool {
	if d.err.Load() != nil {
		return false
	}
	runtime.LockOSThread()
	if err := d.drv.SetCurrent(d.ctx); err != nil {
		runtime.UnlockOSThread()
		d.Fail(err)
		return false
	}
	return true
}

func (d *Device) leave() { runtime.UnlockOSThread() }

// locked runs f with the context current, even if there is an error already. It
// returns an error, and does not run f, if the context cannot be made current.
func (d *Device) locked(f func()) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := d.drv.SetCurrent(d.ctx); err != nil {
		return err
	}
	f()
	return nil
}

// Sync waits until the device has finished the queued work.
func (d *Device) Sync() {
	if !d.enter() {
		return
	}
	defer d.leave()
	if d.notRecordable("waiting for the device") {
		return
	}
	if err := d.drv.EventRecord(d.idle, d.stream); err != nil {
		d.Fail(err)
		return
	}
	d.Fail(d.drv.EventSynchronize(d.idle)) // sleeps, which StreamSynchronize does not
}

// notRecordable reports whether work is being recorded. If so it fails with
// ErrNotRecordable, since what the caller is about to do cannot be recorded.
func (d *Device) notRecordable(what string) bool {
	if d.recording {
		d.Fail(fmt.Errorf("%w: %s", ErrNotRecordable, what))
	}
	return d.recording
}

// Uses returns the record of the addresses that blobs give out, or nil when not
// recording.
func (d *Device) Uses() *blob.Uses { return d.uses }

// room is memory on the device that grows on demand.
type room struct {
	ptr Ptr
	n   int
}

// of returns memory for n elements, or 0 if there is none.
func (r *room) of(d *Device, n int) Ptr {
	if err := r.grow(d, n); err != nil {
		d.Fail(err)
	}
	if r.n < n {
		return 0
	}
	return r.ptr
}

// grow allocates memory for n elements. Recorded passes may still use the old memory, so
// it is kept. If the memory suffices the size doubles, so that all the old memory
// together is less than the new.
func (r *room) grow(d *Device, n int) error {
	if n <= r.n {
		return nil
	}
	size := max(n, 2*r.n)
	p, err := d.alloc(size)
	if errors.Is(err, driver.OutOfMemory) && size > n {
		size = n
		p, err = d.alloc(size)
	}
	if p != 0 {
		r.ptr, r.n = p, size
	}
	return err
}

// Scratch returns memory for n elements, valid until the next call of Scratch.
// Work that was queued before that call may still use it: the stream keeps the
// order.
func (d *Device) Scratch(n int) Ptr { return d.scratch.of(d, n) }
