package normface

import (
	"context"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:     "Normalize",
		Dialects: []string{"normface"},
		Group:    "common",
		Plugin: &layers.Plugin{
			Field:   "normalize_param",
			Number:  214,
			Proto:   layers.Schema(schemas, "normalize.proto"),
			Message: "NormalizeParameter",
		},
		Bottoms: layers.Exactly(1),
		Tops:    layers.Between(1, 2),
		New:     newNormalize,
		Kernels: normalizeKernels,
		Doc: `Features of length 1: the channels at each position are divided by their length,

	y = x / n    L2: n = sqrt(sum of x^2 + 1e-6)    L1: n = sum of |x| + 1e-6

Bottom: x, of at most 4 axes; axis 1 is the channels.
Tops: y, always of 4 axes, which may be the bottom itself; optionally n, items x 1 x height x width.

normalize_param:
	normalize_type ("L2"): or "L1"
	bp_norm (false): add the gradient that comes from n
	fix_gradient: accepted and ignored

SSD's layer Normalize, with norm_param, is a different one.

Source: github.com/happynear/caffe-windows, normalize_layer.cpp`,
	})
}

// normalize implements the layer type; its registration describes it.
type normalize struct {
	layers.OnRecordableDevice
	spec    *layers.Spec
	options normalizeOptions

	n, c, s int       // x is (n,c,s)
	axes    int       // of x
	norm    []float32 // (n,s), unless a top holds it

	onDevice blob.Blob // norm on a device
}

type normalizeOptions struct {
	Type   string `proto:"normalize_type"`
	BPNorm bool   `proto:"bp_norm"`
}

var _ layers.Layer = (*normalize)(nil)

func newNormalize(s *layers.Spec) (layers.Layer, error) {
	l := &normalize{spec: s}
	if err := s.Options(&l.options); err != nil {
		return nil, err
	}
	if t := l.options.Type; t != "L1" && t != "L2" {
		return nil, s.Errorf("normalize_param.normalize_type", `normalize_type is %q, want "L2" or "L1"`, t)
	}
	return l, nil
}

func (l *normalize) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape sets the tops to shapes of four axes.
func (l *normalize) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top[1:]); err != nil {
		return err
	}
	n, c, h, w, err := legacy(l.spec, bottom[0])
	if err != nil {
		return err
	}
	l.n, l.c, l.s = n, c, h*w
	l.axes = bottom[0].Axes()
	if len(top) == 2 {
		if err := top[1].Reshape(n, 1, h, w); err != nil {
			return err
		}
	} else {
		l.norm = layers.Resize(l.norm, n*h*w)
		if err := l.onDevice.Reshape(n, 1, h, w); err != nil {
			return l.spec.ErrorAt("bottom", 0, err)
		}
	}
	return top[0].Reshape(n, c, h, w)
}

// norms returns the slice for the lengths.
func (l *normalize) norms(top []*blob.Blob) []float32 {
	if len(top) == 2 {
		return top[1].MutableData()
	}
	return l.norm
}

// Forward computes the tops.
func (l *normalize) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	a := normalizeArgs{l, bottom[0].Data(), top[0].MutableData(), l.norms(top)}
	normalizePlaces.Run(l.spec.Env.Workers, l.n*l.s, parallel.Step(l.c), a)
	return nil
}

type normalizeArgs struct {
	*normalize
	x, y, norm []float32
}

// normalizePlaces normalizes the channels of some places.
var normalizePlaces = parallel.Loop[normalizeArgs]{Body: func(l *normalizeArgs, _, from, to int) {
	x, y, norm := l.x, l.y, l.norm
	for i := from; i < to; i++ {
		at := i/l.s*l.c*l.s + i%l.s
		var sum float64
		for c := range l.c {
			v := float64(x[at+c*l.s])
			if l.options.Type == "L2" {
				sum += v * v
			} else {
				sum += math.Abs(v)
			}
		}
		sum += 1e-6
		if l.options.Type == "L2" {
			sum = math.Sqrt(sum)
		}
		norm[i] = float32(sum)
		for c := range l.c {
			y[at+c*l.s] = x[at+c*l.s] / norm[i]
		}
	}
}}

// Backward computes the diff of the bottom. With dn, the diff of the second top if
// bp_norm is set,
//
//	L2: dx = (dy - y Σ y dy)/n + dn y      L1: dx = (dy - sign(x) Σ y dy)/n + dn sign(x)
func (l *normalize) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] {
		return nil
	}
	y, dy, dx, norm := top[0].Data(), top[0].Diff(), bottom[0].MutableDiff(), l.norms(top)
	var dnorm []float32
	if l.options.BPNorm && len(top) == 2 {
		dnorm = top[1].Diff()
	}
	for i := range l.n * l.s {
		at := i/l.s*l.c*l.s + i%l.s
		var dot float64
		for c := range l.c {
			dot += float64(y[at+c*l.s]) * float64(dy[at+c*l.s])
		}
		for c := range l.c {
			k := at + c*l.s
			along := y[k] // the derivative of n by x
			if l.options.Type == "L1" {
				along = kernel.Sign(y[k])
			}
			dx[k] = (dy[k] - along*float32(dot)) / norm[i]
			if dnorm != nil {
				dx[k] += dnorm[i] * along
			}
		}
	}
	return nil
}
