package cuda_test

import (
	"errors"
	"testing"

	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
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
		{kernel, []any{p, p, p, 1 << 40}, "kernel math_add: argument 3 is of a type or size that no kernel has, the parameter is an int"},
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
		t.Errorf("12 MiB of 16 are not to be had once 8 are given back: %v", d.Check())
	}
	if q := d.Alloc(3 << 20); q != 0 {
		t.Error("24 MiB of 16 are to be had")
	}
	if err := d.Check(); err == nil {
		t.Error("no error")
	}
}
