package common

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

var _ layers.DeviceLayer = (*parameter)(nil)

// ForwardDevice makes the weights the data of the top. It asks for their address, so
// that a recorded pass is not replayed once their memory has moved.
func (l *parameter) ForwardDevice(_ context.Context, d *cuda.Device, _, top []*blob.Blob) error {
	l.Blobs[0].DeviceData(d)
	return top[0].ShareData(l.Blobs[0])
}

// BackwardDevice adds the gradient of the top to that of the weights.
func (l *parameter) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, _ []bool, _ []*blob.Blob) error {
	if l.Needs(0) {
		d.Axpy(top[0].Count(), 1, top[0].DeviceDiff(d), l.Blobs[0].MutableDeviceDiff(d))
	}
	return nil
}
