package cuda

import (
	"errors"
	"runtime"
	"unsafe"

	"github.com/gocaffe/gocaffe/cuda/driver"
)

// An Upload brings numbers to the device ahead of time, beside what that does
// meanwhile. It has places for UploadPlaces lots of numbers. Fill puts a lot into a
// place, through pinned memory and a stream of its own; Take copies from there to
// where it is wanted, in the order of the device's work; Release says that the
// place may be filled again. Fill may be called by another goroutine than the
// rest.
type Upload struct {
	d      *Device
	stream driver.Stream
	room   int
	places [UploadPlaces]place
}

// UploadPlaces is how many places an Upload has: one in use, one being filled.
const UploadPlaces = 2

type place struct {
	pinned        unsafe.Pointer
	ptr           Ptr
	filled, taken driver.Event
	used          bool // taken has been recorded
}

// NewUpload returns an Upload for lots of up to n numbers.
func (d *Device) NewUpload(n int) (*Upload, error) {
	u := &Upload{d: d, room: n}
	err := d.Check()
	d.locked(func() {
		if err == nil {
			u.stream, err = d.drv.StreamCreate()
		}
		for i := range u.places {
			p := &u.places[i]
			if err == nil {
				p.filled, err = d.drv.EventCreate(false)
			}
			if err == nil {
				p.taken, err = d.drv.EventCreate(false)
			}
			if err == nil {
				p.pinned, err = d.drv.HostAlloc(4 * uint64(n))
			}
		}
	})
	for i := range u.places {
		if err == nil {
			u.places[i].ptr = d.Alloc(n)
			err = d.Check()
		}
	}
	if err != nil {
		return nil, errors.Join(err, u.Close())
	}
	return u, nil
}

// Room returns how many numbers a lot may have.
func (u *Upload) Room() int { return u.room }

// Fill puts the parts of a lot, one after the other, into place i, once what Take
// has copied from there before is done. The parts may change when it returns.
func (u *Upload) Fill(i int, parts ...[]float32) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p, drv := &u.places[i], u.d.drv
	if err := drv.SetCurrent(u.d.ctx); err != nil {
		return err
	}
	if p.used {
		if err := drv.EventSynchronize(p.taken); err != nil {
			return err
		}
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

// Take copies n numbers, from number offset on, of the lot in place i to dst.
func (u *Upload) Take(i, offset, n int, dst Ptr) {
	d := u.d
	if d.enter() {
		d.Fail(d.drv.StreamWaitEvent(d.stream, u.places[i].filled))
		d.leave()
	}
	d.Copy(n, u.places[i].ptr.At(offset), dst)
}

// Release says that all of the lot in place i has been taken.
func (u *Upload) Release(i int) {
	d := u.d
	if !d.enter() {
		return
	}
	defer d.leave()
	u.places[i].used = true
	d.Fail(d.drv.EventRecord(u.places[i].taken, d.stream))
}

// Close gives back what the Upload has taken. No Fill is under way.
func (u *Upload) Close() error {
	var errs []error
	u.d.locked(func() {
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
	return errors.Join(errs...)
}
