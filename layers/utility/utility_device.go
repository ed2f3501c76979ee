package utility

import (
	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
)

// shareOnDevice makes y another view of the numbers of x in a pass on a device.
// It asks for the address of x, so that the pass is not played again, if it is
// recorded, when x has got other memory.
func shareOnDevice(d *cuda.Device, y, x *blob.Blob) error {
	x.DeviceData(d)
	return y.ShareData(x)
}

// passBackOnDevice does what passBack does on a device.
func passBackOnDevice(d *cuda.Device, x, y *blob.Blob) {
	if !x.SharesDiff(y) {
		d.Copy(x.Count(), y.DeviceDiff(d), x.MutableDeviceDiff(d))
	}
}
