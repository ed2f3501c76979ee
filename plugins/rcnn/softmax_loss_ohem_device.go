package rcnn

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

// softmaxLossOHEMKernels are those of Caffe's layers, of which it is made.
var softmaxLossOHEMKernels = cuda.Math

var (
	_ layers.DeviceLayer   = (*softmaxLossOHEM)(nil)
	_ layers.DeviceChecker = (*softmaxLossOHEM)(nil)
)

// CheckDevice returns an error if a label was out of range.
func (l *softmaxLossOHEM) CheckDevice() error { return l.loss.CheckDevice() }

// ForwardDevice computes the tops.
func (l *softmaxLossOHEM) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	labels := l.loss.Labels
	l.loss.ReadDevice(d, bottom[1])
	prob, loss := l.prob.MutableDeviceData(d), top[0].MutableDeviceData(d)
	d.Softmax(labels.Outer, labels.Classes, labels.Inner, bottom[0].DeviceData(d), prob)
	into := &l.terms
	if len(top) > 2 {
		into = top[2]
	}
	terms := into.MutableDeviceData(d)
	labels.LogTermsDevice(d, 1, prob, leastProbability, terms)
	l.loss.MeanDevice(d, bottom[1].Count(), terms, loss)
	if l.norm.fixed > 0 {
		d.Scale(1, 1/l.norm.fixed, loss, loss)
	}
	if len(top) > 1 {
		return top[1].ShareData(&l.prob)
	}
	return nil
}

// BackwardDevice computes the diff of the scores.
func (l *softmaxLossOHEM) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 1); err != nil || !propagateDown[0] {
		return err
	}
	diff := bottom[0].MutableDeviceDiff(d)
	l.loss.BackwardDevice(d, l.prob.DeviceData(d), top[0].DeviceDiff(d), diff)
	if l.norm.fixed > 0 {
		d.Scale(bottom[0].Count(), 1/l.norm.fixed, diff, diff)
	}
	return nil
}
