package blob

import (
	"runtime"
	"slices"
	"testing"
	"time"
)

// fakeDevice is a Device in the host's memory, which counts what is copied. An
// address is 1000 times the number of its block, of up to 200 numbers.
type fakeDevice struct {
	blocks  map[Ptr][]float32
	made    int
	toHost  int // numbers copied
	toDev   int
	freed   chan Ptr
	failing bool
	uses    *Uses
}

func newFakeDevice() *fakeDevice {
	return &fakeDevice{blocks: make(map[Ptr][]float32), freed: make(chan Ptr, 100)}
}

func (d *fakeDevice) at(p Ptr, n int) []float32 {
	return d.blocks[p/1000*1000][p%1000/4:][:n]
}

func (d *fakeDevice) Alloc(n int) Ptr {
	if d.failing {
		return 0
	}
	d.made++
	p := Ptr(1000 * d.made)
	d.blocks[p] = slices.Repeat([]float32{-1e9}, n) // undefined
	return p
}

func (d *fakeDevice) Uses() *Uses                     { return d.uses }
func (d *fakeDevice) Free(p Ptr)                      { d.freed <- p }
func (d *fakeDevice) Zero(n int, p Ptr)               { clear(d.at(p, n)) }
func (d *fakeDevice) Copy(n int, src, dst Ptr)        { copy(d.at(dst, n), d.at(src, n)) }
func (d *fakeDevice) ToDevice(src []float32, dst Ptr) { d.toDev += copy(d.at(dst, len(src)), src) }
func (d *fakeDevice) ToHost(src Ptr, dst []float32) {
	d.toHost += copy(dst, d.at(src, len(dst)))
}

// moved fails the test unless so many numbers were copied to the device and to
// the host since the last call.
func (d *fakeDevice) moved(t *testing.T, what string, toDevice, toHost int) {
	t.Helper()
	if d.toDev != toDevice || d.toHost != toHost {
		t.Errorf("%s: %d numbers to the device and %d to the host, want %d and %d", what, d.toDev, d.toHost, toDevice, toHost)
	}
	d.toDev, d.toHost = 0, 0
}

// TestDeviceMoves goes through the states of the numbers.
func TestDeviceMoves(t *testing.T) {
	d := newFakeDevice()
	b := newBlob(t, 3)
	p := b.DeviceData(d)
	if got := d.at(p, 3); !slices.Equal(got, []float32{0, 0, 0}) {
		t.Errorf("new numbers are %v on the device, want zeros", got)
	}
	d.moved(t, "new", 0, 0)
	copy(b.MutableData(), []float32{1, 2, 3})
	d.moved(t, "first read on the host", 0, 3)
	if b.DeviceData(d) != p || !slices.Equal(d.at(p, 3), []float32{1, 2, 3}) {
		t.Errorf("device has %v", d.at(p, 3))
	}
	d.moved(t, "written on the host", 3, 0)
	b.DeviceData(d)
	b.Data()
	d.moved(t, "both", 0, 0)
	copy(d.at(b.MutableDeviceData(d), 3), []float32{4, 5, 6})
	d.moved(t, "both, to write", 0, 0)
	if got := b.Data(); !slices.Equal(got, []float32{4, 5, 6}) {
		t.Errorf("host has %v after a write on the device", got)
	}
	d.moved(t, "written on the device", 0, 3)
	b.MutableData()[0] = 7
	if got := d.at(b.MutableDeviceData(d), 3); !slices.Equal(got, []float32{7, 5, 6}) {
		t.Errorf("device has %v", got)
	}
	d.moved(t, "written on the host, to write on the device", 3, 0)
	if b.Diff()[0] != 0 || d.made != 1 {
		t.Errorf("diff is %v, %d blocks", b.Diff(), d.made)
	}
	d.moved(t, "the diff has no copy", 0, 0)
	copy(d.at(b.MutableDeviceDiff(d), 3), []float32{1, 1, 2})
	if got := b.Diff(); !slices.Equal(got, []float32{1, 1, 2}) || b.DeviceDiff(d) == p {
		t.Errorf("diff is %v", got)
	}
}

// TestDeviceReshape checks that numbers are kept when the count changes, on
// whichever side the newest are.
func TestDeviceReshape(t *testing.T) {
	d := newFakeDevice()
	b := newBlob(t, 4)
	copy(d.at(b.MutableDeviceData(d), 4), []float32{1, 2, 3, 4})
	reshape := func(n int) {
		t.Helper()
		if err := b.Reshape(n); err != nil {
			t.Fatal(err)
		}
	}
	reshape(6)
	if got := d.at(b.DeviceData(d), 6); !slices.Equal(got, []float32{1, 2, 3, 4, 0, 0}) {
		t.Errorf("grown on the device: %v", got)
	}
	if p := <-d.freed; p != 1000 {
		t.Errorf("block %d was given back, want 1000", p)
	}
	d.moved(t, "growth on the device", 0, 0)
	reshape(2)
	if got := b.Data(); !slices.Equal(got, []float32{1, 2}) {
		t.Errorf("smaller: %v", got)
	}
	d.moved(t, "smaller", 0, 2)
	reshape(5)
	if got := b.Data(); !slices.Equal(got, []float32{1, 2, 3, 4, 0}) {
		t.Errorf("larger again: %v", got)
	}
	b.MutableData()[4] = 5
	reshape(8)
	if got := d.at(b.DeviceData(d), 8); !slices.Equal(got[:5], []float32{1, 2, 3, 4, 5}) {
		t.Errorf("grown with the newest on the host: %v", got)
	}
	if got := newBlob(t, 0).DeviceData(d); got != 0 {
		t.Errorf("no numbers are at %d", got)
	}
}

// TestDeviceShared checks that blobs that share numbers share their copy.
func TestDeviceShared(t *testing.T) {
	d := newFakeDevice()
	a, b := newBlob(t, 3), newBlob(t, 3)
	copy(a.MutableData(), []float32{1, 2, 3})
	if err := b.ShareData(a); err != nil {
		t.Fatal(err)
	}
	d.at(a.MutableDeviceData(d), 3)[0] = 9
	if b.DeviceData(d) != a.DeviceData(d) || b.Data()[0] != 9 {
		t.Errorf("shared numbers are %v", b.Data())
	}
	var s Storage
	s.Reserve(10)
	a.PlaceData(&s)
	b.PlaceData(&s)
	if a.MutableDeviceData(d) != b.MutableDeviceData(d) || len(d.blocks[a.DeviceData(d)]) != 10 {
		t.Error("arrays in one storage are not in one block of the size reserved")
	}
}

// TestTwoDevices moves numbers from one device to another.
func TestTwoDevices(t *testing.T) {
	d, e := newFakeDevice(), newFakeDevice()
	b := newBlob(t, 2)
	copy(d.at(b.MutableDeviceData(d), 2), []float32{1, 2})
	if got := e.at(b.DeviceData(e), 2); !slices.Equal(got, []float32{1, 2}) {
		t.Errorf("the second device has %v", got)
	}
	if p := <-d.freed; p != 1000 {
		t.Errorf("block %d of the first device was given back", p)
	}
}

// TestDeviceFails checks that a device without memory leaves the host's
// numbers.
func TestDeviceFails(t *testing.T) {
	d := newFakeDevice()
	d.failing = true
	b := newBlob(t, 2)
	b.MutableData()[1] = 5
	if p := b.MutableDeviceData(d); p != 0 {
		t.Errorf("no memory is at %d", p)
	}
	if got := b.Data(); !slices.Equal(got, []float32{0, 5}) {
		t.Errorf("numbers are %v", got)
	}
}

// TestDeviceFree checks that the block of a blob that nobody has any more is
// given back.
func TestDeviceFree(t *testing.T) {
	d := newFakeDevice()
	func() { newBlob(t, 2).DeviceData(d) }()
	for range 100 {
		runtime.GC()
		select {
		case p := <-d.freed:
			if p != 1000 {
				t.Errorf("block %d was given back, want 1000", p)
			}
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Error("the block of a blob that is gone is not given back")
}

// TestDeviceAllocs checks that moving allocates nothing.
func TestDeviceAllocs(t *testing.T) {
	d := newFakeDevice()
	b := newBlob(t, 2)
	b.DeviceData(d)
	if n := testing.AllocsPerRun(10, func() { b.MutableData()[0]++; b.MutableDeviceData(d) }); n != 0 {
		t.Errorf("moving allocates %v times", n)
	}
}

// TestUses records the use of numbers, repeats it and takes it back.
func TestUses(t *testing.T) {
	d := newFakeDevice()
	a, b := newBlob(t, 3), newBlob(t, 3)
	pass := func() { a.DeviceData(d); b.MutableDeviceDiff(d) }
	pass()
	d.moved(t, "first", 0, 0)
	var uses Uses
	d.uses = &uses
	pass()
	d.uses = nil
	a.MutableData()[0] = 1
	b.Diff()
	d.moved(t, "host", 0, 6)
	if !uses.Again(d) {
		t.Fatal("the uses cannot be repeated")
	}
	d.moved(t, "again", 3, 0)
	b.Diff()
	d.moved(t, "diff after again", 0, 3) // it counts as written
	if n := testing.AllocsPerRun(10, func() { uses.Again(d) }); n != 0 {
		t.Errorf("Again allocates %v times", n)
	}
	d.uses = new(Uses)
	b.Diff()
	d.moved(t, "diff", 0, 3)
	pass()
	d.uses.Undo()
	d.uses = nil
	b.Diff()
	d.moved(t, "diff after undo", 0, 0)
	if err := b.Reshape(2); err != nil {
		t.Fatal(err)
	}
	if uses.Again(d) {
		t.Error("the uses of another count are repeated")
	}
	if err := b.Reshape(3); err != nil {
		t.Fatal(err)
	}
	if err := a.ShareData(newBlob(t, 3)); err != nil {
		t.Fatal(err)
	}
	if uses.Again(d) {
		t.Error("the uses of other numbers are repeated")
	}
}
