package normface

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "GeneralTripletLoss",
		Group: "loss",
		Plugin: &layers.Plugin{
			Field:   "general_triplet_loss_param",
			Number:  217,
			Proto:   layers.Schema(schemas, "general_triplet_loss.proto"),
			Message: "GeneralTripletParameter",
		},
		Bottoms: layers.Between(2, 3),
		Tops:    layers.Between(1, 2),
		Loss:    true,
		New:     newGeneralTripletLoss,
		Kernels: generalTripletLossKernels,
		Doc: `Triplet loss of the distances d of M items from K class centers, with t the true class:

	E = 1/M sum of wn max(0, d[t] + margin - d[k]) over items and classes k != t

The gradient is deliberately not the derivative: a class that is too near gets -wn, and the true class wp, once
per item and not once per class.

Bottoms: the distances, M x K, from InnerDistance for example; labels 0 to K-1, one per item; optionally a
weight per item, which multiplies its gradient but not its loss. Only the first bottom has a gradient.
Tops: the loss, a scalar; optionally the mean distances to the true classes and to the others, 2 elements.

general_triplet_loss_param:
	margin (0.2)
	positive_weight (1), negative_weight (1): wp and wn
	add_center_loss (true): the true class gets a gradient even if no other class is too near
	hardest_only (false): of the classes that are too near, only the nearest counts
	positive_first (false): for items with d[t] above positive_upper_bound (1), no other class counts

Source: github.com/happynear/caffe-windows, general_triplet_loss_layer.cpp`,
	})
}

// generalTripletLoss implements the layer type; its registration describes it.
//
// Differs from Caffe: with hardest_only, a nearest class at a distance of exactly 0
// gets its gradient. The fork leaves what its forward pass stored in the diff.
type generalTripletLoss struct {
	layers.OnRecordableDevice

	spec    *layers.Spec
	options generalTripletOptions
	labels  *layers.Labels

	m, k   int
	class  []int32
	device generalTripletDevice
}

type generalTripletOptions struct {
	Margin             float32 `proto:"margin"`
	AddCenterLoss      bool    `proto:"add_center_loss"`
	HardestOnly        bool    `proto:"hardest_only"`
	PositiveFirst      bool    `proto:"positive_first"`
	PositiveUpperBound float32 `proto:"positive_upper_bound"`
	PositiveWeight     float32 `proto:"positive_weight"`
	NegativeWeight     float32 `proto:"negative_weight"`
}

var (
	_ layers.Layer          = (*generalTripletLoss)(nil)
	_ layers.BackwardForcer = (*generalTripletLoss)(nil)
)

func newGeneralTripletLoss(s *layers.Spec) (layers.Layer, error) {
	l := &generalTripletLoss{spec: s, labels: layers.NewLabels(s, nil)}
	return l, s.Options(&l.options)
}

// AllowForceBackward reports whether bottom i has a gradient: only the first has.
func (l *generalTripletLoss) AllowForceBackward(i int) bool { return i == 0 }

func (l *generalTripletLoss) SetUp(_, _ []*blob.Blob) error { return nil }

func (l *generalTripletLoss) Reshape(bottom, top []*blob.Blob) error {
	var err error
	if l.m, l.k, err = distances(l.spec, l.labels, bottom, top); err != nil {
		return err
	}
	if len(bottom) == 3 && bottom[2].Count() != l.m {
		return l.spec.ErrorAt("bottom", 2, fmt.Errorf("got weights of shape %v, want one for each of the %d items", bottom[2].Shape(), l.m))
	}
	if err := errors.Join(l.device.shares.Reshape(3, l.m), l.device.hardest.Reshape(l.m)); err != nil {
		return err
	}
	if len(top) == 2 {
		return top[1].Reshape(2)
	}
	return nil
}

// near calls f for each class that counts as too near to an item, with the amount
// by which it is too near.
func (l *generalTripletLoss) near(i int, d []float32, f func(k int, amount float32)) {
	o, class := &l.options, int(l.class[i])
	if o.PositiveFirst && d[class] > o.PositiveUpperBound {
		return
	}
	hardest := -1
	for k, v := range d {
		amount := d[class] + o.Margin - v
		if k == class || !(amount > 0) {
			continue
		}
		if !o.HardestOnly {
			f(k, amount)
		} else if hardest < 0 || v < d[hardest] {
			hardest = k
		}
	}
	if hardest >= 0 {
		f(hardest, d[class]+o.Margin-d[hardest])
	}
}

func (l *generalTripletLoss) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	var err error
	if l.class, _, err = l.labels.Read(bottom[1]); err != nil {
		return err
	}
	var sum, positive, negative float64
	for i, c := range l.class {
		d := bottom[0].Data()[i*l.k : (i+1)*l.k]
		l.near(i, d, func(_ int, amount float32) { sum += float64(amount) })
		for k, v := range d {
			if k == int(c) {
				positive += float64(v)
			} else {
				negative += float64(v)
			}
		}
	}
	items := float64(l.m)
	top[0].MutableData()[0] = float32(sum * math.Abs(float64(l.options.NegativeWeight)) / items)
	if len(top) == 2 {
		means := top[1].MutableData()
		means[0], means[1] = float32(positive/items), float32(negative/items/float64(l.k-1))
	}
	return nil
}

func (l *generalTripletLoss) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 1); err != nil || !propagateDown[0] {
		return err
	}
	o := &l.options
	for i, c := range l.class {
		d, dx := bottom[0].Data()[i*l.k:(i+1)*l.k], bottom[0].MutableDiff()[i*l.k:(i+1)*l.k]
		scale := top[0].Diff()[0] / float32(l.m)
		if len(bottom) == 3 {
			scale *= bottom[2].Data()[i]
		}
		clear(dx)
		drawn := o.AddCenterLoss || o.PositiveFirst && d[c] > o.PositiveUpperBound
		l.near(i, d, func(k int, _ float32) {
			dx[k] = -o.NegativeWeight * scale
			drawn = true
		})
		if drawn {
			dx[c] = o.PositiveWeight * scale
		}
	}
	return nil
}
