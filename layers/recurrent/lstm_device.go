package recurrent

import (
	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
)

var _ deviceUnit = (*lstm)(nil)

func (u *lstm) beginDevice(d *cuda.Device, c0 *blob.Blob) {
	d.Copy(u.n*u.d, c0.DeviceData(d), u.cells.MutableDeviceData(d))
}

func (u *lstm) stepDevice(d *cuda.Device, t int, cont, z, h cuda.Ptr) {
	c := u.cells.MutableDeviceData(d)
	LSTMStepDevice(d, u.n, u.d, cont, z, c.At(t*u.n*u.d), z, c.At((t+1)*u.n*u.d), h)
}

func (u *lstm) endDevice(*cuda.Device, *blob.Blob) {}

func (u *lstm) beginBackwardDevice(d *cuda.Device, top *blob.Blob) cuda.Ptr {
	d.Zero(u.n*u.d, u.dc.MutableDeviceData(d))
	return top.DeviceDiff(d)
}

func (u *lstm) backDevice(d *cuda.Device, t int, z, dh, dz cuda.Ptr) {
	c, dc := u.cells.DeviceData(d), u.dc.MutableDeviceData(d)
	LSTMStepBackwardDevice(d, u.n, u.d, z, c.At(t*u.n*u.d), c.At((t+1)*u.n*u.d), dc, dh, dz, dc, 0)
}
