package utility

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

var _ layers.DeviceLayer = (*slice)(nil)

// ForwardDevice computes the tops.
func (l *slice) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	if len(top) == 1 {
		return shareOnDevice(d, top[0], bottom[0])
	}
	l.cutDevice(d, deviceData, bottom[0], nil, top)
	return nil
}

// BackwardDevice computes the diff of the bottom.
func (l *slice) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	switch {
	case !propagateDown[0]:
	case len(top) > 1:
		l.joinDevice(d, deviceDiff, top, bottom[0])
	default:
		passBackOnDevice(d, bottom[0], top[0])
	}
	return nil
}
