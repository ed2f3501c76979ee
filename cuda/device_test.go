package cuda_test

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
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
		t.Error("64 TiB were allocated")
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

// everyCall runs use, and then again with each call failing that it makes of the
// driver and the libraries. Each time the fake device must have as many objects
// afterwards as before, and use must return an error, unless a library failed: there
// are kernels that do its work.
func everyCall(t *testing.T, fake *cudatest.Control, use func() error) {
	t.Helper()
	leaks := func() string { return strings.Join(fake.Leaks(), "\n") }
	if err := use(); err != nil {
		t.Fatal(err)
	}
	before := leaks()
	numbers := make(map[string]int)
	for _, call := range fake.Calls() {
		name, _, _ := strings.Cut(call, "(")
		numbers[name]++
	}
	for name, n := range numbers {
		// What gives back can itself not be tried again, and a failed
		// cuCtxSetCurrent leaves nothing to give it back in.
		if strings.Contains(name, "Destroy") || strings.Contains(name, "Free") || strings.Contains(name, "Unload") ||
			strings.Contains(name, "Release") || name == "cuCtxSetCurrent" {
			continue
		}
		for number := 1; number <= n; number++ {
			fake.Set(fmt.Sprintf("fail=%s:%d:999", name, number))
			if err := use(); err == nil && !strings.HasPrefix(name, "cublas") && !strings.HasPrefix(name, "cudnn") {
				t.Errorf("call %d of %s fails, and there is no error", number, name)
			}
			if after := leaks(); after != before {
				t.Fatalf("call %d of %s fails: before there were\n%s\nand afterwards\n%s", number, name, before, after)
			}
		}
	}
}

// TestOpenErrors lets each call of the driver fail that Open and Close make: what
// was taken before must be given back.
func TestOpenErrors(t *testing.T) {
	fake := cudatest.Fake(t, "log=1")
	fake.UseLibraries()
	everyCall(t, fake, func() error {
		d, err := cuda.Open(0)
		if err != nil {
			return err
		}
		return d.Close()
	})
	fake.Set("fail=cuCtxSetCurrent:1:999")
	if d, err := cuda.Open(0); err == nil {
		t.Error("the first call of cuCtxSetCurrent fails, and there is no error")
		d.Close()
	}
}

// TestStagingGoroutines reads and writes blobs in several goroutines, as layers on
// the host do.
func TestStagingGoroutines(t *testing.T) {
	d := cudatest.Device(t)
	var wg sync.WaitGroup
	for seed := range uint64(8) {
		b := random(t, seed, 50_000) // long enough for goroutines to meet
		want := slices.Clone(b.Data())
		wg.Go(func() {
			for round := range 50 {
				b.MutableDeviceData(d) // goes to the device, which has the newer numbers then
				got := b.MutableData()
				if !slices.Equal(got, want) {
					t.Errorf("blob %d has other numbers after round %d", seed, round)
					return
				}
				got[round], want[round] = float32(round), float32(round)
			}
		})
	}
	wg.Wait()
	check(t, d)
}

// TestWaitsSleep checks that what the host waits for are events that let it sleep,
// CU_EVENT_BLOCKING_SYNC, so that it does not take a core from those who prepare
// data.
func TestWaitsSleep(t *testing.T) {
	fake := cudatest.Fake(t, "log=1")
	d, err := cuda.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	u, err := d.NewUpload(5)
	if err != nil {
		t.Fatal(err)
	}
	x := random(t, 1, 5)
	for range 3 {
		x.MutableDeviceData(d)
		x.MutableData()
		d.Sync()
		err = errors.Join(err, u.Fill(0, x.Data()))
		u.Release(0)
	}
	if err := errors.Join(err, d.Check(), u.Close()); err != nil {
		t.Error(err)
	}
	for _, call := range fake.Calls() {
		if strings.HasPrefix(call, "cuEventCreate") && call != "cuEventCreate(3)" {
			t.Errorf("%s: the host does not sleep while it waits for the event", call)
		}
		if strings.HasPrefix(call, "cuEventSynchronize") {
			return
		}
	}
	t.Error("the host waits for no event")
}
