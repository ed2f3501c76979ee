package utility

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

var (
	_ layers.DeviceLayer   = (*batchReindex)(nil)
	_ layers.DeviceChecker = (*batchReindex)(nil)
)

// ForwardDevice computes the top.
func (l *batchReindex) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	index, _ := l.indices.ReadDevice(d, bottom[1])
	d.GatherRows(l.n, l.width, bottom[0].DeviceData(d), index, top[0].MutableDeviceData(d))
	return nil
}

// CheckDevice returns an error if a number was not that of an item.
func (l *batchReindex) CheckDevice() error { return l.indices.CheckDevice() }

// BackwardDevice computes the diff of the items.
func (l *batchReindex) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 1); err != nil || !propagateDown[0] {
		return err
	}
	index, _ := l.indices.OnDevice(d)
	dx := bottom[0].MutableDeviceDiff(d)
	d.Zero(bottom[0].Count(), dx)
	d.ScatterAddRows(l.n, l.width, top[0].DeviceDiff(d), index, dx)
	return nil
}
