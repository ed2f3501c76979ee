package vision

import (
	"context"
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "SPP",
		Group: "vision",
		Param: "spp_param",
		Doc: `Spatial pyramid pooling: splits an image into 1, 2 x 2, 4 x 4, ... windows and pools each. Images of any size give
		the same number of values.

The windows of level i have size / 2^i, rounded up, and do not overlap. If they do not fit, the image is padded on
both sides. Windows in the padding are left out, as in Pooling.

Bottom: x: items x channels x height x width.
Top: items x values: the levels in order, each as channels x height x width of its windows. With pyramid_height 1,
items x channels x 1 x 1.

spp_param:
	pyramid_height: the number of levels
	pool (MAX): MAX, AVE or STOCHASTIC, as for Pooling
	engine: accepted and ignored

Caffe: spp_layer.cpp, after He et al., "Spatial Pyramid Pooling in Deep Convolutional Networks" (2014)`,
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New:     newSPP,
		Kernels: poolingKernels,
	})
}

// spp implements the layer type; its registration describes it.
type spp struct {
	layers.OnRecordableDevice
	spec   *layers.Spec
	levels []sppLevel
	grad   blob.Blob // of a level
}

// An sppLevel is a level of the pyramid.
type sppLevel struct {
	pooler
	y     blob.Blob // items x channels x windows
	width int       // elements of an item
}

var (
	_ layers.Layer          = (*spp)(nil)
	_ layers.BackwardReader = (*spp)(nil)
)

// maxPyramid is the largest useful height: with more levels, the windows of the last one
// are smaller than a pixel of any image that a blob can hold.
const maxPyramid = 16

func newSPP(s *layers.Spec) (layers.Layer, error) {
	p := s.Param.GetSppParam()
	height := p.GetPyramidHeight()
	if height < 1 || height > maxPyramid {
		return nil, s.Errorf("spp_param.pyramid_height", "pyramid_height is %d, want 1 to %d", height, maxPyramid)
	}
	method, ok := map[caffepb.SPPParameter_PoolMethod]caffepb.PoolingParameter_PoolMethod{
		caffepb.SPPParameter_MAX:        caffepb.PoolingParameter_MAX,
		caffepb.SPPParameter_AVE:        caffepb.PoolingParameter_AVE,
		caffepb.SPPParameter_STOCHASTIC: caffepb.PoolingParameter_STOCHASTIC,
	}[p.GetPool()]
	if !ok {
		return nil, s.Errorf("spp_param.pool", "got pool %v, want MAX, AVE or STOCHASTIC", p.GetPool())
	}
	l := &spp{spec: s, levels: make([]sppLevel, height)}
	for i := range l.levels {
		l.levels[i].pooler = newPooler(s, method, fmt.Sprint("level", i))
	}
	return l, nil
}

// SetUp does nothing.
func (l *spp) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape determines the windows of the levels.
func (l *spp) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x, width := bottom[0], 0
	for i := range l.levels {
		level := &l.levels[i]
		if x.Axes() == 4 {
			if err := level.cut(x, 1<<i); err != nil {
				return err
			}
		}
		if err := level.measure(x); err != nil {
			return err
		}
		if err := level.y.Reshape(x.Dim(0), x.Dim(1), level.g.OutH, level.g.OutW); err != nil {
			return l.spec.ErrorAt("top", 0, err)
		}
		level.width = level.y.CountFrom(1)
		width += level.width
	}
	if len(l.levels) == 1 {
		return top[0].ReshapeLike(&l.levels[0].y)
	}
	if err := l.grad.ReshapeLike(x); err != nil {
		return err
	}
	return top[0].Reshape(x.Dim(0), width)
}

// cut sets the size of the windows so that there are bins along each axis of x.
func (l *sppLevel) cut(x *blob.Blob, bins int) error {
	size := func(n int) (kernel, pad int) {
		kernel = (n + bins - 1) / bins
		return kernel, (kernel*bins - n + 1) / 2
	}
	g := &l.g
	g.KernelH, g.PadH = size(x.Dim(2))
	g.KernelW, g.PadW = size(x.Dim(3))
	g.StrideH, g.StrideW = g.KernelH, g.KernelW
	switch {
	case g.KernelH == 0 || g.KernelW == 0: // measure rejects it
	case g.PadH >= g.KernelH || g.PadW >= g.KernelW:
		return l.spec.Errorf("spp_param.pyramid_height", "bottom has shape %v, too small to be split into %d x %d windows", x.Shape(), bins, bins)
	case l.method == caffepb.PoolingParameter_STOCHASTIC && (g.PadH != 0 || g.PadW != 0):
		return l.spec.Errorf("spp_param.pool", "bottom has shape %v, which cannot be split into %d x %d windows without padding, as STOCHASTIC requires", x.Shape(), bins, bins)
	}
	return nil
}

// Forward computes the top.
func (l *spp) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	if bottom[0].Count() == 0 {
		return nil
	}
	x, y, step := bottom[0].Data(), top[0].MutableData(), top[0].CountFrom(1)
	for i := range l.levels {
		level := &l.levels[i]
		out := level.y.MutableData()
		level.forward(x, out)
		kernel.CopyRows(l.spec.Env.Workers, bottom[0].Dim(0), level.width, out, level.width, y, step)
		y = y[level.width:]
	}
	return nil
}

// BackwardReads reports that Backward reads the bottom if the levels weigh.
func (l *spp) BackwardReads() (bottom, top bool) { return l.levels[0].weighs(), false }

// Backward computes the diff of the bottom.
func (l *spp) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] || bottom[0].Count() == 0 {
		return nil
	}
	w, dy, step, dx := l.spec.Env.Workers, top[0].Diff(), top[0].CountFrom(1), bottom[0].MutableDiff()
	for i := range l.levels {
		level := &l.levels[i]
		kernel.CopyRows(w, bottom[0].Dim(0), level.width, dy, step, level.y.MutableDiff(), level.width)
		dy = dy[level.width:]
		if i == 0 {
			level.backward(bottom[0], &level.y, dx)
			continue
		}
		grad := l.grad.MutableData()
		level.backward(bottom[0], &level.y, grad)
		kernel.Axpy(w, 1, grad, dx)
	}
	return nil
}
