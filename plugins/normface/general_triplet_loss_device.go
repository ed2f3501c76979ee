package normface

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed general_triplet_loss.ptx.gz
var generalTripletLossPTX string

var (
	generalTripletLossKernels  = cuda.NewModule(generalTripletLossPTX)
	generalTripletLossItems    = generalTripletLossKernels.Kernel("general_triplet_loss_items")
	generalTripletLossTotal    = generalTripletLossKernels.Kernel("general_triplet_loss_total")
	generalTripletLossBackward = generalTripletLossKernels.Kernel("general_triplet_loss_backward")
)

var (
	_ layers.DeviceLayer   = (*generalTripletLoss)(nil)
	_ layers.DeviceChecker = (*generalTripletLoss)(nil)
)

// generalTripletDevice holds a generalTripletLoss's data on a device.
type generalTripletDevice struct {
	shares  blob.Blob // of the items in the tops, (3,m)
	hardest blob.Blob // ints: of each item, the only class that counts
}

// CheckDevice returns an error if a label of the last pass was out of range.
func (l *generalTripletLoss) CheckDevice() error { return l.labels.CheckDevice() }

// ForwardDevice computes the tops.
func (l *generalTripletLoss) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	o, shares := &l.options, l.device.shares.MutableDeviceData(d)
	class, _ := l.labels.ReadDevice(d, bottom[1])
	d.Launch(generalTripletLossItems, cuda.Blocks(l.m, 1, 1), bottom[0].DeviceData(d), class, shares,
		l.device.hardest.MutableDeviceData(d), o.Margin, o.HardestOnly, o.PositiveFirst, o.PositiveUpperBound, l.m, l.k)
	var means cuda.Ptr
	if len(top) == 2 {
		means = top[1].MutableDeviceData(d)
	}
	d.Launch(generalTripletLossTotal, cuda.Blocks(1, 1, 1), shares, top[0].MutableDeviceData(d), means, o.NegativeWeight, l.m, l.k)
	return nil
}

// BackwardDevice computes the diff of the distances.
func (l *generalTripletLoss) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 1); err != nil || !propagateDown[0] {
		return err
	}
	o := &l.options
	class, _ := l.labels.OnDevice(d)
	var weights cuda.Ptr
	if len(bottom) == 3 {
		weights = bottom[2].DeviceData(d)
	}
	d.Launch(generalTripletLossBackward, cuda.Blocks(l.m, 1, 1), bottom[0].DeviceData(d), class, l.device.hardest.DeviceData(d),
		weights, top[0].DeviceDiff(d), bottom[0].MutableDeviceDiff(d), o.Margin, o.PositiveWeight, o.NegativeWeight,
		o.AddCenterLoss, o.HardestOnly, o.PositiveFirst, o.PositiveUpperBound, l.m, l.k)
	return nil
}
