package driver_test

import (
	"strings"
	"testing"
	"unsafe"

	"github.com/gocaffe/gocaffe/cuda/driver"
)

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
