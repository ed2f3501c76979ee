package layers

import (
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
)

//go:embed crossentropy.ptx.gz
var crossEntropyPTX string

var crossEntropyBackward = cuda.NewModule(crossEntropyPTX).Kernel("cross_entropy_backward")

// ReadDevice does on a device what Read does, as Labels.ReadDevice.
func (e *CrossEntropy) ReadDevice(d *cuda.Device, labels *blob.Blob) (class cuda.Ptr) {
	class, _ = e.Labels.ReadDevice(d, labels)
	return class
}

// CheckDevice returns an error if a label was out of range. The layer's CheckDevice
// calls it (DeviceChecker).
func (e *CrossEntropy) CheckDevice() error { return e.Labels.CheckDevice() }

// DeviceNormalizer returns M, or 0 if that is the number of labels that count, whose
// address Labels.OnDevice returns.
func (e *CrossEntropy) DeviceNormalizer() float32 {
	return e.norm.DeviceNormalizer(e.Labels.Outer, e.Labels.Inner)
}

// ForwardDevice computes the loss on a device, as Forward does without scores.
func (e *CrossEntropy) ForwardDevice(d *cuda.Device, prob, loss cuda.Ptr) {
	terms := e.terms.MutableDeviceData(d)
	e.Labels.LogTermsDevice(d, e.groups, prob, leastProbability, terms)
	class, _ := e.Labels.OnDevice(d)
	e.weights.ApplyDevice(d, class, e.groups, 1, e.Labels.Inner, e.places(), terms)
	e.MeanDevice(d, e.places(), terms, loss)
}

// MeanDevice sets loss to the sum of n terms, divided by M.
func (e *CrossEntropy) MeanDevice(d *cuda.Device, n int, terms, loss cuda.Ptr) {
	_, valid := e.Labels.OnDevice(d)
	MeanDevice(d, n, terms, e.DeviceNormalizer(), valid, loss)
}

// BackwardDevice sets diff to the gradient of the loss by the scores. dloss is the
// address of the loss weight.
func (e *CrossEntropy) BackwardDevice(d *cuda.Device, prob, dloss, diff cuda.Ptr) {
	class, valid := e.Labels.OnDevice(d)
	n := e.places() * e.Labels.Classes
	d.Launch(crossEntropyBackward, cuda.Each(n), prob, class, dloss, e.DeviceNormalizer(), valid, diff,
		e.groups, e.Labels.Classes, e.Labels.Inner, n)
	e.weights.ApplyDevice(d, class, e.groups, e.Labels.Classes, e.Labels.Inner, n, diff)
}
