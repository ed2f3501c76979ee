package driver_test

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/cuda/driver"
)

// scaleArgs are the arguments of selftest_scale.
type scaleArgs struct {
	x, y driver.Ptr
	a    float32
	n    int32
}

func (s *scaleArgs) params() []unsafe.Pointer {
	return []unsafe.Pointer{unsafe.Pointer(&s.x), unsafe.Pointer(&s.y), unsafe.Pointer(&s.a), unsafe.Pointer(&s.n)}
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
