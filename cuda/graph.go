package cuda

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda/driver"
	"github.com/gocaffe/gocaffe/cuda/lib"
)

// ErrNotRecordable is wrapped by the error of Record if the work cannot be
// recorded: it allocates memory, loads a kernel, copies data between host and
// device, waits, or calls the driver or a library in a way that they do not allow
// or that fails.
var ErrNotRecordable = errors.New("cannot be recorded")

// unrecordable makes an error of the driver or a library, which occurred while
// work was recorded, an ErrNotRecordable: cuBLAS and cuDNN may do anything in a
// call. An error that has another cause occurs again when the work runs
// unrecorded. It returns any other error, and one after which the device can do
// nothing any more, as it is.
func unrecordable(err error) error {
	ofDriver, isDriver := errors.AsType[*driver.Error](err)
	_, isLibrary := errors.AsType[*lib.Error](err)
	if isDriver && ofDriver.Code.Broken() || !isDriver && !isLibrary || errors.Is(err, ErrNotRecordable) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrNotRecordable, err)
}

// A Graph is recorded work, which is run again as a whole, with the same
// arguments, by one call of the driver.
type Graph struct {
	d    *Device
	exec driver.GraphExec
	uses *blob.Uses
}

// Record runs f and records the work that it queues, which the device does not
// do. f must have run before, so that all memory and kernels are there. An error
// that is ErrNotRecordable leaves the device as it was.
func (d *Device) Record(f func() error) (*Graph, error) {
	if err := d.Check(); err != nil {
		return nil, err
	}
	runtime.LockOSThread() // a capture begins and ends on one thread
	defer runtime.UnlockOSThread()
	if err := d.drv.SetCurrent(d.ctx); err != nil {
		return nil, err
	}
	if err := d.drv.CaptureBegin(d.stream); err != nil {
		return nil, unrecordable(err)
	}
	uses := new(blob.Uses)
	d.recording = true
	err := d.note(uses, f)
	d.recording = false
	graph, endErr := d.drv.CaptureEnd(d.stream)
	if graph != 0 {
		defer d.drv.GraphDestroy(graph)
	}
	if first := d.Check(); first != nil {
		err = first
	}
	if err == nil {
		err = endErr
	}
	var exec driver.GraphExec
	if err == nil {
		exec, err = d.drv.GraphInstantiate(graph)
	}
	if err != nil {
		uses.Undo()
		return nil, unrecordable(err)
	}
	return &Graph{d, exec, uses}, nil
}

// note runs f and notes the addresses that blobs give out meanwhile.
func (d *Device) note(uses *blob.Uses, f func() error) error {
	d.uses = uses
	err := f()
	d.uses = nil
	return err
}

// Launch runs the recorded work with the present contents of the blobs. It
// returns false, and does nothing, if a blob has other memory than when the work
// was recorded.
func (g *Graph) Launch() bool {
	if !g.uses.Again(g.d) {
		return false
	}
	if err := g.launch(); err != nil {
		g.d.Fail(err)
	}
	return true
}

// launch queues the recorded work. It does nothing if the device has an error.
func (g *Graph) launch() error {
	if !g.d.enter() {
		return nil
	}
	defer g.d.leave()
	return g.d.drv.GraphLaunch(g.exec, g.d.stream)
}

// A Replay runs the same work again and again: the first time as it is; the
// second time it is recorded; from then on the recording is replayed, until a blob
// gets other memory. The zero Replay is ready for use.
type Replay struct {
	graph    *Graph
	uses     *blob.Uses // of the last time the work ran as it is
	failures int        // of recordings
	err      error      // of the last of them
}

// maxFailures is the number of failures after which work is no longer recorded.
const maxFailures = 3

// Run does the work f on d. It returns the errors of f and of the device. Work
// that cannot be recorded runs as it is.
func (r *Replay) Run(d *Device, f func() error) error {
	if r.graph != nil {
		if done, err := r.replay(d); done {
			return err
		}
	}
	if r.failures < maxFailures && r.uses != nil && r.uses.Again(d) {
		// What the host has changed since is on the device now, as it must be.
		graph, err := d.Record(f)
		switch {
		case errors.Is(err, ErrNotRecordable):
			r.failed(err)
		case err != nil:
			return err
		default:
			r.graph = graph
			if done, err := r.replay(d); done {
				return err
			}
		}
	}
	if r.failures == maxFailures {
		if err := f(); err != nil {
			return err
		}
		return d.Check()
	}
	r.uses = new(blob.Uses)
	if err := d.note(r.uses, f); err != nil {
		return err
	}
	return d.Check()
}

// replay queues the recorded work. If it returns false, the recording has been
// discarded, and the work must run as it is: a blob has other memory, or the
// driver cannot launch it, such as for lack of memory.
func (r *Replay) replay(d *Device) (done bool, err error) {
	if r.graph.uses.Again(d) {
		if err = r.graph.launch(); err == nil {
			return true, d.Check()
		}
		if err = unrecordable(err); !errors.Is(err, ErrNotRecordable) {
			return true, err
		}
		r.failed(err)
	}
	err = r.Reset()
	return err != nil, err
}

func (r *Replay) failed(err error) {
	r.failures++
	r.err = err
}

// Unrecorded returns why the work is not recorded any more, which is an
// ErrNotRecordable. It returns nil if it is, or may still be.
func (r *Replay) Unrecorded() error {
	if r.failures < maxFailures {
		return nil
	}
	return r.err
}

// Reset discards the recording, as if the work had never run.
func (r *Replay) Reset() error {
	graph := r.graph
	r.graph, r.uses = nil, nil
	if graph != nil {
		return graph.Close()
	}
	return nil
}

// Close discards the recorded work.
func (g *Graph) Close() error {
	var err error
	current := g.d.locked(func() { err = g.d.drv.GraphExecDestroy(g.exec) })
	return errors.Join(current, err)
}
