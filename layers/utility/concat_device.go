package utility

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

var _ layers.DeviceLayer = (*concat)(nil)

// ForwardDevice computes the top.
func (l *concat) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	if len(bottom) == 1 {
		return shareOnDevice(d, top[0], bottom[0])
	}
	l.joinDevice(d, deviceData, bottom, top[0])
	return nil
}

// BackwardDevice computes the diffs of the bottoms.
func (l *concat) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	switch {
	case len(bottom) > 1:
		l.cutDevice(d, deviceDiff, top[0], propagateDown, bottom)
	case propagateDown[0]:
		passBackOnDevice(d, bottom[0], top[0])
	}
	return nil
}
