package datalayer

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

var _ layers.DeviceLayer = (*dataLayer)(nil)

// ForwardDevice copies the batch of this pass to the tops.
func (l *dataLayer) ForwardDevice(ctx context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	if err := l.Feeder.ForwardDevice(ctx, d, bottom, top); err != nil {
		return err
	}
	l.sendRestarts()
	return nil
}
