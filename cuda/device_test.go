package cuda_test

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/cuda/driver"
)

// TestOpenNumber opens GPUs that are not there.
func TestOpenNumber(t *testing.T) {
	if _, real := cudatest.Number(t); !real {
		cudatest.Fake(t)
	}
	for _, number := range []int{-1, 1 << 20} {
		if d, err := cuda.Open(number); err == nil {
			d.Close()
			t.Errorf("GPU %d is there", number)
		} else if !strings.Contains(err.Error(), "there is no GPU") {
			t.Errorf("GPU %d: %v", number, err)
		}
	}
}

// TestTooMuchMemory asks for more than any device has, and uses the device after
// that.
func TestTooMuchMemory(t *testing.T) {
	d := cudatest.Device(t)
	if p := d.Alloc(1 << 44); p != 0 {
		t.Error("64 TiB are to be had")
	}
	if err := d.Check(); !errors.Is(err, driver.OutOfMemory) || !strings.Contains(err.Error(), "wanted 70368744177664 bytes on the device") {
		t.Errorf("error %v", err)
	}
	x := random(t, 1, 1000)
	want := append([]float32(nil), x.Data()...)
	for i := range want {
		want[i] *= 2
	}
	d.Scale(1000, 2, x.MutableDeviceData(d), x.DeviceData(d))
	near(t, "x", x.Data(), want, 0)
	check(t, d)
}

// TestMemoryGivenBack opens a device, computes on it and closes it again and again.
// The memory that the driver says is free must not become less. The first rounds do
// not count: the driver keeps something for later.
func TestMemoryGivenBack(t *testing.T) {
	number, real := cudatest.Number(t)
	if !real {
		cudatest.Fake(t)
	}
	drv, err := driver.Open()
	if err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ctx, err := drv.PrimaryRetain(driver.Device(number)) // so that the memory can be asked for
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(drv.SetCurrent(0), drv.PrimaryRelease(driver.Device(number))); err != nil {
			t.Error(err)
		}
	}()
	var free []uint64
	for range 6 {
		useDevice(t, number)
		if err := drv.SetCurrent(ctx); err != nil {
			t.Fatal(err)
		}
		bytes, _, err := drv.MemInfo()
		if err != nil {
			t.Fatal(err)
		}
		free = append(free, bytes)
	}
	if free[len(free)-1] < free[1] {
		t.Errorf("free memory after each round: %d bytes", free)
	}
}

// useDevice takes memory, multiplies matrices and plays recorded work on a device.
func useDevice(t *testing.T, number int) {
	t.Helper()
	d, err := cuda.Open(number)
	if err != nil {
		t.Fatal(err)
	}
	const n = 512
	a, b, c := random(t, 1, n*n), random(t, 2, n*n), random(t, 3, n*n)
	var replay cuda.Replay
	for range 4 {
		err := replay.Run(d, func() error {
			d.Gemm(false, false, n, n, n, 1, a.DeviceData(d), n, b.DeviceData(d), n, 0, c.MutableDeviceData(d), n)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	c.Data()
	if err := errors.Join(d.Check(), replay.Reset(), d.Close()); err != nil {
		t.Error(err)
	}
}
