package segmentation

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/python"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	python.Register(python.Native{Module: "spatial_dropout", Class: "SpatialDropoutLayer", New: newSpatialDropout})
}

// spatialDropout is SpatialDropoutLayer of ENet's module spatial_dropout, a layer of type
// Python. param_str is a dict with the keys p and phase. In the phase TRAIN, which need not
// be that of the net, each plane of each image becomes 0 with probability p, and the
// others are divided by 1 - p. In another phase all are divided by 1 - p, as in the source.
//
// Which planes are dropped depends only on the seed, the layer's name and the number of the
// pass.
//
// Differs from the source: the gradient of an image is that of its own planes; there all
// images have the gradient of those that the last one has kept.
//
// Source: github.com/TimoSaemann/caffe-enet, python/spatial_dropout.py
type spatialDropout struct {
	env   *layers.Env
	spec  *layers.Spec
	rand  layers.Rand
	drops bool
	ratio float32
	kept  float32   // factor of what is not dropped
	mask  []float32 // of each plane, of the last Forward
	size  int       // of a plane
	loop  parallel.Loop[planes]
}

// planes are x, and y of mask times x.
type planes struct{ x, y []float32 }

var (
	_ layers.Layer          = (*spatialDropout)(nil)
	_ layers.BackwardReader = (*spatialDropout)(nil)
)

func newSpatialDropout(s *layers.Spec) (layers.Layer, error) {
	const field = "python_param.param_str"
	text := s.Param.GetPythonParam().GetParamStr()
	var dict map[string]string // Python's is YAML too
	if err := yaml.Unmarshal([]byte(text), &dict); err != nil {
		return nil, s.Errorf(field, "param_str is %q, want a dict such as {'phase': 'TRAIN', 'p': '0.1'}: %w", text, err)
	}
	ratio, err := strconv.ParseFloat(strings.TrimSpace(dict["p"]), 32)
	if _, given := dict["phase"]; err != nil || !(ratio > 0 && ratio < 1) || !given {
		return nil, s.Errorf(field, "param_str is %q, want p above 0 and below 1, and phase: {'phase': 'TRAIN', 'p': '0.1'}", text)
	}
	if bottoms, tops := len(s.Param.GetBottom()), len(s.Param.GetTop()); bottoms != 1 || tops != 1 {
		return nil, s.Errorf("type", "there are %d bottoms and %d tops, want one and one", bottoms, tops)
	}
	l := &spatialDropout{
		env: s.Env, spec: s, rand: s.Rand("dropout"), drops: dict["phase"] == "TRAIN",
		ratio: float32(ratio), kept: float32(1 / (1 - ratio)),
	}
	l.loop.Body = func(a *planes, _, from, to int) { l.scale(a, from, to) }
	return l, nil
}

// BackwardReads returns that Backward reads no data.
func (l *spatialDropout) BackwardReads() (bottom, top bool) { return false, false }

// SetUp does nothing.
func (l *spatialDropout) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape gives the top the shape of the bottom.
func (l *spatialDropout) Reshape(bottom, top []*blob.Blob) error {
	if bottom[0].Axes() < 2 {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("the bottom has shape %v, want items x channels and more axes", bottom[0].Shape()))
	}
	l.size = bottom[0].CountFrom(2)
	l.mask = layers.Resize(l.mask, bottom[0].CountRange(0, 2))
	return top[0].ReshapeLike(bottom[0])
}

// Forward draws the planes that are dropped, and computes the top.
func (l *spatialDropout) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	if l.drops {
		l.rand.DropoutMask(l.env.Workers, l.env.Stream(), l.ratio, l.kept, l.mask)
	} else {
		for i := range l.mask {
			l.mask[i] = l.kept
		}
	}
	l.run(bottom[0].Data(), top[0].MutableData())
	return nil
}

// Backward computes the diff of the bottom.
func (l *spatialDropout) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[0] {
		l.run(top[0].Diff(), bottom[0].MutableDiff())
	}
	return nil
}

// run sets y to x times the mask.
func (l *spatialDropout) run(x, y []float32) {
	l.loop.Run(l.env.Workers, len(l.mask), 1, planes{x, y})
}

func (l *spatialDropout) scale(a *planes, from, to int) {
	for p := from; p < to; p++ {
		m, y := l.mask[p], a.y[p*l.size:][:l.size]
		for i, v := range a.x[p*l.size:][:l.size] {
			y[i] = m * v
		}
	}
}
