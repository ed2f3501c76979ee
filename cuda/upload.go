package cuda

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/gocaffe/gocaffe/cuda/driver"
)

// An Upload copies data to the device ahead of time, while the device computes.
// It has UploadPlaces buffers. Fill copies data into a buffer, through pinned
// memory and a stream of its own; Take copies from the buffer to where the data
// are needed, in the order of the device's work; Release allows Fill to write the
// buffer again. Fill may be called by another goroutine than the other methods.
type Upload struct {
	d      *Device
	stream driver.Stream
	room   int
	places [UploadPlaces]place
}

// UploadPlaces is the number of buffers of an Upload: one in use, one being
// filled.
const UploadPlaces = 2

// place is a buffer.
type place struct {
	pinned        unsafe.Pointer
	ptr           Ptr
	filled, taken driver.Event // filled is in the Upload's stream, taken in the device's
}

// NewUpload returns an Upload whose buffers have room for n elements each. It
// cannot be recorded.
func (d *Device) NewUpload(n int) (*Upload, error) {
	if n < 1 {
		return nil, fmt.Errorf("an Upload of %d elements: want at least 1", n)
	}
	if d.notRecordable("making an Upload") {
		return nil, d.Check()
	}
	u := &Upload{d: d, room: n}
	if err := errors.Join(d.Check(), u.open()); err != nil {
		return nil, errors.Join(err, u.Close())
	}
	return u, nil
}

func (u *Upload) open() (err error) {
	d, drv := u.d, u.d.drv
	for i := range u.places {
		if u.places[i].ptr = d.Alloc(u.room); u.places[i].ptr == 0 {
			return d.Check()
		}
	}
	current := d.locked(func() {
		if u.stream, err = drv.StreamCreate(); err != nil {
			return
		}
		for i := range u.places {
			p := &u.places[i]
			if p.filled, err = drv.EventCreate(false); err != nil {
				return
			}
			if p.taken, err = drv.EventCreate(false); err != nil {
				return
			}
			if p.pinned, err = drv.HostAlloc(4 * uint64(u.room)); err != nil {
				return
			}
			// Work that is queued may still use the memory for what it was before.
			if err = drv.EventRecord(p.taken, d.stream); err != nil {
				return
			}
		}
	})
	return errors.Join(current, err)
}

// Room returns the number of elements that a buffer has room for.
func (u *Upload) Room() int { return u.room }

// Fill copies parts, one after the other, into buffer i. It waits until what Take
// has queued before the last Release of the buffer is done. The parts may change
// when it returns.
func (u *Upload) Fill(i int, parts ...[]float32) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p, drv := &u.places[i], u.d.drv
	if err := drv.SetCurrent(u.d.ctx); err != nil {
		return err
	}
	if err := drv.EventSynchronize(p.taken); err != nil {
		return err
	}
	room, n := unsafe.Slice((*float32)(p.pinned), u.room), 0
	for _, part := range parts {
		n += copy(room[n:], part)
	}
	if err := drv.CopyToDeviceAsync(driver.Ptr(p.ptr), p.pinned, 4*uint64(n), u.stream); err != nil {
		return err
	}
	return drv.EventRecord(p.filled, u.stream)
}

// Take copies n elements of buffer i, starting at element offset, to dst.
func (u *Upload) Take(i, offset, n int, dst Ptr) {
	d := u.d
	if d.enter() {
		d.Fail(d.drv.StreamWaitEvent(d.stream, u.places[i].filled))
		d.leave()
	}
	d.Copy(n, u.places[i].ptr.At(offset), dst)
}

// Release declares that everything needed from buffer i has been taken.
func (u *Upload) Release(i int) {
	d := u.d
	if !d.enter() {
		return
	}
	defer d.leave()
	d.Fail(d.drv.EventRecord(u.places[i].taken, d.stream))
}

// Close frees the Upload's memory. No Fill may be running.
func (u *Upload) Close() error {
	var errs []error
	err := u.d.locked(func() {
		drv := u.d.drv
		if u.stream != 0 {
			errs = append(errs, drv.StreamSynchronize(u.stream), drv.StreamDestroy(u.stream))
		}
		for i := range u.places {
			p := &u.places[i]
			for _, e := range []driver.Event{p.filled, p.taken} {
				if e != 0 {
					errs = append(errs, drv.EventDestroy(e))
				}
			}
			if p.pinned != nil {
				errs = append(errs, drv.HostFree(p.pinned))
			}
			u.d.Free(p.ptr)
		}
	})
	return errors.Join(append(errs, err)...)
}
