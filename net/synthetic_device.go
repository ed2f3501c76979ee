package net

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

var _ layers.DeviceLayer = (*syntheticData)(nil)

// ForwardDevice does what Forward does.
func (s *syntheticData) ForwardDevice(_ context.Context, d *cuda.Device, _, top []*blob.Blob) error {
	if err := s.make(); err != nil {
		return err
	}
	for j, v := range s.values {
		d.Copy(v.Count(), v.DeviceData(d), top[j].MutableDeviceData(d))
	}
	return nil
}

// BackwardDevice does nothing.
func (s *syntheticData) BackwardDevice(context.Context, *cuda.Device, []*blob.Blob, []bool, []*blob.Blob) error {
	return nil
}
