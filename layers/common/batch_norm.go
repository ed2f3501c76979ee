package common

import (
	"context"
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"google.golang.org/protobuf/proto"
)

func init() {
	layers.Register(layers.Info{
		Type:  "BatchNorm",
		Group: "common",
		Param: "batch_norm_param",
		Doc: `Batch normalization:

	y = (x - mean) / sqrt(variance + eps)

In training, it normalizes each channel by the mean and variance of the batch, and updates the running statistics:

	factor = f factor + 1    mean = f mean + batch mean    variance = f variance + batch variance m/(m-1)

with f = moving_average_fraction and m elements in a channel. Otherwise it normalizes by the running mean and
variance, divided by factor (0 if factor is 0). A Scale layer with bias_term usually follows. BatchNorm also computes
the Scale or Bias on axis 1, the Eltwise sum with a blob that exists already and the ReLU that follow it, or equivalent
layers of plugins, if no other layer reads the blobs between. If only a convolution reads the result, and can, it computes
all that, without a sum, as it reads its bottom.

Bottom: x, of at least 2 axes; axis 1 is the channels.
Top: y, of the same shape. It may be the bottom itself; a layer without a net then keeps a copy of x in training.
Weights: the running mean and variance, one element per channel each, and factor. They are not trained: any
lr_mult other than 0 is an error.

batch_norm_param:
	use_global_stats (false in TRAIN, true in TEST): normalize by the running mean and variance
	moving_average_fraction (0.999): see above
	eps (1e-5): see above
	stats_batch_size (0): in training, so many items are normalized together, by their own mean and variance, and the
	    running statistics are updated for each such group, in their order; 0: all of the batch. A field of Intel's
	    Caffe, where a net's bn_stats_batch_size sets it in all layers

Caffe: batch_norm_layer.cpp, after Ioffe and Szegedy, "Batch normalization" (2015)`,
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New:     newBatchNorm,
		Kernels: batchNormKernels,
	})
}

// group is what a batchNorm keeps of items that it normalizes together.
type group struct {
	norm   kernel.Norm
	device batchNormDevice
}

// batchNorm implements the layer type; its registration describes it.
type batchNorm struct {
	layers.OnRecordableDevice
	layers.Weights
	spec     *layers.Spec
	global   bool // normalize by the running statistics
	fraction float32
	eps      float32

	affine []layers.ChannelAffine // fused layers: factors, shifts or both, at most one of each
	adds   bool                   // a fused sum, whose summand is bottom[1]
	slope  float32                // of the fused rectifier; 1 for none
	dys    [][]float32            // of BackwardAdd, scratch
	defers bool                   // the next layer computes the top
	saves  bool                   // Forward keeps a copy of x
	sums   *kernel.PlaneSums      // of x, by the layer before; nil for none
	left   *kernel.ItemGrad       // where Backward leaves dx; nil: nowhere

	wanted   int // stats_batch_size
	items    int // of x
	n, c, s  int // a group of x is (n,c,s)
	groups   []group
	kept     layers.Kept
	mean     blob.Blob // for ChannelAffine: the running mean
	invStd   blob.Blob // and 1/√(variance + eps)
	sum, dot []float64 // the gradients of shift and factor/norm.InvStd
	bias     []float32 // scratch for the gradient of shift
}

var (
	_ layers.Layer           = (*batchNorm)(nil)
	_ layers.Parameterized   = (*batchNorm)(nil)
	_ layers.Fuser           = (*batchNorm)(nil)
	_ layers.Deferrer        = (*batchNorm)(nil)
	_ layers.PlaneSumsReader = (*batchNorm)(nil)
	_ layers.GradLeaver      = (*batchNorm)(nil)
	_ layers.ChannelAffine   = (*batchNorm)(nil)
	_ layers.Keeper          = (*batchNorm)(nil)
	_ layers.BottomSaver     = (*batchNorm)(nil)
	_ layers.BackwardReader  = (*batchNorm)(nil)
	_ layers.ParamStatistics = (*batchNorm)(nil)
)

func newBatchNorm(s *layers.Spec) (layers.Layer, error) {
	p := s.Param.GetBatchNormParam()
	l := &batchNorm{
		spec:     s,
		global:   s.Env.Phase == caffepb.Phase_TEST,
		fraction: p.GetMovingAverageFraction(),
		eps:      p.GetEps(),
		slope:    1,
		wanted:   int(p.GetStatsBatchSize()),
	}
	if !(l.eps >= 0 && l.eps <= math.MaxFloat32) {
		return nil, s.Errorf("batch_norm_param.eps", "eps is %g, want 0 or more", l.eps)
	}
	if !(l.fraction >= 0 && l.fraction <= 1) {
		return nil, s.Errorf("batch_norm_param.moving_average_fraction", "moving_average_fraction is %g, want 0 to 1", l.fraction)
	}
	if p != nil && p.UseGlobalStats != nil {
		l.global = p.GetUseGlobalStats()
	}
	for i := range 3 {
		if i == len(s.Param.Param) {
			s.Param.Param = append(s.Param.Param, &caffepb.ParamSpec{LrMult: proto.Float32(0)})
		}
		if mult := s.Param.Param[i].GetLrMult(); mult != 0 {
			return nil, s.ErrorAt("param", i, fmt.Errorf("lr_mult of blob %d is %g, want 0: the statistics of BatchNorm are not trained", i, mult))
		}
	}
	return l, nil
}

// SetUp makes the statistics.
func (l *batchNorm) SetUp(bottom, _ []*blob.Blob) error {
	if bottom[0].Axes() < 2 {
		return l.spec.Errorf("bottom", "bottom has shape %v, want at least 2 axes", bottom[0].Shape())
	}
	l.c = bottom[0].Dim(1)
	for i, size := range []int{l.c, l.c, 1} {
		b, err := l.spec.NewParam(i, "bottom", "bottom", nil, size)
		if err != nil {
			return err
		}
		l.Blobs = append(l.Blobs, b)
	}
	l.sum, l.dot, l.bias = make([]float64, l.c), make([]float64, l.c), make([]float32, l.c)
	return nil
}

// IsStatistic returns true: mean, variance and factor have no gradient.
func (l *batchNorm) IsStatistic(int) bool { return true }

// KeepsBottom returns true: Backward needs x.
func (l *batchNorm) KeepsBottom() bool { return true }

// SaveBottom has Forward keep a copy of x: as in Caffe, Backward does not depend on the bottom.
func (l *batchNorm) SaveBottom() { l.saves = true }

// BackwardReads returns that Backward reads the bottom, unless there is a copy or the gradient is
// just dy times a factor for each channel, and the top for the sign of a rectified sum.
func (l *batchNorm) BackwardReads() (bottom, top bool) {
	return !l.saves && !l.linear(), l.adds && l.slope != 1
}

// linear reports whether Backward does without x.
func (l *batchNorm) linear() bool {
	return l.global && l.slope == 1 && !l.adds && !l.affineMap().FactorDiff
}

// Reshape gives the top the shape of the bottom.
func (l *batchNorm) Reshape(bottom, top []*blob.Blob) error {
	if bottom[0].Axes() < 2 || bottom[0].Dim(1) != l.c {
		return l.spec.Errorf("bottom", "bottom has shape %v, want %d channels on axis 1", bottom[0].Shape(), l.c)
	}
	l.items, l.s = bottom[0].Num(), bottom[0].CountFrom(2)
	l.n = l.items
	groups := 1
	if l.wanted > 0 && !l.global {
		if l.items%l.wanted != 0 {
			return l.spec.Errorf("batch_norm_param.stats_batch_size", "bottom has %d items, want a multiple of stats_batch_size %d", l.items, l.wanted)
		}
		l.n, groups = l.wanted, l.items/l.wanted
	}
	if len(l.groups) != groups {
		l.groups = make([]group, groups)
	}
	for i := range l.groups {
		l.groups[i].norm.Resize(l.n, l.c, l.s)
	}
	return top[0].ReshapeLike(bottom[0])
}

// Forward computes the top, or only the map that the next layer computes.
func (l *batchNorm) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	if bottom[0].Count() == 0 {
		return nil // the statistics stay
	}
	w, x := l.spec.Env.Workers, bottom[0].Data()
	var y []float32
	if !l.defers {
		y = top[0].MutableData()
	}
	if l.keeps(bottom, top) {
		if err := l.kept.Keep(w, bottom[0]); err != nil {
			return err
		}
	}
	for i := range l.groups {
		m := &l.groups[i].norm
		l.prepare(m)
		if l.adds {
			m.Add = l.part(bottom[1].Data(), i)
		}
		if l.global {
			l.scaleStatistics(m.Mean, m.Variance)
			m.Forward(w, x, y)
			continue
		}
		m.ForwardBatch(w, l.part(x, i), l.part(y, i))
		l.updateStatistics(m)
	}
	return nil
}

// part returns the elements of group i, nil of nil.
func (l *batchNorm) part(x []float32, i int) []float32 {
	if x == nil {
		return nil
	}
	size := l.n * l.c * l.s
	return x[i*size : (i+1)*size]
}

// keeps reports whether Backward needs the x that a pass in place, or a later layer, overwrites.
func (l *batchNorm) keeps(bottom, top []*blob.Blob) bool {
	return (l.saves || bottom[0] == top[0]) && !l.linear()
}

// prepare sets what the fused layers do with x.
func (l *batchNorm) prepare(m *kernel.Norm) {
	a := l.affineMap()
	m.Eps, m.Slope, m.Factor, m.Shift, m.Add, m.Sums = l.eps, l.slope, nil, nil, nil, l.sums
	if a.Factor != nil {
		m.Factor = a.Factor.Data()
	}
	if a.Shift != nil {
		m.Shift = a.Shift.Data()
	}
}

// scaleStatistics sets mean and variance to the running ones.
func (l *batchNorm) scaleStatistics(mean, variance []float32) {
	scale := l.Blobs[2].Data()[0]
	if scale != 0 {
		scale = 1 / scale
	}
	kernel.Scale(nil, scale, l.Blobs[0].Data(), mean)
	kernel.Scale(nil, scale, l.Blobs[1].Data(), variance)
}

// unbiased returns m/(m-1), for m elements of a channel, or 1 for one element.
func (l *batchNorm) unbiased() float32 {
	if m := l.n * l.s; m > 1 {
		return float32(m) / float32(m-1)
	}
	return 1
}

// updateStatistics adds the statistics of a group to the running ones.
func (l *batchNorm) updateStatistics(m *kernel.Norm) {
	kernel.Axpby(nil, 1, m.Mean, l.fraction, l.Blobs[0].MutableData())
	kernel.Axpby(nil, l.unbiased(), m.Variance, l.fraction, l.Blobs[1].MutableData())
	factor := l.Blobs[2].MutableData()
	factor[0] = float32(factor[0]*l.fraction) + 1
}

// Backward computes the diff of the bottom, and adds to the diffs of the weights of the
// fused layers. The statistics have no diff.
func (l *batchNorm) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	w, a, dy := l.spec.Env.Workers, l.affineMap(), top[0].Diff()
	var dx []float32
	if propagateDown[0] {
		dx = bottom[0].MutableDiff()
	}
	if l.linear() { // then there is one group
		m := &l.groups[0].norm
		if a.ShiftDiff {
			kernel.ChannelSum(w, l.n, l.c, l.s, dy, l.bias)
			kernel.Axpy(nil, 1, l.bias, a.Shift.MutableDiff())
		}
		if dx != nil {
			copy(l.bias, m.InvStd)
			if m.Factor != nil {
				kernel.Mul(nil, m.InvStd, m.Factor, l.bias)
			}
			kernel.ChannelScaleShift(w, l.n, l.c, l.s, dy, l.bias, nil, dx)
		}
		return nil
	}
	x := bottom[0].Data()
	if l.keeps(bottom, top) {
		x = l.kept.Blob().Data()
	}
	for i := range l.groups {
		m := &l.groups[i].norm
		part := l.part(dx, i)
		switch {
		case l.adds:
			l.dys = l.dys[:0]
			for _, y := range top {
				l.dys = append(l.dys, l.part(y.Diff(), i))
			}
			m.BackwardAdd(w, !l.global, l.part(x, i), l.part(top[0].Data(), i), l.dys, l.part(bottom[1].MutableDiff(), i), part, l.sum, l.dot)
		case l.left != nil && part != nil:
			m.BackwardLater(w, true, x, dy, part, l.sum, l.dot, l.left)
		default:
			m.Backward(w, !l.global, l.part(x, i), l.part(dy, i), part, l.sum, l.dot)
		}
		if a.FactorDiff {
			diff := a.Factor.MutableDiff()
			for ch, dot := range l.dot {
				diff[ch] += float32(dot * float64(m.InvStd[ch]))
			}
		}
		if a.ShiftDiff {
			diff := a.Shift.MutableDiff()
			for ch, sum := range l.sum {
				diff[ch] += float32(sum)
			}
		}
	}
	return nil
}
