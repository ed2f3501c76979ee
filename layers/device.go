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
	ForwardDevice(ctx context.Context, d *cuda.Device, bottom, top []*blob.Blob) error
	BackwardDevice(ctx context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error

	// DeviceMode says what the two methods can do with the options of the layer
	// and the shapes of the last Reshape.
	DeviceMode() DeviceMode
}

// DeviceMode is what a layer can do on a device.
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

// OnRecordableDevice is for layers to embed whose passes are always Recordable.
type OnRecordableDevice struct{}

// DeviceMode returns Recordable.
func (OnRecordableDevice) DeviceMode() DeviceMode { return Recordable }

// deviceLayer returns l as a DeviceLayer if it runs on the device of the
// environment.
func (e *Env) deviceLayer(l Layer) (DeviceLayer, bool) {
	if e.Device == nil {
		return nil, false
	}
	d, ok := l.(DeviceLayer)
	return d, ok && d.DeviceMode() != OnHost
}

// DeviceMode returns what a layer does in this environment: OnHost if it has no
// device.
func (e *Env) DeviceMode(l Layer) DeviceMode {
	if d, ok := e.deviceLayer(l); ok {
		return d.DeviceMode()
	}
	return OnHost
}

// Forward runs the forward pass of a layer, on the device if there is one and
// the layer can. It returns errors of the device too, but for those of kernels
// that still wait to be done.
func (e *Env) Forward(ctx context.Context, l Layer, bottom, top []*blob.Blob) error {
	var err error
	if d, ok := e.deviceLayer(l); ok {
		err = d.ForwardDevice(ctx, e.Device, bottom, top)
	} else {
		err = l.Forward(ctx, bottom, top)
	}
	return e.checkDevice(err)
}

// Backward runs the backward pass of a layer as Forward runs the forward pass.
func (e *Env) Backward(ctx context.Context, l Layer, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	var err error
	if d, ok := e.deviceLayer(l); ok {
		err = d.BackwardDevice(ctx, e.Device, top, propagateDown, bottom)
	} else {
		err = l.Backward(ctx, top, propagateDown, bottom)
	}
	return e.checkDevice(err)
}

// checkDevice returns an error of the device if there is no other.
func (e *Env) checkDevice(err error) error {
	if e.Device == nil {
		return err
	}
	if deviceErr := e.Device.Check(); err == nil {
		return deviceErr
	}
	return err
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

// UpdateDevice brings what depends on the pass to the device. Who plays recorded
// passes calls it before.
func (e *Env) UpdateDevice() {
	s, value := &e.stream, e.Stream()
	if e.Device == nil || s.set && s.value == value || s.blob.Reshape(2) != nil {
		return
	}
	e.Device.SetLong(s.blob.MutableDeviceData(e.Device), value)
	s.value, s.set = value, true
}
