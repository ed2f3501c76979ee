package layers

import (
	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/parallel"
)

// Kept is the copy that a layer in place makes of its bottom in Forward, because
// Backward needs what Forward overwrites. A layer that has one is a Keeper.
type Kept struct{ x blob.Blob }

// Keep copies the data of x, on the threads of p.
func (k *Kept) Keep(p *parallel.Pool, x *blob.Blob) error {
	if err := k.x.ReshapeLike(x); err != nil {
		return err
	}
	kernel.Copy(p, x.Data(), k.x.MutableData())
	return nil
}

// KeepDevice does what Keep does on a device.
func (k *Kept) KeepDevice(d *cuda.Device, x *blob.Blob) error {
	if err := k.x.ReshapeLike(x); err != nil {
		return err
	}
	d.Copy(x.Count(), x.DeviceData(d), k.x.MutableDeviceData(d))
	return nil
}

// Blob returns the blob whose data are the copy.
func (k *Kept) Blob() *blob.Blob { return &k.x }
