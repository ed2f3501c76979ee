package normface

import (
	"context"
	_ "embed"
	"errors"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed general_contrastive_loss.ptx.gz
var generalContrastiveLossPTX string

var (
	generalContrastiveLossKernels = cuda.NewModule(generalContrastiveLossPTX)
	generalContrastiveLossItems   = generalContrastiveLossKernels.Kernel("general_contrastive_loss_items")
	generalContrastiveLossTotal   = generalContrastiveLossKernels.Kernel("general_contrastive_loss_total")
	generalContrastiveLossSlopes  = generalContrastiveLossKernels.Kernel("general_contrastive_loss_slopes")
	generalContrastiveLossShare   = generalContrastiveLossKernels.Kernel("general_contrastive_loss_share")
	generalContrastiveLossScale   = generalContrastiveLossKernels.Kernel("general_contrastive_loss_scale")
)

var (
	_ layers.DeviceLayer   = (*generalContrastiveLoss)(nil)
	_ layers.DeviceChecker = (*generalContrastiveLoss)(nil)
)

// generalContrastiveDevice holds a generalContrastiveLoss's data on a device.
type generalContrastiveDevice struct {
	shares blob.Blob // of the items in the tops, (3,m)
	chosen blob.Blob // ints: for each item, the only class that counts; then the only item
	margin blob.Blob // of the last forward pass
	sums   blob.Blob // of the gradients of each item's other classes
	share  blob.Blob // the divisor of these
}

// reshape sets the sizes for m items.
func (b *generalContrastiveDevice) reshape(m int) error {
	return errors.Join(b.shares.Reshape(3, m), b.chosen.Reshape(m+1), b.margin.Reshape(1), b.sums.Reshape(m), b.share.Reshape(1))
}

// CheckDevice returns an error if a label of the last pass was out of range.
func (l *generalContrastiveLoss) CheckDevice() error { return l.labels.CheckDevice() }

// valuesDevice returns the distances that determine the loss.
func (l *generalContrastiveLoss) valuesDevice(d *cuda.Device, bottom []*blob.Blob) cuda.Ptr {
	if len(bottom) == 3 {
		return bottom[2].DeviceData(d)
	}
	return bottom[0].DeviceData(d)
}

// ForwardDevice computes the tops.
func (l *generalContrastiveLoss) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	o := &l.options
	class, _ := l.labels.ReadDevice(d, bottom[1])
	shares, chosen, intra := l.device.shares.MutableDeviceData(d), l.device.chosen.MutableDeviceData(d), l.intra.MutableDeviceData(d)
	d.Launch(generalContrastiveLossItems, cuda.Blocks(l.m, 1, 1), l.valuesDevice(d, bottom), class, intra, shares, chosen,
		o.PositiveMargin, o.NegativeMargin, o.Outlier, o.PositiveWeight, o.NegativeWeight,
		o.Exp, o.MaxNegativeOnly, o.AddIntraMAE, o.PositiveFirst, o.PositiveUpperBound, l.m, l.k)
	var means cuda.Ptr
	if len(top) == 2 {
		means = top[1].MutableDeviceData(d)
	}
	d.Launch(generalContrastiveLossTotal, cuda.Blocks(1, 1, 1), shares, class, chosen, intra, l.device.margin.MutableDeviceData(d),
		top[0].MutableDeviceData(d), means, o.NegativeMargin, o.PositiveWeight, o.MaxPositiveOnly, o.AddIntraMAE,
		o.MaxNegativeMargin, l.m, l.k)
	return nil
}

// BackwardDevice computes the diff of the distances.
func (l *generalContrastiveLoss) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 1); err != nil || !propagateDown[0] {
		return err
	}
	o, dx, sums := &l.options, bottom[0].MutableDeviceDiff(d), l.device.sums.MutableDeviceData(d)
	class, _ := l.labels.OnDevice(d)
	d.Launch(generalContrastiveLossSlopes, cuda.Blocks(l.m, 1, 1), l.valuesDevice(d, bottom), class,
		l.device.margin.DeviceData(d), l.device.chosen.DeviceData(d), dx, sums, o.PositiveMargin, o.Outlier, o.PositiveWeight,
		o.NegativeWeight, o.Exp, o.MaxNegativeOnly, o.MaxPositiveOnly, o.PositiveFirst, o.PositiveUpperBound, l.m, l.k)
	var share cuda.Ptr
	if o.NormalizeNegative > 0 {
		share = l.device.share.MutableDeviceData(d)
		d.Launch(generalContrastiveLossShare, cuda.Blocks(1, 1, 1), sums, share, o.NormalizeNegative, o.PositiveWeight, l.m)
	}
	d.Launch(generalContrastiveLossScale, cuda.Each(l.m*l.k), class, share, top[0].DeviceDiff(d), dx, l.m, l.k)
	return nil
}
