package cuda

import (
	"errors"
	"fmt"

	"github.com/gocaffe/gocaffe/cuda/driver"
	"github.com/gocaffe/gocaffe/cuda/lib"
)

// A ConvolutionShape describes a convolution: see lib.ConvolutionShape.
type ConvolutionShape = lib.ConvolutionShape

// A Convolution computes the three passes of a convolution with cuDNN.
type Convolution struct {
	d    *Device
	conv *lib.Convolution
}

// convolutions holds cuDNN, if there is one, and the convolutions made with it.
type convolutions struct {
	opened bool
	dnn    *lib.DNN // nil: none
	err    error    // why
	made   map[convolutionKey]madeConvolution
}

type convolutionKey struct {
	ConvolutionShape
	Precision
}

type madeConvolution struct {
	conv *Convolution
	err  error // why it is nil
}

// open opens cuDNN when it is first needed, since that takes long. It is no error if
// there is none, or one that does not work on this device.
func (v *convolutions) open(s driver.Stream) {
	if !v.opened {
		v.opened, v.made = true, make(map[convolutionKey]madeConvolution)
		v.dnn, v.err = lib.OpenDNN(s)
	}
}

func (v *convolutions) close() error {
	if v.dnn == nil {
		return nil
	}
	var errs []error
	for _, c := range v.made {
		if c.conv != nil {
			errs = append(errs, c.conv.conv.Close())
		}
	}
	return errors.Join(append(errs, v.dnn.Close())...)
}

// errFailed is returned while the device has an error, which Check returns.
var errFailed = errors.New("the device has an error")

// Convolution returns a convolution by cuDNN in the device's Precision; BF16 is
// computed as TF32. An error says why the caller must use a kernel instead: it is
// ErrNoLibrary if there is no cuDNN; or cuDNN has no algorithm for the shape that
// gives the same result in each run and for whose workspace there is memory. The first
// call for a shape chooses the algorithms and cannot be recorded.
func (d *Device) Convolution(s ConvolutionShape) (*Convolution, error) {
	key := convolutionKey{s, d.precision}
	v := &d.convolutions
	if c, ok := v.made[key]; ok {
		return c.conv, c.err
	}
	if v.opened && v.dnn == nil {
		return nil, v.err
	}
	if !d.enter() {
		return nil, errFailed
	}
	defer d.leave()
	if d.notRecordable("choosing cuDNN's algorithms") {
		return nil, ErrNotRecordable
	}
	v.open(d.stream)
	if v.dnn == nil {
		return nil, v.err
	}
	conv, err := d.newConvolution(s)
	v.made[key] = madeConvolution{conv, err}
	return conv, err
}

// newConvolution chooses algorithms and allocates memory for their workspace, which
// is in Scratch. The context is current.
func (d *Device) newConvolution(s ConvolutionShape) (*Convolution, error) {
	limit, err := d.maxWorkspace()
	for err == nil {
		var conv *lib.Convolution
		if conv, err = d.convolutions.dnn.NewConvolution(s, lib.Math(d.precision), limit); err != nil {
			break
		}
		if err = d.scratch.grow(d, elements(conv.Workspace())); err == nil {
			return &Convolution{d, conv}, nil
		}
		if errors.Is(err, driver.OutOfMemory) && conv.Workspace() <= limit {
			limit, err = conv.Workspace()-1, nil // memory is fragmented, or another process has taken it
		}
		err = errors.Join(err, conv.Close())
	}
	return nil, fmt.Errorf("cuDNN %s: %w", d.convolutions.dnn.Version(), err)
}

// maxWorkspace returns the number of bytes that an algorithm of cuDNN may need
// besides its arguments: an eighth of the device's memory, which is the same in each
// run, but at most a quarter of the free memory, which later layers need as well.
func (d *Device) maxWorkspace() (uint64, error) {
	free, total, err := d.free()
	return max(min(total/8, free/4), 4*uint64(d.scratch.n)), err
}

// elements returns the number of elements that hold so many bytes.
func elements(bytes uint64) int { return int((bytes + 3) / 4) }

// String names cuDNN and its algorithm of each pass: "cuDNN 9.1.0: forward
// WINOGRAD, data ALGO_1, weights ALGO_1".
func (c *Convolution) String() string {
	return fmt.Sprintf("cuDNN %s: %s", c.d.convolutions.dnn.Version(), c.conv.Algorithms())
}

// Forward computes y from x and the weights w. All three passes use Scratch.
func (c *Convolution) Forward(x, w, y Ptr) { c.run(c.conv.Forward, x, w, y) }

// BackwardData computes dx, the gradient of x, from dy, the gradient of y.
func (c *Convolution) BackwardData(w, dy, dx Ptr) { c.run(c.conv.BackwardData, w, dy, dx) }

// BackwardWeights adds the gradient of the weights to dw.
func (c *Convolution) BackwardWeights(x, dy, dw Ptr) { c.run(c.conv.BackwardFilter, x, dy, dw) }

func (c *Convolution) run(pass func(a, b, result, workspace driver.Ptr) error, a, b, result Ptr) {
	work := c.d.Scratch(elements(c.conv.Workspace()))
	if !c.d.enter() {
		return
	}
	defer c.d.leave()
	c.d.Fail(pass(driver.Ptr(a), driver.Ptr(b), driver.Ptr(result), driver.Ptr(work)))
}
