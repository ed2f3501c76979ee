package vision

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed im2col.ptx.gz
var im2colPTX string

var (
	im2colKernels  = cuda.NewModule(im2colPTX)
	im2colForward  = im2colKernels.Kernel("im2col_forward")
	im2colBackward = im2colKernels.Kernel("im2col_backward")
)

var _ layers.DeviceLayer = (*im2col)(nil)

// fillTable fills the kernels' table if there is a device.
func (l *im2col) fillTable() error {
	if l.spec.Env.Device == nil {
		return nil
	}
	if err := l.table.Reshape(len(l.kernel), 6); err != nil {
		return err
	}
	table := cuda.Ints(l.table.MutableData())
	for i := range l.kernel {
		for j, v := range []int{l.out[i], l.in[i], l.kernel[i], l.stride[i], l.pad[i], l.dilation[i]} {
			table[6*i+j] = int32(v)
		}
	}
	return nil
}

// ForwardDevice computes the top.
func (l *im2col) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	n := top[0].Count()
	d.Launch(im2colForward, cuda.Each(n), bottom[0].DeviceData(d), top[0].MutableDeviceData(d), l.table.DeviceData(d),
		len(l.kernel), l.taps, l.size, l.outSize, n)
	return nil
}

// BackwardDevice computes the diff of the bottom.
func (l *im2col) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if n := bottom[0].Count(); propagateDown[0] {
		d.Launch(im2colBackward, cuda.Each(n), top[0].DeviceDiff(d), bottom[0].MutableDeviceDiff(d), l.table.DeviceData(d),
			len(l.kernel), l.taps, l.size, l.outSize, n)
	}
	return nil
}
