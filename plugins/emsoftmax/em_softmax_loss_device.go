package emsoftmax

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed em_softmax_loss.ptx.gz
var ptx string

var (
	kernels         = cuda.NewModule(ptx)
	kernelMean      = kernels.Kernel("em_softmax_loss_mean")
	kernelForward   = kernels.Kernel("em_softmax_loss_forward")
	kernelInverse   = kernels.Kernel("em_softmax_loss_inverse")
	kernelCenter    = kernels.Kernel("em_softmax_loss_center")
	kernelOthers    = kernels.Kernel("em_softmax_loss_others")
	kernelDiversity = kernels.Kernel("em_softmax_loss_diversity")
)

// warps is the number of items, one per warp, in a block of em_softmax_loss_forward.
const warps = cuda.Block / 32

var (
	_ layers.DeviceLayer   = (*emSoftmaxLoss)(nil)
	_ layers.DeviceChecker = (*emSoftmaxLoss)(nil)
)

// onDevice holds the layer's data on a device that the host does not use.
type onDevice struct {
	terms blob.Blob // of the loss, one per item
	mean  blob.Blob // the averaged classifier
}

// CheckDevice returns an error if a label of the last pass was out of range.
func (l *emSoftmaxLoss) CheckDevice() error { return l.loss.CheckDevice() }

// weightsDevice returns the classifiers that apply to x, (groups·k, d).
func (l *emSoftmaxLoss) weightsDevice(d *cuda.Device) cuda.Ptr {
	w := l.Blobs[0].DeviceData(d)
	if !l.average || l.options.V == 1 {
		return w
	}
	mean, n := l.device.mean.MutableDeviceData(d), l.k*l.d
	d.Launch(kernelMean, cuda.Each(n), w, mean, int(l.options.V), n)
	return mean
}

// ForwardDevice computes the loss and the scores.
func (l *emSoftmaxLoss) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	class := l.loss.ReadDevice(d, bottom[1])
	n := l.groups * l.k
	z, p, loss := l.scores.MutableDeviceData(d), l.prob.MutableDeviceData(d), top[0].MutableDeviceData(d)
	d.Gemm(false, true, l.m, n, l.d, 1, bottom[0].DeviceData(d), l.d, l.weightsDevice(d), l.d, 0, z, n)
	var score cuda.Ptr
	if len(top) > 1 {
		score = top[1].MutableDeviceData(d)
	}
	if l.bounded {
		d.Softmax(l.m, l.k, 1, z, p)
		l.loss.ForwardDevice(d, p, loss)
		if score != 0 {
			d.Copy(l.m*l.k, z, score)
		}
	} else {
		margin := l.options.M
		if l.average {
			margin = 0
		}
		terms := l.device.terms.MutableDeviceData(d)
		d.Launch(kernelForward, cuda.Blocks((l.m+warps-1)/warps, 1, 1), z, class, margin, p, terms, score, l.groups, l.k, l.m)
		l.loss.MeanDevice(d, l.m, terms, loss)
	}
	var term cuda.Ptr
	if l.needsDiversity() {
		term = l.diversity.forwardDevice(d, l.Blobs[0])
	}
	if l.diverse() {
		d.Axpy(1, l.diversity.scale, term, loss)
	}
	switch {
	case !l.measured:
	case term == 0:
		d.Zero(1, top[2].MutableDeviceData(d))
	default:
		d.Scale(1, l.diversity.hsicScale, term, top[2].MutableDeviceData(d))
	}
	return nil
}

// BackwardDevice computes the diff of the features and adds to that of the
// weights.
func (l *emSoftmaxLoss) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 1); err != nil {
		return err
	}
	if !propagateDown[0] && !l.Needs(0) {
		return nil
	}
	n, dloss, dz := l.groups*l.k, top[0].DeviceDiff(d), l.scores.MutableDeviceData(d)
	l.loss.BackwardDevice(d, l.prob.DeviceData(d), dloss, dz)
	if propagateDown[0] {
		d.Gemm(false, false, l.m, l.d, n, 1, dz, n, l.weightsDevice(d), l.d, 0, bottom[0].MutableDeviceDiff(d), l.d)
	}
	if !l.Needs(0) {
		return nil
	}
	x, dw := bottom[0].DeviceData(d), l.Blobs[0].MutableDeviceDiff(d)
	shares := 1 // classifiers that share a gradient
	if l.average {
		shares = int(l.options.V)
	}
	for v := range shares {
		d.Gemm(true, false, n, l.d, l.m, 1/float32(shares), dz, n, x, l.d, 1, dw.At(v*n*l.d), l.d)
	}
	if l.diverse() {
		l.diversity.backwardDevice(d, l.Blobs[0], dloss)
	}
	return nil
}
