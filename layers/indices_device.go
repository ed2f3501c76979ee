package layers

import (
	_ "embed"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
)

//go:embed indices.ptx.gz
var indicesPTX string

var (
	indicesModule = cuda.NewModule(indicesPTX)
	indicesBegin  = indicesModule.Kernel("indices_begin")
	indicesRead   = indicesModule.Kernel("indices_read")
)

// ReadDevice does what Read does on a device. It returns the addresses of the
// elements, ints, and of the number of those that count, an int. An element that is
// out of range becomes -1 and does not count: the host does not wait here, and learns
// of it from CheckDevice.
func (x *Indices) ReadDevice(d *cuda.Device, bottom *blob.Blob) (index, valid cuda.Ptr) {
	ignore := int32(0)
	if x.ignore != nil {
		ignore = *x.ignore
	}
	index, info := x.onDevice.MutableDeviceData(d), x.info.MutableDeviceData(d)
	stride := max(x.stride, 1)
	n := bottom.Count() / stride
	d.Launch(indicesBegin, cuda.Each(1), info)
	d.Launch(indicesRead, cuda.Each(n), bottom.DeviceData(d), index, info, x.ignore != nil, ignore, x.limit, stride, n)
	return index, info
}

// CheckDevice waits for the device and returns an error, once, if an element
// since the last call was out of range. The layer's CheckDevice calls it
// (DeviceChecker).
func (x *Indices) CheckDevice() error {
	if x.info.Count() == 0 {
		return nil
	}
	info := x.info.Data()
	value, place := info[2], math.Float32bits(info[3])
	if place == 0 {
		return nil
	}
	clear(x.info.MutableData())
	return x.outOfRange(int(math.MaxInt32-place), value)
}

// OnDevice returns the addresses that ReadDevice has returned, for Backward.
func (x *Indices) OnDevice(d *cuda.Device) (index, valid cuda.Ptr) {
	return x.onDevice.DeviceData(d), x.info.DeviceData(d)
}
