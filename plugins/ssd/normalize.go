package ssd

import (
	"context"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:     "Normalize",
		Dialects: []string{"ssd"},
		Group:    "common",
		Plugin: &layers.Plugin{
			Field:   "norm_param",
			Number:  206,
			Proto:   layers.Schema(schemas, "normalize.proto"),
			Message: "NormalizeParameter",
		},
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		Weights: layers.Between(0, 1),
		New:     newNormalize,
		Kernels: normalizeKernels,
		Doc: `Features of a learned length: the channels at each position are divided by their length and multiplied by a
scale,

	y = scale x / n      n = sqrt(eps + sum of x^2)

The bottom's gradient is computed as if scale were 1, and then multiplied by it,

	dx = scale (dy - x sum(x dy)/n^2) / n

With one scale per channel this is not the derivative, in which the scales are inside the sum.

Bottom: x, items x channels x positions.
Top: y, of the same shape.
Weights: scale, of no axes or, without channel_shared, of one number per channel.

norm_param:
	across_spatial (true): the sums are over all positions of an item; false: over the channels of a position
	channel_shared (true): one scale for all channels
	scale_filler (constant 1)
	eps (1e-10)

NormFace's layer Normalize, with normalize_param, is a different one.

Source: github.com/weiliu89/caffe (branch ssd), normalize_layer.cpp; Liu, Rabinovich, Berg, "ParseNet: Looking
Wider to See Better"`,
	})
}

// normalize implements the layer type; its registration describes it.
type normalize struct {
	layers.OnRecordableDevice
	layers.Weights
	spec    *layers.Spec
	options normalizeOptions

	n, c, s, places int       // x is (n,c,s); each place has a length
	norm, dot       []float32 // of the places: n, and sum(x dy)
	dscale          []float64 // of the channels

	normDevice, dotDevice, dscaleDevice blob.Blob // the same on a device
}

type normalizeOptions struct {
	AcrossSpatial bool                     `proto:"across_spatial"`
	ChannelShared bool                     `proto:"channel_shared"`
	ScaleFiller   *caffepb.FillerParameter `proto:"scale_filler"`
	Eps           float32                  `proto:"eps"`
}

var (
	_ layers.Layer           = (*normalize)(nil)
	_ layers.Parameterized   = (*normalize)(nil)
	_ layers.ParamPropagator = (*normalize)(nil)
	_ layers.BackwardReader  = (*normalize)(nil)
)

func newNormalize(s *layers.Spec) (layers.Layer, error) {
	l := &normalize{spec: s}
	if err := s.Options(&l.options); err != nil {
		return nil, err
	}
	if !(l.options.Eps >= 0) { // true for NaN too
		return nil, s.Errorf("norm_param.eps", "eps is %g, want 0 or more", l.options.Eps)
	}
	return l, s.CheckFiller("norm_param.scale_filler", l.options.ScaleFiller)
}

// SetUp makes the scale.
func (l *normalize) SetUp(bottom, _ []*blob.Blob) error {
	if bottom[0].Axes() < 2 {
		return l.spec.Errorf("bottom", "bottom has shape %v, want at least 2 axes: items and channels", bottom[0].Shape())
	}
	var shape []int
	if !l.options.ChannelShared {
		shape = bottom[0].Shape()[1:2]
	}
	filler := l.options.ScaleFiller
	if filler == nil {
		one := float32(1)
		filler = &caffepb.FillerParameter{Value: &one}
	}
	scale, err := l.spec.NewParam(0, "bottom", "norm_param.scale_filler", filler, shape...)
	if err != nil {
		return err
	}
	l.Blobs = []*blob.Blob{scale}
	return nil
}

// Reshape sets the shape of the top.
func (l *normalize) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x := bottom[0]
	if x.Axes() < 2 {
		return l.spec.Errorf("bottom", "bottom has shape %v, want at least 2 axes: items and channels", x.Shape())
	}
	l.n, l.c, l.s = x.Dim(0), x.Dim(1), x.CountFrom(2)
	if n := l.Blobs[0].Count(); !l.options.ChannelShared && n != l.c {
		return l.spec.Errorf("bottom", "bottom has shape %v and so %d channels, the scale is for %d", x.Shape(), l.c, n)
	}
	l.places = l.n
	if !l.options.AcrossSpatial {
		l.places *= l.s
	}
	for _, b := range []*blob.Blob{&l.normDevice, &l.dotDevice} {
		if err := b.Reshape(l.places); err != nil {
			return l.spec.ErrorAt("bottom", 0, err)
		}
	}
	if err := l.dscaleDevice.Reshape(l.c); err != nil {
		return l.spec.ErrorAt("bottom", 0, err)
	}
	return top[0].ReshapeLike(x)
}

// Forward computes the top.
func (l *normalize) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	l.norm, l.dot = layers.Resize(l.norm, l.places), layers.Resize(l.dot, l.places)
	a := normalizeArgs{normalize: l, x: bottom[0].Data(), y: top[0].MutableData(), scale: l.Blobs[0].Data()}
	l.run(&normalizeForward, a)
	return nil
}

// BackwardReads returns that Backward reads the bottom only.
func (l *normalize) BackwardReads() (bottom, top bool) { return true, false }

// Backward computes the gradients of bottom and scale. That of the scale is the
// sum of x/n dy: Caffe's is y dy / scale, which is the same unless the scale is 0.
func (l *normalize) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	a := normalizeArgs{normalize: l, x: bottom[0].Data(), y: top[0].Diff(), scale: l.Blobs[0].Data()}
	if l.Needs(0) {
		l.dscale = layers.Resize(l.dscale, l.c)
		normalizeScale.Run(l.spec.Env.Workers, l.c, 1+16384/max(1, l.n*l.s), a)
		dscale := l.Blobs[0].MutableDiff()
		if l.options.ChannelShared {
			var sum float64
			for _, v := range l.dscale {
				sum += v
			}
			dscale[0] += float32(sum)
		} else {
			for c, v := range l.dscale {
				dscale[c] += float32(v)
			}
		}
	}
	if propagateDown[0] {
		a.dx = bottom[0].MutableDiff()
		l.run(&normalizeBackward, a)
	}
	return nil
}

// normalizeArgs are the arguments of the loops below. y is the top, or its diff.
type normalizeArgs struct {
	*normalize
	x, y, scale, dx []float32
}

// block is the number of neighbouring positions that a loop takes at once.
const block = 64

// run runs a loop over items, or over blocks of positions of items.
func (l *normalize) run(loop *parallel.Loop[normalizeArgs], a normalizeArgs) {
	n, each := l.n, l.c*l.s
	if !l.options.AcrossSpatial {
		n, each = l.n*((l.s+block-1)/block), l.c*block
	}
	loop.Run(l.spec.Env.Workers, n, 1+16384/max(1, each), a)
}

// part returns where piece i of run begins in an item's channels, the number of its
// positions, and its first place; a place has perPlace positions.
func (l *normalize) part(i int) (at, width, place int) {
	if l.options.AcrossSpatial {
		return i * l.c * l.s, l.s, i
	}
	blocks := (l.s + block - 1) / block
	item, from := i/blocks, i%blocks*block
	return item*l.c*l.s + from, min(block, l.s-from), item*l.s + from
}

// scaleOf returns the scale of a channel.
func (a *normalizeArgs) scaleOf(c int) float32 {
	if len(a.scale) == 1 {
		return a.scale[0]
	}
	return a.scale[c]
}

// sums sets sum to the sum of u v over each place of a part.
func (a *normalizeArgs) sums(u, v []float32, at, width int, sum []float64) {
	clear(sum)
	for c := range a.c {
		u, v := u[at+c*a.s:][:width], v[at+c*a.s:][:width]
		if len(sum) == 1 {
			for k := range u {
				sum[0] += float64(u[k]) * float64(v[k])
			}
			continue
		}
		for k := range u {
			sum[k] += float64(u[k]) * float64(v[k])
		}
	}
}

// lengths returns how many places a part of width positions has.
func (l *normalize) lengths(width int) int {
	if l.options.AcrossSpatial {
		return 1
	}
	return width
}

var normalizeForward = parallel.Loop[normalizeArgs]{Body: func(a *normalizeArgs, _, from, to int) {
	var sums [block]float64
	for i := from; i < to; i++ {
		at, width, place := a.part(i)
		sum := sums[:a.lengths(width)]
		a.sums(a.x, a.x, at, width, sum)
		norm := a.norm[place:][:len(sum)]
		for k, v := range sum {
			norm[k] = float32(math.Sqrt(v + float64(a.options.Eps)))
		}
		for c := range a.c {
			x, y, scale := a.x[at+c*a.s:][:width], a.y[at+c*a.s:][:width], a.scaleOf(c)
			for k, v := range x {
				y[k] = v / norm[min(k, len(norm)-1)] * scale
			}
		}
	}
}}

var normalizeBackward = parallel.Loop[normalizeArgs]{Body: func(a *normalizeArgs, _, from, to int) {
	var sums [block]float64
	for i := from; i < to; i++ {
		at, width, place := a.part(i)
		sum := sums[:a.lengths(width)]
		a.sums(a.x, a.y, at, width, sum)
		norm, dot := a.norm[place:][:len(sum)], a.dot[place:][:len(sum)]
		for k, v := range sum {
			dot[k] = float32(v / (float64(norm[k]) * float64(norm[k])))
		}
		for c := range a.c {
			x, dy, dx, scale := a.x[at+c*a.s:][:width], a.y[at+c*a.s:][:width], a.dx[at+c*a.s:][:width], a.scaleOf(c)
			for k, v := range x {
				p := min(k, len(norm)-1)
				dx[k] = (dy[k] - float32(v*dot[p])) / norm[p] * scale
			}
		}
	}
}}

// normalizeScale sums x/n dy over the places of each channel.
var normalizeScale = parallel.Loop[normalizeArgs]{Body: func(a *normalizeArgs, _, from, to int) {
	for c := from; c < to; c++ {
		var sum float64
		for n := range a.n {
			at := (n*a.c + c) * a.s
			x, dy := a.x[at:][:a.s], a.y[at:][:a.s]
			for k, v := range x {
				place := n
				if !a.options.AcrossSpatial {
					place = n*a.s + k
				}
				sum += float64(v) * float64(dy[k]) / float64(a.norm[place])
			}
		}
		a.dscale[c] = sum
	}
}}
