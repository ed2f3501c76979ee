package cuda_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/cuda/driver"
)

// TestReplay repeats work that is recorded, with changes of the numbers by the
// host between, and of the memory.
func TestReplay(t *testing.T) {
	d := cudatest.Device(t)
	x, y := random(t, 1, 5), random(t, 2, 5)
	var r cuda.Replay
	ran := 0
	work := func() error {
		ran++
		d.Axpy(5, 1, x.DeviceData(d), y.MutableDeviceData(d))
		return nil
	}
	want := y.Data()[0]
	step := func(runs int) {
		t.Helper()
		want += x.Data()[0]
		if err := r.Run(d, work); err != nil {
			t.Fatal(err)
		}
		if ran != runs {
			t.Errorf("the work ran %d times as it is, want %d", ran, runs)
		}
	}
	step(1)
	step(2) // recorded
	step(2)
	step(2)
	if got := y.Data()[0]; got != want {
		t.Errorf("y is %g, want %g", got, want)
	}
	x.MutableData()[0] = 3 // moves to the device before the work is repeated
	step(2)
	if got := y.Data()[0]; got != want {
		t.Errorf("after a write on the host y is %g, want %g", got, want)
	}
	if err := x.ShareData(random(t, 3, 5)); err != nil {
		t.Fatal(err)
	}
	step(3)
	step(4)
	step(4)
	if got := y.Data()[0]; got != want {
		t.Errorf("with other memory y is %g, want %g", got, want)
	}
	if err := r.Reset(); err != nil {
		t.Fatal(err)
	}
}

// TestNotRecordable checks that work which moves numbers or waits is done as it
// is, and that a recording that failed has done nothing.
func TestNotRecordable(t *testing.T) {
	d := cudatest.Device(t)
	x, y := random(t, 1, 5), random(t, 2, 5)
	for name, also := range map[string]func(){
		"wait": d.Sync,
		"read": func() { y.Data() },
		"move": func() { x.MutableData()[0] = 2; x.DeviceData(d) },
	} {
		work := func() error {
			d.Axpy(5, 1, x.DeviceData(d), y.MutableDeviceData(d))
			also()
			return nil
		}
		var r cuda.Replay
		want := y.Data()[1]
		for range 6 {
			if err := r.Run(d, work); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			want += x.Data()[1]
		}
		if got := y.Data()[1]; got != want {
			t.Errorf("%s: y is %g, want %g", name, got, want)
		}
		if _, err := d.Record(work); !errors.Is(err, cuda.ErrNotRecordable) {
			t.Errorf("%s: error %v, want ErrNotRecordable", name, err)
		}
	}
}

// TestLaunchErrors checks what is said of wrong arguments.
func TestLaunchErrors(t *testing.T) {
	d := cudatest.Device(t)
	x := random(t, 1, 5)
	kernel := cuda.Math.Kernel("math_add")
	p := x.DeviceData(d)
	for _, tt := range []struct {
		kernel *cuda.Kernel
		args   []any
		want   string
	}{
		{kernel, []any{p, p, p}, "kernel math_add: launched with 3 arguments, it has 4"},
		{kernel, []any{p, p, p, float32(5)}, "kernel math_add: argument 3 is a float, the parameter is an int"},
		{kernel, []any{p, p, 7, 5}, "kernel math_add: argument 2 is an int, the parameter is a pointer or a long"},
		{kernel, []any{p, p, p, 1 << 40}, "kernel math_add: argument 3 is a value that no parameter can hold, the parameter is an int"},
		{cuda.Math.Kernel("math_sub"), nil, "kernel math_sub: the PTX has no entry of this name; was make ptx run after the last change?"},
	} {
		d.Launch(tt.kernel, cuda.Each(5), tt.args...)
		d.Launch(kernel, cuda.Each(5), "after an error nothing is done")
		if err := d.Check(); err == nil || err.Error() != tt.want {
			t.Errorf("error %v, want %s", err, tt.want)
		}
		if err := d.Check(); err != nil {
			t.Errorf("the error is told twice: %v", err)
		}
	}
}

// TestLaunchAllocs checks that launches allocate nothing.
func TestLaunchAllocs(t *testing.T) {
	d := cudatest.Device(t)
	x := random(t, 1, 5)
	run := func() {
		p := x.MutableDeviceData(d)
		d.Axpby(5, 0.5, p, 0.25, p)
		d.ChannelScaleShift(1, 5, 1, p, p, p, p)
	}
	run()
	if n := testing.AllocsPerRun(20, run); n != 0 {
		t.Errorf("launches allocate %v times", n)
	}
	check(t, d)
}

// TestOutOfMemory checks that a device without room says so, and gives back what it
// has kept before.
func TestOutOfMemory(t *testing.T) {
	d := cudatest.Device(t, "memory=16777216")
	p := d.Alloc(2 << 20)
	d.Free(p)
	if q := d.Alloc(3 << 20); q == 0 || d.Check() != nil {
		t.Errorf("cannot allocate 12 MiB of 16 after 8 were freed: %v", d.Check())
	}
	if q := d.Alloc(3 << 20); q != 0 {
		t.Error("24 MiB of 16 were allocated")
	}
	if err := d.Check(); err == nil {
		t.Error("no error")
	}
}

// TestRecordingFails lets the driver and cuBLAS refuse to be recorded: the work
// then runs unrecorded, with the same results.
func TestRecordingFails(t *testing.T) {
	const n, rounds = 8, 7
	for _, tt := range []struct {
		settings string
		runs     int    // how often the work runs, instead of a recording
		says     string // in Replay.Unrecorded; empty if the work is recorded in the end
	}{
		{"uncapturable=cublasGemmEx", rounds + 3, "cublasGemmEx: CUBLAS_STATUS_INTERNAL_ERROR"},
		{"uncapturable=cuLaunchKernel", rounds + 3, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, 900"},
		{"fail=cublasGemmEx:2:13", 4, ""},
		{"fail=cuLaunchKernel:2:907", 4, ""},
		{"fail=cuStreamBeginCapture_v2:1:900", 3, ""},
		{"fail=cuGraphInstantiate_v2:1:2", 4, ""},
		{"fail=cuGraphLaunch:1:2", 4, ""}, // and is recorded once more
		{"fail=cuGraphLaunch:3:2", 4, ""},
	} {
		fake := cudatest.Fake(t, "log=1")
		fake.UseLibraries()
		d, err := cuda.Open(0)
		if err != nil {
			t.Fatal(err)
		}
		a, b, c := random(t, 1, n*n), random(t, 2, n*n), random(t, 3, n*n)
		want := c.Data()[5]
		var product float32
		for k := range n {
			product += a.Data()[k] * b.Data()[k*n+5]
		}
		fake.Set(tt.settings)
		runs := 0
		var r cuda.Replay
		for range rounds {
			err := r.Run(d, func() error {
				runs++
				d.Gemm(false, false, n, n, n, 1, a.DeviceData(d), n, b.DeviceData(d), n, 1, c.MutableDeviceData(d), n)
				d.Axpy(n*n, 1, a.DeviceData(d), c.MutableDeviceData(d))
				return nil
			})
			if err != nil {
				t.Fatalf("%s: %v", tt.settings, err)
			}
			want += product + a.Data()[5]
		}
		near(t, tt.settings+": c", c.Data()[5:6], []float32{want}, 1e-6)
		if runs != tt.runs {
			t.Errorf("%s: the work ran %d times, want %d", tt.settings, runs, tt.runs)
		}
		switch err := r.Unrecorded(); {
		case tt.says == "" && err != nil:
			t.Errorf("%s: %v", tt.settings, err)
		case tt.says != "" && (!errors.Is(err, cuda.ErrNotRecordable) || !strings.Contains(err.Error(), tt.says)):
			t.Errorf("%s: error %v, want %q in it", tt.settings, err, tt.says)
		}
		if err := errors.Join(r.Reset(), d.Close()); err != nil {
			t.Errorf("%s: %v", tt.settings, err)
		}
	}
}

// TestRecordErrors checks that errors of the work itself are returned, and those
// that make the device useless.
func TestRecordErrors(t *testing.T) {
	d := cudatest.Device(t)
	broken := errors.New("broken")
	var r cuda.Replay
	ran := 0
	for round := range 3 {
		err := r.Run(d, func() error {
			if ran++; round == 2 {
				return nil
			}
			return broken
		})
		if (err != nil) != (round < 2) || round < 2 && !errors.Is(err, broken) {
			t.Errorf("round %d: error %v", round, err)
		}
	}
	if ran != 3 {
		t.Errorf("the work ran %d times, want 3", ran)
	}
	if err := r.Reset(); err != nil {
		t.Error(err)
	}
}

// TestRecordBrokenDevice records work on a device that a kernel has made useless:
// it is not taken for work that cannot be recorded.
func TestRecordBrokenDevice(t *testing.T) {
	fake := cudatest.Fake(t)
	d, err := cuda.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	work := func() error {
		d.Launch(cuda.Math.Kernel("math_add"), cuda.Each(5), cuda.Ptr(0), cuda.Ptr(0), cuda.Ptr(0), 5)
		return nil
	}
	var r cuda.Replay
	if err := r.Run(d, work); err != nil {
		t.Fatal(err)
	}
	d.Sync()
	if err := d.Check(); !errors.Is(err, driver.IllegalAddress) {
		t.Errorf("a kernel that reads address 0: error %v", err)
	}
	for range 5 {
		if err := r.Run(d, work); !errors.Is(err, driver.IllegalAddress) || errors.Is(err, cuda.ErrNotRecordable) {
			t.Errorf("work on a broken device: error %v", err)
		}
	}
	fake.Problems()
}
