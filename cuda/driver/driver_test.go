package driver_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/cuda/driver"
)

// open makes the fake driver's device 0 current on this thread until the end of
// the test.
func open(t testing.TB, settings ...string) (driver.Driver, *cudatest.Control) {
	t.Helper()
	fake := cudatest.Fake(t, settings...)
	return current(t, 0), fake
}

// openAny is open for the GPU of GOCAFFE_DEVICE, if that is set. Then there is no
// Control.
func openAny(t testing.TB) (driver.Driver, *cudatest.Control) {
	t.Helper()
	if number, real := cudatest.Number(t); real {
		return current(t, driver.Device(number)), nil
	}
	return open(t)
}

// current makes a device current on this thread until the end of the test.
func current(t testing.TB, number driver.Device) driver.Driver {
	t.Helper()
	d, err := driver.Open()
	ok(t, err)
	runtime.LockOSThread()
	c, err := d.PrimaryRetain(number)
	ok(t, err)
	ok(t, d.SetCurrent(c))
	t.Cleanup(func() {
		ok(t, d.SetCurrent(0))
		ok(t, d.PrimaryRelease(number))
		runtime.UnlockOSThread()
	})
	return d
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want checks an error's text.
func want(t testing.TB, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not have %q", err, part)
		}
	}
}

func upload(t testing.TB, d driver.Driver, x []float32) driver.Ptr {
	t.Helper()
	p, err := d.MemAlloc(uint64(4 * len(x)))
	ok(t, err)
	t.Cleanup(func() { ok(t, d.MemFree(p)) })
	ok(t, d.CopyToDevice(p, unsafe.Pointer(&x[0]), uint64(4*len(x))))
	return p
}

func download(t testing.TB, d driver.Driver, p driver.Ptr, n int) []float32 {
	t.Helper()
	x := make([]float32, n)
	ok(t, d.CopyToHost(unsafe.Pointer(&x[0]), p, uint64(4*n)))
	return x
}

func stream(t testing.TB, d driver.Driver) driver.Stream {
	t.Helper()
	s, err := d.StreamCreate()
	ok(t, err)
	t.Cleanup(func() { ok(t, d.StreamDestroy(s)) })
	return s
}

// ptx returns the text of a module.
func ptx(t testing.TB, m *cuda.Module) string {
	t.Helper()
	text, err := m.PTX()
	ok(t, err)
	return text
}

func kernel(t testing.TB, d driver.Driver, name string) driver.Function {
	t.Helper()
	m, err := d.ModuleLoad(ptx(t, cudatest.SelfTest))
	ok(t, err)
	t.Cleanup(func() { ok(t, d.ModuleUnload(m)) })
	f, err := d.ModuleFunction(m, name)
	ok(t, err)
	return f
}

// pinned returns pinned memory as numbers.
func pinned(t testing.TB, d driver.Driver, n int) []float32 {
	t.Helper()
	p, err := d.HostAlloc(uint64(4 * n))
	ok(t, err)
	t.Cleanup(func() { ok(t, d.HostFree(p)) })
	return unsafe.Slice((*float32)(p), n)
}

func config(grid, block uint32, s driver.Stream) *driver.Config {
	return &driver.Config{Grid: driver.Dim{X: grid, Y: 1, Z: 1}, Block: driver.Dim{X: block, Y: 1, Z: 1}, Stream: s}
}

func count(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i)
	}
	return x
}

func TestDevices(t *testing.T) {
	d, fake := open(t, "devices=2 memory=1000000 capability=75 version=12060")
	n, err := d.DeviceCount()
	ok(t, err)
	name, err := d.DeviceName(1)
	ok(t, err)
	total, err := d.DeviceTotalMem(1)
	ok(t, err)
	major, err := d.DeviceAttribute(driver.CapabilityMajor, 1)
	ok(t, err)
	minor, err := d.DeviceAttribute(driver.CapabilityMinor, 1)
	ok(t, err)
	got := fmt.Sprintln(n, name, total, major, minor, d.Version(), d.Library() == fake.File)
	if want := "2 Fake device 1 1000000 7 5 12060 true\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	_, err = d.DeviceName(2)
	want(t, err, "cuDeviceGetName", "there is no such device", "CUDA_ERROR_INVALID_DEVICE", "101")
}

func TestOpenErrors(t *testing.T) {
	t.Run("no library", func(t *testing.T) {
		t.Setenv(driver.Env, "/nowhere/libcuda.so.1")
		_, err := driver.Open()
		want(t, err, "no CUDA driver", driver.Env, "/nowhere/libcuda.so.1")
		if !errors.Is(err, driver.ErrNoDriver) {
			t.Error("is not ErrNoDriver")
		}
	})
	for _, c := range []struct {
		settings string
		want     []string
	}{
		{"devices=0", []string{"cuInit", "no CUDA device", "sees no NVIDIA device"}},
		{"version=10020", []string{"supports CUDA 10.2", "need 11.0", "install NVIDIA driver 450"}},
		{"fail=cuInit:1:999", []string{"CUDA_ERROR_UNKNOWN", "nvidia_uvm"}},
		{"fail=cuInit:1:34", []string{"stub", "LD_LIBRARY_PATH"}},
		{"fail=cuInit:1:803", []string{"different versions"}},
	} {
		t.Run(c.settings, func(t *testing.T) {
			cudatest.Fake(t, c.settings)
			_, err := driver.Open()
			want(t, err, c.want...)
			if errors.Is(err, driver.ErrNoDriver) {
				t.Error("is ErrNoDriver, though there is one")
			}
		})
	}
	t.Run("hidden", func(t *testing.T) {
		cudatest.Fake(t, "devices=0")
		t.Setenv("CUDA_VISIBLE_DEVICES", "7")
		_, err := driver.Open()
		want(t, err, `CUDA_VISIBLE_DEVICES is "7"`)
	})
}

func TestMemory(t *testing.T) {
	d, _ := open(t, "memory=1000000")
	x := upload(t, d, count(1000))
	y, err := d.MemAlloc(4000)
	ok(t, err)
	free, total, err := d.MemInfo()
	ok(t, err)
	if total != 1000000 || free != 1000000-8000 {
		t.Errorf("%d of %d bytes are free", free, total)
	}
	ok(t, d.CopyOnDevice(y, x, 4000))
	s := stream(t, d)
	ok(t, d.Memset32Async(y+40, 0x40000000, 10, s)) // 2.0
	ok(t, d.StreamSynchronize(s))
	got := download(t, d, y, 1000)
	for i, v := range got {
		if w := map[bool]float32{true: 2, false: float32(i)}[i >= 10 && i < 20]; v != w {
			t.Fatalf("number %d is %g, want %g", i, v, w)
		}
	}
	_, err = d.MemAlloc(1 << 20)
	want(t, err, "cuMemAlloc", "out of memory", "wanted 1048576 bytes", "992000 of 1000000 are free")
	if !errors.Is(err, driver.OutOfMemory) {
		t.Error("is not OutOfMemory")
	}
	ok(t, d.MemFree(y))
}

func TestModuleErrors(t *testing.T) {
	d, _ := open(t, "version=11000 capability=70")
	_, err := d.ModuleLoad("nonsense")
	want(t, err, "cuModuleLoadDataEx", "cannot compile", "this is not PTX: no .version or no .target\nptxas info")
	_, err = d.ModuleLoad(strings.Replace(ptx(t, cudatest.SelfTest), ".version 7.0", ".version 8.0", 1))
	want(t, err, "too old for the kernels", "PTX 8.0 is too new for CUDA 11.0")
	_, err = d.ModuleLoad(strings.Replace(ptx(t, cudatest.SelfTest), "sm_70", "sm_80", 1))
	want(t, err, "not for this device", "sm_80")
	_, err = d.ModuleLoad(strings.Replace(ptx(t, cudatest.SelfTestSM80), "sm_80", "sm_70", 1))
	want(t, err, "cannot compile", "sm_70 has no .tf32")
	m, err := d.ModuleLoad(ptx(t, cudatest.SelfTest))
	ok(t, err)
	f, err := d.ModuleFunction(m, "selftest_sum")
	ok(t, err)
	shared, err := d.FunctionAttribute(driver.FunctionStaticShared, f)
	ok(t, err)
	if shared != 1024 {
		t.Errorf("selftest_sum has %d bytes of shared memory, want 1024", shared)
	}
	_, err = d.ModuleFunction(m, "selftest_nothing")
	want(t, err, "not found", `kernel "selftest_nothing"`)
	ok(t, d.ModuleUnload(m))
}

func TestInjectedError(t *testing.T) {
	d, fake := open(t)
	fake.Set("fail=cuMemAlloc_v2:2:46")
	p, err := d.MemAlloc(4)
	ok(t, err)
	ok(t, d.MemFree(p))
	_, err = d.MemAlloc(4)
	want(t, err, "in use by another process")
	p, err = d.MemAlloc(4)
	ok(t, err)
	ok(t, d.MemFree(p))
}

// TestNoContext: each thread has its own current context.
func TestNoContext(t *testing.T) {
	d, _ := open(t)
	other := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		_, err := d.MemAlloc(4)
		other <- err
	}()
	want(t, <-other, "no context is current on this thread")
}

// TestMistakes shows what the fake notices.
func TestMistakes(t *testing.T) {
	d, fake := open(t)
	says := func(part string) {
		t.Helper()
		if all := strings.Join(fake.Problems(), "\n"); !strings.Contains(all, part) {
			t.Errorf("problems are %q, want %q", all, part)
		}
	}
	p, err := d.MemAlloc(4 * 10)
	ok(t, err)
	if leaks := fmt.Sprint(fake.Leaks()); !strings.Contains(leaks, "40 bytes of device memory") {
		t.Errorf("leaks are %q", leaks)
	}
	x := count(100)
	want(t, d.CopyToDevice(p, unsafe.Pointer(&x[0]), 44), "invalid argument")
	says("44 bytes at offset 0 of a block of 40 bytes")
	s := stream(t, d)
	want(t, d.CopyToDeviceAsync(p, unsafe.Pointer(&x[0]), 40, s), "invalid argument")
	says("is not pinned host memory")
	f := kernel(t, d, "selftest_scale")
	args := &scaleArgs{upload(t, d, x), p, 1, 11}
	ok(t, d.Launch(f, config(1, 32, 0), args.params()))
	says("kernel selftest_scale wrote outside the 40 bytes")
	ok(t, d.MemFree(p))
	want(t, d.MemFree(p), "invalid argument")
	says("freed twice")
	want(t, d.CopyToDevice(p, unsafe.Pointer(&x[0]), 40), "invalid argument")
	says("memory that was freed")
	want(t, d.StreamSynchronize(driver.Stream(12345)), "invalid handle")
	says("does not exist or was destroyed")
}
