package ocr

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/recurrent"
)

var _ layers.DeviceLayer = (*lstm)(nil)

// markersDevice returns the markers of step t.
func (l *lstm) markersDevice(d *cuda.Device, bottom []*blob.Blob, t int) cuda.Ptr {
	if !l.marked {
		return l.ones.DeviceData(d)
	}
	return bottom[1].DeviceData(d).At(t * l.n)
}

// ForwardDevice computes the top.
func (l *lstm) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	rows, size := l.t*l.n, l.n*l.d
	z, cells, h := l.z.MutableDeviceData(d), l.cells.MutableDeviceData(d), top[0].MutableDeviceData(d)
	first, before, wh := l.first.MutableDeviceData(d), l.before.MutableDeviceData(d), l.Blobs[1].DeviceData(d)
	if l.marked {
		d.Copy(size, l.h.DeviceData(d), first)
		d.Copy(size, l.c.DeviceData(d), cells)
	} else {
		d.Zero(size, first)
		d.Zero(size, cells)
	}
	d.Gemm(false, true, rows, l.g, l.in, 1, bottom[0].DeviceData(d), l.in, l.Blobs[0].DeviceData(d), l.in, 0, z, l.g)
	d.ChannelScaleShift(rows, l.g, 1, z, 0, l.Blobs[2].DeviceData(d), z)
	last := first
	for t := range l.t {
		cont, zt := l.markersDevice(d, bottom, t), z.At(t*l.n*l.g)
		d.ChannelScaleShift(1, l.n, l.d, last, cont, 0, before)
		d.Gemm(false, true, l.n, l.g, l.d, 1, before, l.d, wh, l.d, 1, zt, l.g)
		last = h.At(t * size)
		recurrent.LSTMStepDevice(d, l.n, l.d, cont, zt, cells.At(t*size), zt, cells.At((t+1)*size), last)
	}
	d.Copy(size, last, l.h.MutableDeviceData(d))
	d.Copy(size, cells.At(l.t*size), l.c.MutableDeviceData(d))
	return nil
}

// BackwardDevice computes the diff of x and adds to those of the weights.
func (l *lstm) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	rows, size := l.t*l.n, l.n*l.d
	z, dz, cells, diff := l.z.DeviceData(d), l.z.MutableDeviceDiff(d), l.cells.DeviceData(d), top[0].DeviceDiff(d)
	dh, dc, carried, wh := l.dh.MutableDeviceData(d), l.dc.MutableDeviceData(d), l.carried.MutableDeviceData(d), l.Blobs[1].DeviceData(d)
	d.Zero(size, dc)
	d.Zero(size, carried)
	for t := l.t - 1; t >= 0; t-- {
		dzt := dz.At(t * l.n * l.g)
		d.Add(size, diff.At(t*size), carried, dh)
		recurrent.LSTMStepBackwardDevice(d, l.n, l.d, z.At(t*l.n*l.g), cells.At(t*size), cells.At((t+1)*size), dc, dh, dzt, dc, l.options.Threshold)
		if t > 0 {
			d.Gemm(false, false, l.n, l.d, l.g, 1, dzt, l.g, wh, l.d, 0, carried, l.d)
			d.ChannelScaleShift(1, l.n, l.d, carried, l.markersDevice(d, bottom, t), 0, carried)
		}
	}
	if l.Needs(0) {
		d.Gemm(true, false, l.g, l.in, rows, 1, dz, l.g, bottom[0].DeviceData(d), l.in, 1, l.Blobs[0].MutableDeviceDiff(d), l.in)
	}
	if l.Needs(1) && l.n > 0 {
		dw := l.Blobs[1].MutableDeviceDiff(d)
		if l.t > 1 {
			d.Gemm(true, false, l.g, l.d, rows-l.n, 1, dz.At(l.n*l.g), l.g, top[0].DeviceData(d), l.d, 1, dw, l.d)
		}
		d.Gemm(true, false, l.g, l.d, 1, 1, dz, l.g, l.first.DeviceData(d), l.d, 1, dw, l.d)
	}
	if l.Needs(2) {
		d.ChannelSum(rows, l.g, 1, dz, 1, l.Blobs[2].MutableDeviceDiff(d))
	}
	if propagateDown[0] {
		d.Gemm(false, false, rows, l.in, l.g, 1, dz, l.g, l.Blobs[0].DeviceData(d), l.in, 0, bottom[0].MutableDeviceDiff(d), l.in)
	}
	if l.marked && propagateDown[1] {
		d.Zero(bottom[1].Count(), bottom[1].MutableDeviceDiff(d))
	}
	return nil
}
