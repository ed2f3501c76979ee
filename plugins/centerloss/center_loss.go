// Package centerloss provides the layer CenterLoss, which pulls the features of a
// class together.
//
//	import _ "github.com/gocaffe/gocaffe/plugins/centerloss"
package centerloss

import (
	"context"
	_ "embed"
	"errors"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed center_loss.proto
var schema string

func init() {
	layers.Register(layers.Info{
		Type:  "CenterLoss",
		Group: "loss",
		Plugin: &layers.Plugin{
			Field:   "center_loss_param",
			Number:  211,
			Proto:   schema,
			Message: "CenterLossParameter",
		},
		Bottoms: layers.Exactly(2),
		Tops:    layers.Exactly(1),
		Loss:    true,
		New:     newCenterLoss,
		Kernels: kernels,
		Doc: `Distance of the features x from a learned center c of their class t, over M items:

	L2: E = 1/(2M) sum of |x - c[t]|^2      L1: E = 1/M sum of |x - c[t]|_1

Use it together with a SoftmaxWithLoss, with a small loss_weight.

The gradient of the centers is deliberately not the derivative: a center moves by the mean distance of its items,

	dE/dc[k] = sum over items of class k of (c[k] - x) / (1 + number of these items)

(with L1, the signs of c[k] - x). It is neither divided by M nor multiplied by the loss weight. The paper's
rate alpha is the lr_mult of the centers times the learning rate.

Bottoms: x, M items whose elements are the axes from axis on; labels 0 to num_output-1, one per item, without
a gradient.
Top: the loss, a scalar.
Weights: the centers, num_output x elements of an item.

center_loss_param:
	num_output: the number of classes
	center_filler (constant 0)
	axis (1): the first axis of an item; a negative one counts from the last
	distance_type ("L2"): or "L1"

In binary files the field has the number it has in caffe-windows. caffe-face's number, 147, is swish_param in
Caffe; caffe-face's prototxt and weights load nevertheless.

Source: github.com/ydwen/caffe-face, center_loss_layer.cpp; distance_type is from github.com/happynear/caffe-windows;
Wen, Zhang, Li, Qiao, "A Discriminative Feature Learning Approach for Deep Face Recognition" (ECCV 2016)`,
	})
}

// options holds the fields of center_loss.proto.
type options struct {
	NumOutput    uint32                   `proto:"num_output"`
	CenterFiller *caffepb.FillerParameter `proto:"center_filler"`
	Axis         int                      `proto:"axis"`
	DistanceType string                   `proto:"distance_type"`
}

// centerLoss implements the layer type; its registration describes it.
//
// Differs from Caffe: if axis is not 1, M is the number of items, not the first
// dimension.
type centerLoss struct {
	layers.Weights
	layers.OnRecordableDevice
	spec    *layers.Spec
	options options
	items   layers.Items
	labels  *layers.Labels

	m, n, k  int       // x is (m,k), the centers are (n,k)
	class    []int32   // of each item
	count    []int32   // items of each class
	distance []float32 // x - c; with L1, its signs in Backward
	device   onDevice
}

var (
	_ layers.Layer           = (*centerLoss)(nil)
	_ layers.Parameterized   = (*centerLoss)(nil)
	_ layers.ParamPropagator = (*centerLoss)(nil)
)

func newCenterLoss(s *layers.Spec) (layers.Layer, error) {
	l := &centerLoss{spec: s, labels: layers.NewLabels(s, nil)}
	if err := s.Options(&l.options); err != nil {
		return nil, err
	}
	o := &l.options
	l.items = layers.NewItems(s, "center_loss_param", o.Axis)
	if o.NumOutput < 1 || o.NumOutput > math.MaxInt32 {
		return nil, s.Errorf("center_loss_param.num_output", "num_output is %d, want 1 to %d", o.NumOutput, math.MaxInt32)
	}
	if o.DistanceType != "L1" && o.DistanceType != "L2" {
		return nil, s.Errorf("center_loss_param.distance_type", `distance_type is %q, want "L1" or "L2"`, o.DistanceType)
	}
	if err := s.CheckFiller("center_loss_param.center_filler", o.CenterFiller); err != nil {
		return nil, err
	}
	return l, nil
}

// SetUp creates the centers.
func (l *centerLoss) SetUp(bottom, _ []*blob.Blob) error {
	var err error
	if l.k, err = l.items.Size(bottom[0]); err != nil {
		return err
	}
	l.n = int(l.options.NumOutput)
	centers, err := l.spec.NewParam(0, "center_loss_param.num_output", "center_loss_param.center_filler", l.options.CenterFiller, l.n, l.k)
	if err != nil {
		return err
	}
	l.Blobs = []*blob.Blob{centers}
	l.count = make([]int32, l.n)
	return nil
}

// Reshape sets the number of items.
func (l *centerLoss) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	var err error
	if l.m, err = l.items.Count(bottom[0], l.k); err != nil {
		return err
	}
	if err := l.spec.NoItems(l.m, bottom[0]); err != nil {
		return err
	}
	if err := l.labels.Reshape(bottom[1], l.m, l.n, 1); err != nil {
		return err
	}
	if len(l.distance) < l.m*l.k {
		l.distance = make([]float32, l.m*l.k)
	}
	if err := errors.Join(l.device.distance.Reshape(l.m, l.k), l.device.terms.Reshape(l.m)); err != nil {
		return l.spec.ErrorAt("bottom", 0, err)
	}
	return top[0].Reshape()
}

// row returns row i of x or of the centers.
func (l *centerLoss) row(x []float32, i int) []float32 { return x[i*l.k : (i+1)*l.k] }

// Forward computes the loss.
func (l *centerLoss) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	var err error
	if l.class, _, err = l.labels.Read(bottom[1]); err != nil {
		return err
	}
	pool, x, centers := l.spec.Env.Workers, bottom[0].Data(), l.Blobs[0].Data()
	for i, c := range l.class {
		kernel.Sub(nil, l.row(x, i), l.row(centers, int(c)), l.row(l.distance, i))
	}
	distance := l.distance[:l.m*l.k]
	sum := kernel.SumSq(pool, distance) / 2
	if l.l1() {
		sum = kernel.Asum(pool, distance)
	}
	top[0].MutableData()[0] = float32(sum / float64(l.m))
	return nil
}

// Backward computes the diff of x and adds to that of the centers.
func (l *centerLoss) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 1); err != nil {
		return err
	}
	distance := l.distance[:l.m*l.k]
	if l.l1() {
		for i, d := range distance {
			distance[i] = kernel.Sign(d)
		}
	}
	if l.Needs(0) {
		clear(l.count)
		for _, c := range l.class {
			l.count[c]++
		}
		diff := l.Blobs[0].MutableDiff()
		for i, c := range l.class {
			kernel.Axpy(nil, -1/float32(1+l.count[c]), l.row(distance, i), l.row(diff, int(c)))
		}
	}
	if propagateDown[0] {
		kernel.Scale(l.spec.Env.Workers, top[0].Diff()[0]/float32(l.m), distance, bottom[0].MutableDiff())
	}
	return nil
}

// l1 reports whether distance_type is L1.
func (l *centerLoss) l1() bool { return l.options.DistanceType == "L1" }
