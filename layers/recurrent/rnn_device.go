package recurrent

import (
	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
)

var _ deviceUnit = (*rnn)(nil)

func (u *rnn) beginDevice(*cuda.Device, *blob.Blob) {}

func (u *rnn) stepDevice(d *cuda.Device, _ int, _, z, h cuda.Ptr) {
	d.Launch(rnnTanh, cuda.Each(u.n*u.d), z, h, u.n*u.d)
}

func (u *rnn) endDevice(d *cuda.Device, top *blob.Blob) {
	y, rows, i := top.MutableDeviceData(d), u.t*u.n, u.ofOutput()
	d.Gemm(false, true, rows, u.d, u.d, 1, u.h.DeviceData(d), u.d, u.Blobs[i].DeviceData(d), u.d, 0, y, u.d)
	d.ChannelScaleShift(rows, u.d, 1, y, 0, u.Blobs[i+1].DeviceData(d), y)
	d.Launch(rnnTanh, cuda.Each(rows*u.d), y, y, rows*u.d)
}

func (u *rnn) beginBackwardDevice(d *cuda.Device, top *blob.Blob) cuda.Ptr {
	rows, i, h, dout := u.t*u.n, u.ofOutput(), u.h.DeviceData(d), u.out.MutableDeviceDiff(d)
	d.Launch(rnnTanhBackward, cuda.Each(rows*u.d), top.DeviceData(d), top.DeviceDiff(d), dout, rows*u.d)
	if u.Needs(i) {
		d.Gemm(true, false, u.d, u.d, rows, 1, dout, u.d, h, u.d, 1, u.Blobs[i].MutableDeviceDiff(d), u.d)
	}
	if u.Needs(i + 1) {
		d.ChannelSum(rows, u.d, 1, dout, 1, u.Blobs[i+1].MutableDeviceDiff(d))
	}
	dh := u.h.MutableDeviceDiff(d)
	d.Gemm(false, false, rows, u.d, u.d, 1, dout, u.d, u.Blobs[i].DeviceData(d), u.d, 0, dh, u.d)
	return dh
}

func (u *rnn) backDevice(d *cuda.Device, t int, _, dh, dz cuda.Ptr) {
	d.Launch(rnnTanhBackward, cuda.Each(u.n*u.d), u.h.DeviceData(d).At(t*u.n*u.d), dh, dz, u.n*u.d)
}
