package cuda

import (
	"errors"
	"runtime"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda/driver"
)

// ErrNotRecordable is wrapped by the error of Record when something was to be
// done that cannot be recorded: memory taken, a kernel compiled, numbers moved
// between host and device, the host waiting.
var ErrNotRecordable = errors.New("cannot be recorded")

// A Graph is work that was recorded and is done again as a whole, with the same
// arguments, at the price of one launch.
type Graph struct {
	d    *Device
	exec driver.GraphExec
	uses *blob.Uses
}

// Record runs f and records what it puts into the device, instead of doing it.
// Everything that f needs must be there: it has run before. An error that is
// ErrNotRecordable leaves the device as it was.
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
		return nil, err
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
	if err != nil {
		uses.Undo()
		return nil, err
	}
	exec, err := d.drv.GraphInstantiate(graph)
	if err != nil {
		uses.Undo()
		return nil, err
	}
	return &Graph{d, exec, uses}, nil
}

// note runs f and notes which addresses blobs give out meanwhile.
func (d *Device) note(uses *blob.Uses, f func() error) error {
	d.uses = uses
	err := f()
	d.uses = nil
	return err
}

// Launch does the recorded work with the blobs' numbers as they are now. It returns
// false, and does nothing, if a blob has got other memory since.
func (g *Graph) Launch() bool {
	if !g.uses.Again(g.d) {
		return false
	}
	if !g.d.enter() {
		return true
	}
	defer g.d.leave()
	g.d.Fail(g.d.drv.GraphLaunch(g.exec, g.d.stream))
	return true
}

// A Replay is work that is done again and again: the first time as it is, the
// second time it is recorded, and from then on the recording is played, until
// blobs get other memory. The zero Replay is ready for use.
type Replay struct {
	graph    *Graph
	uses     *blob.Uses // of the last time the work was done as it is
	failures int
}

// Run does the work f on d. It returns errors of f and of the device. Work that
// cannot be recorded is done as it is.
func (r *Replay) Run(d *Device, f func() error) error {
	if r.graph != nil {
		if r.graph.Launch() {
			return d.Check()
		}
		if err := r.Reset(); err != nil {
			return err
		}
	}
	const most = 3 // failures, until it is not tried any more
	if r.failures == most {
		if err := f(); err != nil {
			return err
		}
		return d.Check()
	}
	if r.uses != nil && r.uses.Again(d) {
		// What the host has changed since is on the device now, as it must be.
		graph, err := d.Record(f)
		switch {
		case errors.Is(err, ErrNotRecordable):
			r.failures++
		case err != nil:
			return err
		default:
			r.graph = graph
			graph.Launch()
			return d.Check()
		}
	}
	r.uses = new(blob.Uses)
	if err := d.note(r.uses, f); err != nil {
		return err
	}
	return d.Check()
}

// Reset forgets what was recorded, as if the work had never been done.
func (r *Replay) Reset() error {
	graph := r.graph
	*r = Replay{failures: r.failures}
	if graph != nil {
		return graph.Close()
	}
	return nil
}

// Close forgets the work.
func (g *Graph) Close() error {
	var err error
	current := g.d.locked(func() { err = g.d.drv.GraphExecDestroy(g.exec) })
	return errors.Join(current, err)
}
