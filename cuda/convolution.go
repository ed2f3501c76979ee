package cuda

import (
	"errors"

	"github.com/gocaffe/gocaffe/cuda/driver"
	"github.com/gocaffe/gocaffe/cuda/lib"
)

// A ConvolutionShape says what a convolution is: see lib.ConvolutionShape.
type ConvolutionShape = lib.ConvolutionShape

// A Convolution is the three passes of a convolution by cuDNN.
type Convolution struct {
	d    *Device
	conv *lib.Convolution
}

// maxConvolutionBytes bounds the memory that an algorithm of cuDNN's may need
// beside its arguments.
const maxConvolutionBytes = 256 << 20

// convolutions are cuDNN, if it is there, and the convolutions that it has made.
type convolutions struct {
	opened bool
	dnn    *lib.DNN // nil: none
	made   map[convolutionKey]*Convolution
}

type convolutionKey struct {
	ConvolutionShape
	Precision
}

// open looks for cuDNN when it is needed first: making a handle takes long. That
// there is none, or one that does not work on this device, is no error.
func (v *convolutions) open(s driver.Stream) {
	if !v.opened {
		v.opened, v.made = true, make(map[convolutionKey]*Convolution)
		if dnn, err := lib.OpenDNN(s); err == nil {
			v.dnn = dnn
		}
	}
}

func (v *convolutions) close() error {
	if v.dnn == nil {
		return nil
	}
	var errs []error
	for _, c := range v.made {
		if c != nil {
			errs = append(errs, c.conv.Close())
		}
	}
	return errors.Join(append(errs, v.dnn.Close())...)
}

// Convolution returns cuDNN's convolution of a shape, in the device's Precision; BF16
// as TF32. It is nil if cuDNN is not there, or cannot do the shape with the same
// result in each run: then the caller has a kernel for it. Its algorithms are chosen
// once, by the first call for the shape, which cannot be recorded.
func (d *Device) Convolution(s ConvolutionShape) *Convolution {
	key := convolutionKey{s, d.precision}
	v := &d.convolutions
	if c, ok := v.made[key]; ok || v.opened && v.dnn == nil {
		return c
	}
	if !d.enter() {
		return nil
	}
	defer d.leave()
	if d.notRecordable("to choose cuDNN's algorithms") {
		return nil
	}
	v.open(d.stream)
	if v.dnn == nil {
		return nil
	}
	var made *Convolution
	if conv, err := v.dnn.NewConvolution(s, lib.Math(d.precision), maxConvolutionBytes); err == nil {
		made = &Convolution{d, conv}
	}
	v.made[key] = made
	return made
}

// Forward computes y from x and the weights w. It uses Scratch, as all three do.
func (c *Convolution) Forward(x, w, y Ptr) { c.run(c.conv.Forward, x, w, y) }

// BackwardData computes dx, the gradient of x, from dy, that of y.
func (c *Convolution) BackwardData(w, dy, dx Ptr) { c.run(c.conv.BackwardData, w, dy, dx) }

// BackwardWeights adds the gradient of the weights to dw.
func (c *Convolution) BackwardWeights(x, dy, dw Ptr) { c.run(c.conv.BackwardFilter, x, dy, dw) }

func (c *Convolution) run(pass func(a, b, result, workspace driver.Ptr) error, a, b, result Ptr) {
	work := c.d.Scratch(int(c.conv.Workspace()+3) / 4)
	if !c.d.enter() {
		return
	}
	defer c.d.leave()
	c.d.Fail(pass(driver.Ptr(a), driver.Ptr(b), driver.Ptr(result), driver.Ptr(work)))
}
