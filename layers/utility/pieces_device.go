package utility

import (
	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
)

// deviceArray is the data of a blob on a device, or its diff.
type deviceArray struct {
	read, write func(*blob.Blob, blob.Device) blob.Ptr
}

var (
	deviceData = deviceArray{(*blob.Blob).DeviceData, (*blob.Blob).MutableDeviceData}
	deviceDiff = deviceArray{(*blob.Blob).DeviceDiff, (*blob.Blob).MutableDeviceDiff}
)

// joinDevice copies all pieces to the whole.
func (p *pieces) joinDevice(d *cuda.Device, a deviceArray, parts []*blob.Blob, whole *blob.Blob) {
	y, step := a.write(whole, d), whole.CountFrom(p.at)
	for _, b := range parts {
		width := b.CountFrom(p.at)
		d.CopyRows(p.rows, width, a.read(b, d), width, y, step)
		y = y.At(width)
	}
}

// cutDevice copies the whole to the pieces that are wanted; nil stands for all.
func (p *pieces) cutDevice(d *cuda.Device, a deviceArray, whole *blob.Blob, wanted []bool, parts []*blob.Blob) {
	x, step := a.read(whole, d), whole.CountFrom(p.at)
	for i, b := range parts {
		width := b.CountFrom(p.at)
		if wanted == nil || wanted[i] {
			d.CopyRows(p.rows, width, x, step, a.write(b, d), width)
		}
		x = x.At(width)
	}
}
