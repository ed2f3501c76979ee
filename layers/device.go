package layers

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
)

// A DeviceLayer can also run its passes on a GPU. A layer that cannot runs on
// the host, and its blobs move by themselves.
//
// The methods do what Forward and Backward do, with kernels that they launch on
// d, and with addresses from the blobs' methods with Device in their name. They
// need not look for errors of the device: who calls them does, with d.Check.
type DeviceLayer interface {
	// ForwardDevice computes the tops from the bottoms.
	ForwardDevice(ctx context.Context, d *cuda.Device, bottom, top []*blob.Blob) error
	// BackwardDevice computes the gradients of weights and bottoms.
	BackwardDevice(ctx context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error

	// DeviceMode says what the two methods can do with the options of the layer
	// and the shapes of the last Reshape.
	DeviceMode() DeviceMode
}

// DeviceMode describes what a layer can do on a device.
type DeviceMode byte

const (
	// OnHost: nothing, Forward and Backward are to be called.
	OnHost DeviceMode = iota

	// OnDevice: both passes run there, but they do not do the same every time,
	// or they do something that cannot be recorded, such as reading a blob on
	// the host.
	OnDevice

	// Recordable: from one Reshape to the next the passes launch the same
	// kernels with the same arguments. So they can be recorded once and played
	// again. What differs from pass to pass they must read on the device:
	// Env.DeviceStream is the number of the random numbers' stream.
	Recordable
)

// DeviceChecker is a DeviceLayer whose kernels may find an error in the data, such
// as a label out of range. They note it in the device's memory and go on.
type DeviceChecker interface {
	// CheckDevice waits for the device and returns such an error once. The net
	// calls it when it waits anyway: for a loss that is shown.
	CheckDevice() error
}

// OnRecordableDevice has a DeviceMode that is always Recordable. Embed it in a
// layer whose passes can always be recorded.
type OnRecordableDevice struct{}

// DeviceMode returns Recordable.
func (OnRecordableDevice) DeviceMode() DeviceMode { return Recordable }

// onDevice returns l as a DeviceLayer if its passes can run on a device.
func onDevice(l Layer) (DeviceLayer, bool) {
	d, ok := l.(DeviceLayer)
	return d, ok && d.DeviceMode() != OnHost
}

// ModeOf returns what a layer can do on a device, which is OnHost for one that is
// no DeviceLayer.
func ModeOf(l Layer) DeviceMode {
	if d, ok := onDevice(l); ok {
		return d.DeviceMode()
	}
	return OnHost
}

// ForwardOn runs the forward pass of a layer on d, or on the host if the layer
// cannot run there. It returns errors of the device too, except those of kernels
// that are still queued.
func ForwardOn(ctx context.Context, d *cuda.Device, l Layer, bottom, top []*blob.Blob) error {
	var err error
	if on, ok := onDevice(l); ok {
		err = on.ForwardDevice(ctx, d, bottom, top)
	} else {
		err = l.Forward(ctx, bottom, top)
	}
	return firstError(err, d)
}

// BackwardOn runs the backward pass of a layer as ForwardOn runs the forward pass.
func BackwardOn(ctx context.Context, d *cuda.Device, l Layer, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	var err error
	if on, ok := onDevice(l); ok {
		err = on.BackwardDevice(ctx, d, top, propagateDown, bottom)
	} else {
		err = l.Backward(ctx, top, propagateDown, bottom)
	}
	return firstError(err, d)
}

// firstError returns err, or if there is none the error that the device has kept,
// which it forgets in both cases.
func firstError(err error, d *cuda.Device) error {
	kept := d.Check()
	if err != nil {
		return err
	}
	return kept
}

// deviceStream is the number of the stream of random numbers on a device.
type deviceStream struct {
	blob  blob.Blob // the 64 bits, in the place of two numbers
	value uint64
	set   bool
}

// DeviceStream returns the address, on the device, of the number that Stream
// returns, for kernels that make random numbers.
func (e *Env) DeviceStream() cuda.Ptr {
	e.UpdateDevice()
	return e.stream.blob.DeviceData(e.Device)
}

// UpdateDevice copies what depends on the pass to Device, which must not be nil.
// Call it before replaying a recorded pass.
func (e *Env) UpdateDevice() {
	s, value := &e.stream, e.Stream()
	if s.set && s.value == value || s.blob.Reshape(2) != nil {
		return
	}
	e.Device.SetLong(value, s.blob.MutableDeviceData(e.Device))
	s.value, s.set = value, true
}
