package common

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

var (
	_ layers.DeviceLayer   = (*embed)(nil)
	_ layers.DeviceChecker = (*embed)(nil)
)

// ForwardDevice computes the top.
func (l *embed) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	index, _ := l.indices.ReadDevice(d, bottom[0])
	y := top[0].MutableDeviceData(d)
	d.GatherRows(l.m, l.n, l.Blobs[0].DeviceData(d), index, y)
	if l.param.GetBiasTerm() {
		d.ChannelScaleShift(l.m, l.n, 1, y, 0, l.Blobs[1].DeviceData(d), y)
	}
	return nil
}

// CheckDevice returns an error if a number of the bottom was out of range.
func (l *embed) CheckDevice() error { return l.indices.CheckDevice() }

// BackwardDevice adds to the diffs of the weights.
func (l *embed) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, _ []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 0); err != nil {
		return err
	}
	dy := top[0].DeviceDiff(d)
	if l.Needs(0) {
		index, _ := l.indices.OnDevice(d)
		d.ScatterAddRows(l.m, l.n, dy, index, l.Blobs[0].MutableDeviceDiff(d))
	}
	if l.Needs(1) {
		d.ChannelSum(l.m, l.n, 1, dy, 1, l.Blobs[1].MutableDeviceDiff(d))
	}
	return nil
}
