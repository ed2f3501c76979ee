package cuda

import (
	"errors"
	"runtime"

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
	d.recording = true
	err := f()
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
		return nil, err
	}
	exec, err := d.drv.GraphInstantiate(graph)
	if err != nil {
		return nil, err
	}
	return &Graph{d, exec}, nil
}

// Launch does the recorded work.
func (g *Graph) Launch() {
	if !g.d.enter() {
		return
	}
	defer g.d.leave()
	g.d.Fail(g.d.drv.GraphLaunch(g.exec, g.d.stream))
}

// Close forgets the work.
func (g *Graph) Close() error {
	var err error
	g.d.locked(func() { err = g.d.drv.GraphExecDestroy(g.exec) })
	return err
}
