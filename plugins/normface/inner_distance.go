package normface

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "InnerDistance",
		Group: "common",
		Plugin: &layers.Plugin{
			Field:   "inner_distance_param",
			Number:  213,
			Proto:   layers.Schema(schemas, "inner_distance.proto"),
			Message: "InnerDistanceParameter",
		},
		Bottoms: layers.Between(1, 3),
		Tops:    layers.Exactly(1),
		New:     newInnerDistance,
		Kernels: innerDistanceKernels,
		Doc: `Distances of the items from centers w:

	L2: y[n] = sum of (x - w[n])^2, without a root    L1: y[n] = sum of |x - w[n]|

Bottoms: x, M items whose elements are the axes from axis on; optionally the centers, instead of learned ones;
with update_center_only, as the last bottom, the labels, without a gradient.
Top: y, in which one axis of N elements replaces the axes from axis on.
Weights: the centers, N x elements of an item, unless a bottom has them.

inner_distance_param:
	num_output: N, unless a bottom has the centers
	weight_filler (constant 0)
	axis (1): the first axis of an item; a negative one counts from the last
	distance_type ("L2"): or "L1"
	normalize (false): scale each learned center to length 1 before each pass, in either phase. The gradient
	ignores the scaling. Centers from a bottom are not scaled.
	update_center_only (false): a center gets a gradient only from the items of its class
	transpose (false): must be false
	bias_term, bias_filler: accepted and ignored

Source: github.com/happynear/caffe-windows, inner_distance_layer.cpp`,
	})
}

// innerDistance implements the layer type; its registration describes it. The
// gradient of L2 is computed by matrix products. For the items, with sums over the
// centers, it is
//
//	dx = 2 (Σ dy) x - 2 Σ dy w
//
// and likewise for the centers.
//
// Differs from Caffe: the gradient of L1 is the derivative; the fork's macro lacks
// parentheses. With update_center_only and two bottoms, the second is the label; the
// fork reads it as the centers.
type innerDistance struct {
	layers.Weights
	spec    *layers.Spec
	options innerDistanceOptions
	items   layers.Items
	given   bool           // the second bottom has the centers
	labels  *layers.Labels // nil without update_center_only

	m, n, k int // x is (m,k), w is (n,k), y is (m,n)
	class   []int32

	x, w, y, dy []float32 // arguments of the parallel loop
	dx, dw      []float32
	scratch     []float32 // (threads,k)
	sums        []float32 // of dy, over the centers or the items
	masked      []float32 // dy with update_center_only
	device      innerDistanceDevice

	layers.OnRecordableDevice
}

type innerDistanceOptions struct {
	NumOutput        uint32                   `proto:"num_output"`
	WeightFiller     *caffepb.FillerParameter `proto:"weight_filler"`
	Axis             int                      `proto:"axis"`
	Transpose        bool                     `proto:"transpose"`
	DistanceType     string                   `proto:"distance_type"`
	Normalize        bool                     `proto:"normalize"`
	UpdateCenterOnly bool                     `proto:"update_center_only"`
}

var (
	_ layers.Layer           = (*innerDistance)(nil)
	_ layers.Parameterized   = (*innerDistance)(nil)
	_ layers.ParamPropagator = (*innerDistance)(nil)
	_ layers.BackwardForcer  = (*innerDistance)(nil)
	_ layers.Counter         = (*innerDistance)(nil)
)

func newInnerDistance(s *layers.Spec) (layers.Layer, error) {
	l := &innerDistance{spec: s}
	if err := s.Options(&l.options); err != nil {
		return nil, err
	}
	o := &l.options
	l.items = layers.NewItems(s, "inner_distance_param", o.Axis)
	others := len(s.Param.GetBottom()) - 1
	if o.UpdateCenterOnly {
		l.labels = layers.NewLabels(s, nil)
		others--
	}
	l.given = others == 1
	switch {
	case others < 0:
		return nil, s.Errorf("inner_distance_param.update_center_only", "update_center_only needs the labels as the last bottom, layer has 1 bottom")
	case others > 1:
		return nil, s.ErrorAt("bottom", 2, fmt.Errorf("layer has 3 bottoms, but only update_center_only uses the last one"))
	case !l.given && (o.NumOutput < 1 || o.NumOutput > math.MaxInt32):
		return nil, s.Errorf("inner_distance_param.num_output", "num_output is %d, want 1 to %d", o.NumOutput, math.MaxInt32)
	case o.DistanceType != "L1" && o.DistanceType != "L2":
		return nil, s.Errorf("inner_distance_param.distance_type", `distance_type is %q, want "L2" or "L1"`, o.DistanceType)
	case o.Transpose:
		return nil, s.Errorf("inner_distance_param.transpose", "transpose is true, which is not supported, as in the layer's source")
	}
	if err := s.CheckFiller("inner_distance_param.weight_filler", o.WeightFiller); err != nil {
		return nil, err
	}
	return l, nil
}

// AllowForceBackward reports whether bottom i has a gradient: labels have none.
func (l *innerDistance) AllowForceBackward(i int) bool { return i == 0 || i == 1 && l.given }

// MACs returns the number of squares or magnitudes that Forward adds.
func (l *innerDistance) MACs() int64 { return int64(l.m) * int64(l.n) * int64(l.k) }

// SetUp creates the centers, unless a bottom has them.
func (l *innerDistance) SetUp(bottom, _ []*blob.Blob) error {
	var err error
	if l.k, err = l.items.Size(bottom[0]); err != nil {
		return err
	}
	l.n = int(l.options.NumOutput)
	l.scratch = make([]float32, l.spec.Env.Workers.Threads()*l.k)
	if l.given {
		return nil
	}
	centers, err := l.spec.NewParam(0, "inner_distance_param.num_output", "inner_distance_param.weight_filler", l.options.WeightFiller, l.n, l.k)
	if err != nil {
		return err
	}
	l.Blobs = []*blob.Blob{centers}
	return nil
}

// Reshape sets the sizes from the shapes of the bottoms.
func (l *innerDistance) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	var err error
	if l.m, err = l.items.Count(bottom[0], l.k); err != nil {
		return err
	}
	if l.given {
		w := bottom[1]
		if w.Axes() == 0 || w.Count() != w.Dim(0)*l.k || w.Count() == 0 {
			return l.spec.ErrorAt("bottom", 1, fmt.Errorf("the second bottom, the centers, has shape %v, which does not fit items of %d elements", w.Shape(), l.k))
		}
		l.n = w.Dim(0)
	}
	if l.labels != nil {
		if err := l.labels.Reshape(bottom[len(bottom)-1], l.m, l.n, 1); err != nil {
			return err
		}
		l.masked = layers.Resize(l.masked, l.m*l.n)
	}
	l.sums = layers.Resize(l.sums, max(l.m, l.n))
	if err := errors.Join(l.device.sums.Reshape(max(l.m, l.n)), l.device.masked.Reshape(l.m, l.n)); err != nil {
		return l.spec.ErrorAt("bottom", 0, err)
	}
	return l.items.ReshapeTop(bottom[0], l.n, top[0])
}

// centers returns the centers w, learned or from a bottom.
func (l *innerDistance) centers(bottom []*blob.Blob) *blob.Blob {
	if l.given {
		return bottom[1]
	}
	return l.Blobs[0]
}

// row returns item or center i.
func (l *innerDistance) row(x []float32, i int) []float32 { return x[i*l.k : (i+1)*l.k] }

// normalizeEps is added to the square of a center's length before it is normalized.
const normalizeEps = 1e-6

// Forward computes the distances.
func (l *innerDistance) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	if l.labels != nil {
		var err error
		if l.class, _, err = l.labels.Read(bottom[len(bottom)-1]); err != nil {
			return err
		}
	}
	if l.options.Normalize && !l.given {
		centers := l.Blobs[0].MutableData()
		kernel.NormalizeRows(l.spec.Env.Workers, l.n, l.k, normalizeEps, centers, centers)
	}
	l.x, l.w, l.y = bottom[0].Data(), l.centers(bottom).Data(), top[0].MutableData()
	l.spec.Env.Workers.Run(l.m, (*distanceTask)(l))
	return nil
}

// distanceTask computes the distances of an item from the differences, because
// x² - 2xw + w² would lose the digits of a small distance.
type distanceTask innerDistance

func (t *distanceTask) Do(worker, m int) {
	l := (*innerDistance)(t)
	difference := l.row(l.scratch, worker)
	for n := range l.n {
		kernel.Sub(nil, l.row(l.x, m), l.row(l.w, n), difference)
		distance := kernel.SumSq
		if l.options.DistanceType == "L1" {
			distance = kernel.Asum
		}
		l.y[m*l.n+n] = float32(distance(nil, difference))
	}
}

// Backward computes the diffs of the bottoms, or adds to that of the centers.
func (l *innerDistance) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if l.labels != nil {
		if err := l.spec.NoGradient(propagateDown, len(propagateDown)-1); err != nil {
			return err
		}
	}
	l.x, l.w, l.dy = bottom[0].Data(), l.centers(bottom).Data(), top[0].Diff()
	if propagateDown[0] {
		l.backwardItems(bottom[0].MutableDiff())
	}
	switch {
	case l.given && propagateDown[1]:
		clear(bottom[1].MutableDiff())
		l.backwardCenters(bottom[1].MutableDiff())
	case !l.given && l.Needs(0):
		l.backwardCenters(l.Blobs[0].MutableDiff())
	}
	return nil
}

// backwardItems sets the diff of x.
func (l *innerDistance) backwardItems(dx []float32) {
	workers := l.spec.Env.Workers
	if l.options.DistanceType == "L1" {
		l.dx = dx
		workers.Run(l.m, (*itemSignTask)(l))
		return
	}
	for m := range l.m {
		sum := kernel.Sum(nil, l.dy[m*l.n:(m+1)*l.n])
		kernel.Scale(nil, float32(2*sum), l.row(l.x, m), l.row(dx, m))
	}
	kernel.Gemm(workers, false, false, l.m, l.k, l.n, -2, l.dy, l.n, l.w, l.k, 1, dx, l.k)
}

// backwardCenters adds to the diff of w.
func (l *innerDistance) backwardCenters(dw []float32) {
	if l.labels != nil {
		clear(l.masked)
		for m, c := range l.class {
			l.masked[m*l.n+int(c)] = l.dy[m*l.n+int(c)]
		}
		l.dy = l.masked
	}
	workers := l.spec.Env.Workers
	if l.options.DistanceType == "L1" {
		l.dw = dw
		workers.Run(l.n, (*centerSignTask)(l))
		return
	}
	kernel.ChannelSum(workers, l.m, l.n, 1, l.dy, l.sums)
	for n := range l.n {
		kernel.Axpy(nil, 2*l.sums[n], l.row(l.w, n), l.row(dw, n))
	}
	kernel.Gemm(workers, true, false, l.n, l.k, l.m, -2, l.dy, l.n, l.x, l.k, 1, dw, l.k)
}

// itemSignTask sets the diff of an item with L1.
type itemSignTask innerDistance

func (t *itemSignTask) Do(_, m int) {
	l := (*innerDistance)(t)
	x, dx := l.row(l.x, m), l.row(l.dx, m)
	clear(dx)
	for n := range l.n {
		dy := l.dy[m*l.n+n]
		for k, w := range l.row(l.w, n) {
			dx[k] += dy * kernel.Sign(x[k]-w)
		}
	}
}

// centerSignTask adds to the diff of a center with L1.
type centerSignTask innerDistance

func (t *centerSignTask) Do(_, n int) {
	l := (*innerDistance)(t)
	w, dw := l.row(l.w, n), l.row(l.dw, n)
	for m := range l.m {
		dy := l.dy[m*l.n+n]
		for k, x := range l.row(l.x, m) {
			dw[k] += dy * kernel.Sign(w[k]-x)
		}
	}
}
