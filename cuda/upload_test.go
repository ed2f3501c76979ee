package cuda_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
)

// TestUploadBlockInUse gives an Upload memory that queued work still reads, on a
// device that does nothing before the host waits for it: Fill must not overwrite
// what that work is going to read.
func TestUploadBlockInUse(t *testing.T) {
	d := cudatest.Device(t, "async=late")
	const n = 1000
	want := random(t, 1, n).Data()
	result := random(t, 2, n)
	block := d.Alloc(n)
	d.ToDevice(want, block)
	d.Sync()
	d.Copy(n, block, result.MutableDeviceData(d)) // is queued
	d.Free(block)
	u, err := d.NewUpload(n)
	if err != nil {
		t.Fatal(err)
	}
	for i := range cuda.UploadPlaces {
		if err := u.Fill(i, random(t, 3, n).Data()); err != nil {
			t.Fatal(err)
		}
	}
	if err := u.Close(); err != nil { // the device copies what Fill has queued
		t.Fatal(err)
	}
	near(t, "copy of the block", result.Data(), want, 0)
	check(t, d)
}

// TestUpload brings lots to a device through both places in turn, in several
// parts, while the work on those before is queued.
func TestUpload(t *testing.T) {
	d := cudatest.Device(t)
	const n, rounds = 900, 7
	u, err := d.NewUpload(n)
	if err != nil {
		t.Fatal(err)
	}
	if u.Room() != n {
		t.Errorf("there is room for %d elements, want %d", u.Room(), n)
	}
	sum, part := random(t, 1, 500), random(t, 2, 500)
	want := slices.Clone(sum.Data())
	for round := range rounds {
		lot := random(t, uint64(3+round), n).Data()
		if err := u.Fill(round%cuda.UploadPlaces, lot[:300], nil, lot[300:]); err != nil {
			t.Fatal(err)
		}
		u.Take(round%cuda.UploadPlaces, 200, 500, part.MutableDeviceData(d))
		u.Release(round % cuda.UploadPlaces)
		d.Axpy(500, 1, part.DeviceData(d), sum.MutableDeviceData(d))
		for i := range want {
			want[i] += lot[200+i]
		}
		clear(lot) // Fill has copied it
	}
	near(t, "sum", sum.Data(), want, 0)
	if err := errors.Join(d.Check(), u.Close()); err != nil {
		t.Error(err)
	}
}

// TestUploadErrors lets each call of the driver fail that NewUpload makes: what it
// took before must be given back.
func TestUploadErrors(t *testing.T) {
	fake := cudatest.Fake(t, "log=1")
	everyCall(t, fake, func() error {
		d, err := cuda.Open(0)
		if err != nil {
			return err
		}
		u, err := d.NewUpload(100)
		if err == nil {
			err = u.Close()
		} else if u != nil {
			t.Error("an Upload is returned with an error")
		}
		return errors.Join(err, d.Close())
	})
	d, err := cuda.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := d.NewUpload(0); err == nil || err.Error() != "an Upload of 0 elements: want at least 1" {
		t.Errorf("no elements: error %v", err)
	}
	if _, err := d.Record(func() error {
		_, err := d.NewUpload(100)
		return err
	}); !errors.Is(err, cuda.ErrNotRecordable) {
		t.Errorf("NewUpload while work is recorded: error %v", err)
	}
}
