package driver_test

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
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

// scaleArgs are the arguments of selftest_scale.
type scaleArgs struct {
	x, y driver.Ptr
	a    float32
	n    int32
}

func (s *scaleArgs) params() []unsafe.Pointer {
	return []unsafe.Pointer{unsafe.Pointer(&s.x), unsafe.Pointer(&s.y), unsafe.Pointer(&s.a), unsafe.Pointer(&s.n)}
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

func TestLaunch(t *testing.T) {
	d, _ := openAny(t)
	const n = 1000
	x, y := upload(t, d, count(n)), upload(t, d, make([]float32, n))
	f := kernel(t, d, "selftest_scale")
	args := &scaleArgs{x, y, 3, n}
	s := stream(t, d)
	ok(t, d.Launch(f, config(4, 256, s), args.params()))
	args.a = 5 // the launch has its arguments
	ok(t, d.StreamSynchronize(s))
	for i, v := range download(t, d, y, n) {
		if v != 3*float32(i) {
			t.Fatalf("y[%d] = %g", i, v)
		}
	}
	sizes, err := d.FunctionParams(f)
	ok(t, err)
	if !slices.Equal(sizes, []int{8, 8, 4, 4}) {
		t.Errorf("parameters have %v bytes", sizes)
	}
}

func TestLaunchDimensions(t *testing.T) {
	d, _ := openAny(t)
	const n = 2 * 3 * 4 * 5 * 6 * 7
	y := upload(t, d, make([]float32, n))
	f := kernel(t, d, "selftest_dims")
	c := &driver.Config{Grid: driver.Dim{X: 2, Y: 3, Z: 4}, Block: driver.Dim{X: 5, Y: 6, Z: 7}}
	ok(t, d.Launch(f, c, []unsafe.Pointer{unsafe.Pointer(&y)}))
	ok(t, d.Synchronize())
	got := make([]int32, n)
	ok(t, d.CopyToHost(unsafe.Pointer(&got[0]), y, 4*n))
	for i, v := range got {
		if v != int32(i) {
			t.Fatalf("thread %d of the grid wrote %d", i, v)
		}
	}
}

func TestLaunchAllocatesNothing(t *testing.T) {
	d, _ := open(t, "async=eager")
	x := upload(t, d, count(32))
	f := kernel(t, d, "selftest_scale")
	args := &scaleArgs{x, x, 1, 32}
	params, c := args.params(), config(1, 32, 0)
	e, err := d.EventCreate(false)
	ok(t, err)
	s := stream(t, d)
	host := pinned(t, d, 32)
	allocs := testing.AllocsPerRun(100, func() {
		err = errors.Join(d.Launch(f, c, params), d.EventRecord(e, s), d.StreamWaitEvent(s, e),
			d.CopyToHostAsync(unsafe.Pointer(&host[0]), x, 128, s), d.StreamSynchronize(s))
	})
	ok(t, err)
	if allocs != 0 {
		t.Errorf("%g allocations in a launch, a record, a wait, a copy and a synchronization", allocs)
	}
	ok(t, d.EventDestroy(e))
}

// TestKernels runs what blocks do together: barriers, shuffles.
func TestKernels(t *testing.T) {
	d, fake := openAny(t)
	const blocks, n = 7, 7 * 256
	host := count(n)
	x := upload(t, d, host)
	run := func(name string, per int) (wrong int) {
		y := upload(t, d, make([]float32, n/per))
		f := kernel(t, d, name)
		args := []unsafe.Pointer{unsafe.Pointer(&x), unsafe.Pointer(&y)}
		ok(t, d.Launch(f, config(blocks, 256, 0), args))
		ok(t, d.Synchronize())
		for i, v := range download(t, d, y, n/per) {
			var sum float32
			for _, h := range host[i*per:][:per] {
				sum += h
			}
			if v != sum {
				wrong++
			}
		}
		return wrong
	}
	for seed := range 20 {
		if fake != nil {
			fake.Set(fmt.Sprint("seed=", seed))
		}
		if wrong := run("selftest_sum", 256); wrong != 0 {
			t.Errorf("selftest_sum: %d wrong", wrong)
		}
		if wrong := run("selftest_warp", 32); wrong != 0 {
			t.Errorf("selftest_warp: %d wrong", wrong)
		}
	}
	if wrong := run("selftest_race", 256); wrong == 0 && fake != nil {
		t.Error("the missing barrier of selftest_race was not seen")
	}
}

func TestDynamicSharedMemory(t *testing.T) {
	d, _ := open(t)
	const n = 1000
	x, y := upload(t, d, count(2*n)), upload(t, d, make([]float32, 2*n))
	f := kernel(t, d, "selftest_dynamic")
	c := config(2, n, 0)
	c.Shared = 4 * n
	ok(t, d.Launch(f, c, []unsafe.Pointer{unsafe.Pointer(&x), unsafe.Pointer(&y)}))
	got := download(t, d, y, 2*n)
	if got[0] != n-1 || got[n-1] != 0 || got[n] != 2*n-1 || got[2*n-1] != n {
		t.Errorf("ends of the blocks: %g %g %g %g", got[0], got[n-1], got[n], got[2*n-1])
	}
	most, err := d.FunctionAttribute(driver.FunctionMaxShared, f)
	ok(t, err)
	ok(t, d.SetFunctionAttribute(driver.FunctionMaxShared, f, 2*most))
	c.Shared = uint32(2 * most)
	ok(t, d.Launch(f, c, []unsafe.Pointer{unsafe.Pointer(&x), unsafe.Pointer(&y)}))
	ok(t, d.Synchronize())
}

// TestTensorCores compares the products of mma.h with those of the rounded
// numbers, of which small whole numbers need no rounding.
func TestTensorCores(t *testing.T) {
	d, fake := openAny(t)
	m, err := d.ModuleLoad(ptx(t, cudatest.SelfTestSM80))
	if fake == nil && err != nil && strings.Contains(err.Error(), "not for this device") {
		t.Skip("SKIPPED: the device is older than compute capability 8.0")
	}
	ok(t, err)
	for _, c := range []struct {
		name string
		k    int
		part float32 // which is lost
	}{{"selftest_tf32", 8, 1.0 / 4096}, {"selftest_bf16", 16, 1.0 / 512}} {
		a, b := make([]float32, 16*c.k), make([]float32, c.k*8)
		for i := range a {
			a[i] = float32(i*i%13-6) * (1 + c.part)
		}
		for i := range b {
			b[i] = float32(i*i*i%11-5) * (1 + c.part)
		}
		pa, pb, pc := upload(t, d, a), upload(t, d, b), upload(t, d, make([]float32, 16*8))
		f, err := d.ModuleFunction(m, c.name)
		ok(t, err)
		ok(t, d.Launch(f, config(1, 32, 0), []unsafe.Pointer{unsafe.Pointer(&pa), unsafe.Pointer(&pb), unsafe.Pointer(&pc)}))
		ok(t, d.Synchronize())
		for i, got := range download(t, d, pc, 16*8) {
			var want int
			for k := range c.k {
				x, y := i/8*c.k+k, k*8+i%8
				want += (x*x%13 - 6) * (y*y*y%11 - 5)
			}
			if got != float32(want) {
				t.Fatalf("%s: (%d,%d) is %g, want %d", c.name, i/8, i%8, got, want)
			}
		}
	}
	ok(t, d.ModuleUnload(m))
}

// TestKernelErrors has kernels that go wrong. As on a device, what happens in a
// stream is reported later, and the context is of no use after that.
func TestKernelErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		launch func(d driver.Driver, f map[string]driver.Function) error
		code   driver.Result
		says   string
	}{
		{"address", func(d driver.Driver, f map[string]driver.Function) error {
			args := &scaleArgs{0, 0, 1, 32}
			return d.Launch(f["selftest_scale"], config(1, 32, 0), args.params())
		}, driver.IllegalAddress, "kernel selftest_scale, block (0,0,0), thread (0,0,0): illegal address"},
		{"barrier", func(d driver.Driver, f map[string]driver.Function) error {
			var y driver.Ptr
			return d.Launch(f["selftest_deadlock"], config(1, 32, 0), []unsafe.Pointer{unsafe.Pointer(&y)})
		}, driver.LaunchFailed, "some of its threads have returned"},
		{"shuffle", func(d driver.Driver, f map[string]driver.Function) error {
			var y driver.Ptr
			return d.Launch(f["selftest_half"], config(1, 32, 0), []unsafe.Pointer{unsafe.Pointer(&y)})
		}, driver.LaunchFailed, "a warp waits at a shuffle or __syncwarp that some of its lanes do not reach"},
		{"threads", func(d driver.Driver, f map[string]driver.Function) error {
			var y driver.Ptr
			return d.Launch(f["selftest_sum"], config(1, 512, 0), []unsafe.Pointer{unsafe.Pointer(&y), unsafe.Pointer(&y)})
		}, driver.InvalidValue, "block (512,1,1) of at most 256 threads"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake := cudatest.Fake(t)
			d, err := driver.Open()
			ok(t, err)
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			context, err := d.PrimaryRetain(0)
			ok(t, err)
			ok(t, d.SetCurrent(context))
			m, err := d.ModuleLoad(ptx(t, cudatest.SelfTest))
			ok(t, err)
			f := map[string]driver.Function{}
			for _, name := range []string{"selftest_scale", "selftest_deadlock", "selftest_half", "selftest_sum"} {
				f[name], err = d.ModuleFunction(m, name)
				ok(t, err)
			}
			err = errors.Join(c.launch(d, f), d.Synchronize())
			if !errors.Is(err, c.code) {
				t.Errorf("error %v, want code %v", err, c.code)
			}
			if problems := strings.Join(fake.Problems(), "\n"); !strings.Contains(problems, c.says) {
				t.Errorf("the fake says %q, want %q", problems, c.says)
			}
			ok(t, d.ModuleUnload(m))
			ok(t, d.PrimaryRelease(0))
		})
	}
}

// TestStreams lets streams run late: without the wait or the synchronization
// the results would be old.
func TestStreams(t *testing.T) {
	for _, async := range []string{"late", "random", "eager", "any"} {
		t.Run(async, func(t *testing.T) {
			var d driver.Driver
			if async == "any" {
				d, _ = openAny(t)
			} else {
				d, _ = open(t, "async="+async)
			}
			const n = 256
			up, down := pinned(t, d, n), pinned(t, d, n)
			x, y := upload(t, d, make([]float32, n)), upload(t, d, make([]float32, n))
			a, b := stream(t, d), stream(t, d)
			e, err := d.EventCreate(false)
			ok(t, err)
			args := &scaleArgs{x, y, 2, n}
			f := kernel(t, d, "selftest_scale")
			for round := range 10 {
				for i := range up {
					up[i] = float32(i + round)
				}
				ok(t, d.CopyToDeviceAsync(x, unsafe.Pointer(&up[0]), 4*n, a))
				ok(t, d.EventRecord(e, a))
				ok(t, d.StreamWaitEvent(b, e))
				ok(t, d.Launch(f, config(1, n, b), args.params()))
				ok(t, d.CopyToHostAsync(unsafe.Pointer(&down[0]), y, 4*n, b))
				ok(t, d.StreamSynchronize(b))
				for i, v := range down {
					if v != 2*float32(i+round) {
						t.Fatalf("round %d: y[%d] = %g", round, i, v)
					}
				}
			}
			ok(t, d.EventDestroy(e))
		})
	}
}

// TestLate shows that the fake's streams are late: a missing synchronization is
// seen.
func TestLate(t *testing.T) {
	d, _ := open(t, "async=late")
	x := upload(t, d, count(8))
	s := stream(t, d)
	ok(t, d.Memset32Async(x, 0, 8, s))
	if got := download(t, d, x, 8); got[7] != 7 {
		t.Error("the work was done before anybody waited for it")
	}
	ok(t, d.StreamSynchronize(s))
	if got := download(t, d, x, 8); got[7] != 0 {
		t.Error("the work was not done")
	}
}

func TestEvents(t *testing.T) {
	d, _ := open(t, "async=late")
	x := upload(t, d, count(8))
	s := stream(t, d)
	var e [2]driver.Event
	for i := range e {
		var err error
		e[i], err = d.EventCreate(true)
		ok(t, err)
	}
	ok(t, d.EventRecord(e[0], s))
	ok(t, d.Memset32Async(x, 0, 8, s))
	ok(t, d.EventRecord(e[1], s))
	done, err := d.EventDone(e[1])
	ok(t, err)
	if done {
		t.Error("done at once")
	}
	ok(t, d.EventSynchronize(e[1]))
	done, err = d.EventDone(e[1])
	ok(t, err)
	if !done {
		t.Error("not done after EventSynchronize")
	}
	ms, err := d.EventElapsed(e[0], e[1])
	ok(t, err)
	if ms < 0 || ms > 1000 {
		t.Errorf("%g ms", ms)
	}
	ok(t, d.EventDestroy(e[0]))
	ok(t, d.EventDestroy(e[1]))
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

func TestGraph(t *testing.T) {
	d, fake := open(t, "log=1")
	const n = 64
	x := upload(t, d, count(n))
	f := kernel(t, d, "selftest_scale")
	a, b := stream(t, d), stream(t, d)
	var e [2]driver.Event
	for i := range e {
		var err error
		e[i], err = d.EventCreate(false)
		ok(t, err)
	}
	args := &scaleArgs{x, x, 2, n}
	// a forks to b and waits for it: x = 4 x
	ok(t, d.CaptureBegin(a))
	ok(t, d.Launch(f, config(1, n, a), args.params()))
	ok(t, d.EventRecord(e[0], a))
	ok(t, d.StreamWaitEvent(b, e[0]))
	ok(t, d.Launch(f, config(1, n, b), args.params()))
	ok(t, d.EventRecord(e[1], b))
	ok(t, d.StreamWaitEvent(a, e[1]))
	g, err := d.CaptureEnd(a)
	ok(t, err)
	if v := download(t, d, x, n)[3]; v != 3 {
		t.Errorf("x[3] = %g: what was captured has run", v)
	}
	run, err := d.GraphInstantiate(g)
	ok(t, err)
	fake.Calls()
	for range 3 {
		ok(t, d.GraphLaunch(run, a))
	}
	if calls := fake.Calls(); len(calls) != 3 {
		t.Errorf("calls: %q", calls)
	}
	ok(t, d.StreamSynchronize(a))
	if v := download(t, d, x, n)[3]; v != 3*64 {
		t.Errorf("x[3] = %g, want %d", v, 3*64)
	}
	ok(t, d.GraphExecDestroy(run))
	ok(t, d.GraphDestroy(g))

	// without the way back to a
	ok(t, d.CaptureBegin(a))
	ok(t, d.EventRecord(e[0], a))
	ok(t, d.StreamWaitEvent(b, e[0]))
	ok(t, d.Launch(f, config(1, n, b), args.params()))
	_, err = d.CaptureEnd(a)
	want(t, err, "cuStreamEndCapture", "904")

	// memory cannot be taken meanwhile
	ok(t, d.CaptureBegin(a))
	_, err = d.MemAlloc(4)
	want(t, err, "not allowed while a stream is captured")
	_, err = d.CaptureEnd(a)
	want(t, err, "ended the capture")
	if p := fake.Problems(); len(p) != 1 || !strings.Contains(p[0], "cuMemAlloc while a stream is captured") {
		t.Errorf("problems: %q", p)
	}
	ok(t, d.EventDestroy(e[0]))
	ok(t, d.EventDestroy(e[1]))
}

func TestInjectedError(t *testing.T) {
	d, fake := open(t)
	fake.Set("fail=cuMemAlloc_v2:2:46")
	p, err := d.MemAlloc(4)
	ok(t, err)
	ok(t, d.MemFree(p))
	_, err = d.MemAlloc(4)
	want(t, err, "in use by somebody else")
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
	says("44 bytes at 0 of memory of 40 bytes")
	s := stream(t, d)
	want(t, d.CopyToDeviceAsync(p, unsafe.Pointer(&x[0]), 40, s), "invalid argument")
	says("is not pinned host memory")
	f := kernel(t, d, "selftest_scale")
	args := &scaleArgs{upload(t, d, x), p, 1, 11}
	ok(t, d.Launch(f, config(1, 32, 0), args.params()))
	says("kernel selftest_scale wrote outside of the 40 bytes")
	ok(t, d.MemFree(p))
	want(t, d.MemFree(p), "invalid argument")
	says("freed twice")
	want(t, d.CopyToDevice(p, unsafe.Pointer(&x[0]), 40), "invalid argument")
	says("memory that has been freed")
	want(t, d.StreamSynchronize(driver.Stream(12345)), "invalid handle")
	says("does not exist or is destroyed")
}

func BenchmarkLaunch(b *testing.B) {
	d, _ := open(b, "async=eager")
	x := upload(b, d, count(1))
	f := kernel(b, d, "selftest_scale")
	args := &scaleArgs{x, x, 1, 1}
	params, c := args.params(), config(1, 1, 0)
	for b.Loop() {
		if err := d.Launch(f, c, params); err != nil {
			b.Fatal(err)
		}
	}
}

// The fake driver's speed: a kernel without a barrier, with barriers, with
// shuffles.
func BenchmarkFakeScale(b *testing.B) { benchmarkFake(b, "selftest_scale") }
func BenchmarkFakeSum(b *testing.B)   { benchmarkFake(b, "selftest_sum") }
func BenchmarkFakeWarp(b *testing.B)  { benchmarkFake(b, "selftest_warp") }

func benchmarkFake(b *testing.B, name string) {
	d, _ := open(b, "async=eager")
	const n = 1 << 18
	x, y := upload(b, d, count(n)), upload(b, d, make([]float32, n))
	f := kernel(b, d, name)
	params, c := (&scaleArgs{x, y, 1, n}).params(), config(n/256, 256, 0)
	for b.Loop() {
		if err := d.Launch(f, c, params); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/thread")
}
