package recurrent

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed recurrent.ptx.gz
var recurrentPTX string

var (
	kernels         = cuda.NewModule(recurrentPTX)
	lstmForward     = kernels.Kernel("lstm_forward")
	lstmBackward    = kernels.Kernel("lstm_backward")
	rnnTanh         = kernels.Kernel("rnn_tanh")
	rnnTanhBackward = kernels.Kernel("rnn_tanh_backward")
)

// A deviceUnit is a unit on a device. Its methods correspond to those of unit.
type deviceUnit interface {
	beginDevice(d *cuda.Device, c0 *blob.Blob)
	stepDevice(d *cuda.Device, t int, cont, z, h cuda.Ptr) // of step t
	endDevice(d *cuda.Device, top *blob.Blob)

	beginBackwardDevice(d *cuda.Device, top *blob.Blob) (dh cuda.Ptr)
	backDevice(d *cuda.Device, t int, z, dh, dz cuda.Ptr) // of step t
}

var _ layers.DeviceLayer = (*recurrent)(nil)

// DeviceMode returns the mode that the options allow: debug_info needs the host.
func (l *recurrent) DeviceMode() layers.DeviceMode {
	if l.param.GetDebugInfo() {
		return layers.OnHost
	}
	return layers.Recordable
}

// ForwardDevice computes the tops.
func (l *recurrent) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	u, size, rows := l.unit.(deviceUnit), l.n*l.d, l.t*l.n
	z, before, cont := l.z.MutableDeviceData(d), l.before.MutableDeviceData(d), bottom[1].DeviceData(d)
	d.Gemm(false, true, rows, l.g, l.in, 1, bottom[0].DeviceData(d), l.in, l.Blobs[0].DeviceData(d), l.in, 0, z, l.g)
	d.ChannelScaleShift(rows, l.g, 1, z, 0, l.Blobs[1].DeviceData(d), z)
	if l.static {
		s := l.fromStatic.MutableDeviceData(d)
		d.Gemm(false, true, l.n, l.g, l.staticIn, 1, bottom[2].DeviceData(d), l.staticIn, l.Blobs[2].DeviceData(d), l.staticIn, 0, s, l.g)
		for t := range l.t {
			d.Axpy(l.n*l.g, 1, s, z.At(t*l.n*l.g))
		}
	}
	hidden := l.unit.hidden(top)
	h, last := hidden.MutableDeviceData(d), l.initial(0, bottom).DeviceData(d)
	u.beginDevice(d, l.initial(l.states-1, bottom))
	wh := l.Blobs[l.ofHidden()].DeviceData(d)
	for t := range l.t {
		b, zt, ct := before.At(t*size), z.At(t*l.n*l.g), cont.At(t*l.n)
		d.ChannelScaleShift(1, l.n, l.d, last, ct, 0, b)
		d.Gemm(false, true, l.n, l.g, l.d, 1, b, l.d, wh, l.d, 1, zt, l.g)
		last = h.At(t * size)
		u.stepDevice(d, t, ct, zt, last)
	}
	u.endDevice(d, top[0])
	for i := range l.states {
		from := hidden
		if i > 0 {
			from = l.unit.final(i)
		}
		to := &l.state[i]
		if l.exposed {
			to = top[1+i]
		}
		d.Copy(size, from.DeviceData(d).At(from.Count()-size), to.MutableDeviceData(d))
	}
	return nil
}

// BackwardDevice computes the diffs of the bottoms and adds to those of the weights.
func (l *recurrent) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	u, size, rows := l.unit.(deviceUnit), l.n*l.d, l.t*l.n
	cont, z, dz := bottom[1].DeviceData(d), l.z.DeviceData(d), l.z.MutableDeviceDiff(d)
	dh, carried := l.dh.MutableDeviceData(d), l.carried.MutableDeviceData(d)
	d.Zero(size, carried)
	from := u.beginBackwardDevice(d, top[0])
	wh := l.Blobs[l.ofHidden()].DeviceData(d)
	for t := l.t - 1; t >= 0; t-- {
		d.Add(size, from.At(t*size), carried, dh)
		dzt := dz.At(t * l.n * l.g)
		u.backDevice(d, t, z.At(t*l.n*l.g), dh, dzt)
		if t > 0 {
			d.Gemm(false, false, l.n, l.d, l.g, 1, dzt, l.g, wh, l.d, 0, carried, l.d)
			d.ChannelScaleShift(1, l.n, l.d, carried, cont.At(t*l.n), 0, carried)
		}
	}
	if l.Needs(0) {
		d.Gemm(true, false, l.g, l.in, rows, 1, dz, l.g, bottom[0].DeviceData(d), l.in, 1, l.Blobs[0].MutableDeviceDiff(d), l.in)
	}
	if l.Needs(1) {
		d.ChannelSum(rows, l.g, 1, dz, 1, l.Blobs[1].MutableDeviceDiff(d))
	}
	if l.static && (l.Needs(2) || propagateDown[2]) {
		l.backwardStaticDevice(d, dz, propagateDown, bottom)
	}
	if i := l.ofHidden(); l.Needs(i) {
		d.Gemm(true, false, l.g, l.d, rows, 1, dz, l.g, l.before.DeviceData(d), l.d, 1, l.Blobs[i].MutableDeviceDiff(d), l.d)
	}
	if propagateDown[0] {
		d.Gemm(false, false, rows, l.in, l.g, 1, dz, l.g, l.Blobs[0].DeviceData(d), l.in, 0, bottom[0].MutableDeviceDiff(d), l.in)
	}
	for i := range bottom {
		if propagateDown[i] && !l.AllowForceBackward(i) {
			d.Zero(bottom[i].Count(), bottom[i].MutableDeviceDiff(d))
		}
	}
	return nil
}

// backwardStaticDevice computes the gradients of x_static and its weights.
func (l *recurrent) backwardStaticDevice(d *cuda.Device, dz cuda.Ptr, propagateDown []bool, bottom []*blob.Blob) {
	sum := l.fromStatic.MutableDeviceDiff(d)
	d.SumParts(l.t, l.n*l.g, dz, 0, sum)
	if l.Needs(2) {
		d.Gemm(true, false, l.g, l.staticIn, l.n, 1, sum, l.g, bottom[2].DeviceData(d), l.staticIn, 1, l.Blobs[2].MutableDeviceDiff(d), l.staticIn)
	}
	if propagateDown[2] {
		d.Gemm(false, false, l.n, l.staticIn, l.g, 1, sum, l.g, l.Blobs[2].DeviceData(d), l.staticIn, 0, bottom[2].MutableDeviceDiff(d), l.staticIn)
	}
}
