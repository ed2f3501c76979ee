package margin

import (
	_ "embed"
	"errors"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed margin.ptx.gz
var ptx string

// Kernels are the device kernels of both layers.
var Kernels = cuda.NewModule(ptx)

var (
	kernelForward  = Kernels.Kernel("margin_forward")
	kernelGradient = Kernels.Kernel("margin_gradient")
	kernelOwnX     = Kernels.Kernel("margin_own_x")
	kernelOwnW     = Kernels.Kernel("margin_own_w")
)

var _ layers.DeviceChecker = (*InnerProduct)(nil)

// onDevice holds the layers' data on a device: for each item the two lengths and
// the cosine, and the factors of x and w[t] themselves in the gradient.
type onDevice struct {
	kept, own blob.Blob
	gradient  blob.Blob // (M,N)
}

func (b *onDevice) reshape(m, n int) error {
	return errors.Join(b.kept.Reshape(m, 3), b.own.Reshape(m, 2), b.gradient.Reshape(m, n))
}

// DeviceMode returns OnDevice, not Recordable: λ differs in each pass.
func (l *InnerProduct) DeviceMode() layers.DeviceMode { return layers.OnDevice }

// CheckDevice returns an error if a label of the last pass was out of range.
func (l *InnerProduct) CheckDevice() error { return l.labels.CheckDevice() }

// ForwardOn computes the tops on a device, with sphere for A-Softmax, where class
// vectors have length 1, otherwise for L-Softmax.
func (l *InnerProduct) ForwardOn(d *cuda.Device, bottom, top []*blob.Blob, sphere bool) error {
	class, _ := l.labels.ReadDevice(d, bottom[1])
	l.Lambda = l.Next()
	if len(top) == 2 {
		d.Fill(1, l.Lambda, top[1].MutableDeviceData(d))
	}
	if sphere {
		w := l.Blobs[0].MutableDeviceData(d)
		d.NormalizeRows(l.N, l.K, 0, w, w)
	}
	x, w, y := bottom[0].DeviceData(d), l.Blobs[0].DeviceData(d), top[0].MutableDeviceData(d)
	d.Gemm(false, true, l.M, l.N, l.K, 1, x, l.K, w, l.K, 0, y, l.N)
	if l.Factor > 1 {
		d.Launch(kernelForward, cuda.Blocks(l.M, 1, 1), x, w, class, y, l.device.kept.MutableDeviceData(d), sphere,
			l.Factor, l.Lambda, l.N, l.K)
	}
	return nil
}

// BackwardOn computes the diff of x on a device and adds to that of the weights.
func (l *InnerProduct) BackwardOn(d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob, sphere bool) error {
	if err := l.Spec.NoGradient(propagateDown, 1); err != nil {
		return err
	}
	x, w, dy := bottom[0].DeviceData(d), l.Blobs[0].DeviceData(d), top[0].DeviceDiff(d)
	class, _ := l.labels.OnDevice(d)
	g := dy
	var own cuda.Ptr
	if l.Factor > 1 {
		g, own = l.device.gradient.MutableDeviceData(d), l.device.own.MutableDeviceData(d)
		d.Copy(l.M*l.N, dy, g)
		d.Launch(kernelGradient, cuda.Each(l.M), dy, class, l.device.kept.DeviceData(d), g, own, sphere, l.Factor,
			l.Lambda, l.N, l.M)
	}
	if propagateDown[0] {
		dx := bottom[0].MutableDeviceDiff(d)
		d.Gemm(false, false, l.M, l.K, l.N, 1, g, l.N, w, l.K, 0, dx, l.K)
		if own != 0 {
			d.Launch(kernelOwnX, cuda.Each(l.M*l.K), x, own, dx, l.K, l.M*l.K)
		}
	}
	if l.Needs(0) {
		dw := l.Blobs[0].MutableDeviceDiff(d)
		if sphere { // the weights get the gradient of a plain product
			g, own = dy, 0
		}
		d.Gemm(true, false, l.N, l.K, l.M, 1, g, l.N, x, l.K, 1, dw, l.K)
		if own != 0 {
			d.Launch(kernelOwnW, cuda.Blocks(l.M, 1, 1), w, class, own, dw, l.K, l.M)
		}
	}
	return nil
}
