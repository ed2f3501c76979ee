package utility

import (
	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
)

// shareOnDevice makes y another view of the data of x in a pass on a device. It asks for
// the address of x, so that a recorded pass is not replayed once the memory of x has
// moved.
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
