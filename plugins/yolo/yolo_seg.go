package yolo

import (
	"context"
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:  "YoloSeg",
		Group: "loss",
		Plugin: &layers.Plugin{
			Field:   "yolo_seg_param",
			Number:  604,
			Proto:   layers.Schema(schemas, "yolo_seg.proto"),
			Message: "YoloSegParameter",
		},
		Bottoms: layers.Exactly(3),
		Tops:    layers.Exactly(1),
		Loss:    true,
		New:     newYoloSeg,
		Doc: `The loss of YOLO's segmentation, of pixels that can have several classes. With p = sigmoid(x), a target t and the
share f[c] = sum over the images of n[c] / sum of (H W - n[c]) of a class c, which has n[c] pixels in an image:

	e = object_scale (2 - f[c]) (p - t) where t is above 1/2, object_scale (p - t) elsewhere

The loss is the sum of e² over the N images, divided by N. The gradient is e / N: not that of the loss, but of the
cross entropy of p with these weights. A class that all pixels have, whose f is infinite, has the weight object_scale.

Bottoms: x, N x C x H x W; t, of as many elements, as AnnotatedData makes it as its third top; n, N x C, as two layers
Reduction make it of t.
Top: the loss, a scalar.

yolo_seg_param:
	object_scale (5): see above
	num_class, class_scale, use_logic_gradient, use_hardsigmoid: accepted and not used, as in the fork

Source: github.com/eric612/MobileNet-YOLO, yolo_seg.cpp. The averages that it logs are not computed.`,
	})
}

// yoloSeg implements the layer type; its registration describes it.
type yoloSeg struct {
	spec    *layers.Spec
	scale   float32
	weights []float32 // of pixels of each class
	errors  []float32
	sums    []float64 // of the squares of a plane's errors
}

var (
	_ layers.Layer          = (*yoloSeg)(nil)
	_ layers.BackwardForcer = (*yoloSeg)(nil)
	_ layers.BackwardReader = (*yoloSeg)(nil)
)

func newYoloSeg(s *layers.Spec) (layers.Layer, error) {
	var o struct {
		Scale float32 `proto:"object_scale"`
	}
	if err := s.Options(&o); err != nil {
		return nil, err
	}
	return &yoloSeg{spec: s, scale: o.Scale}, nil
}

func (l *yoloSeg) SetUp(_, _ []*blob.Blob) error { return nil }

// AllowForceBackward returns true for the scores.
func (l *yoloSeg) AllowForceBackward(i int) bool { return i == 0 }

// BackwardReads returns that Backward reads no data.
func (l *yoloSeg) BackwardReads() (bottom, top bool) { return false, false }

// Reshape checks the bottoms.
func (l *yoloSeg) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x, t, n := bottom[0], bottom[1], bottom[2]
	if x.Axes() != 4 {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("bottom 0 has shape %v, want 4 axes", x.Shape()))
	}
	if err := l.spec.NoItems(x.Count(), x); err != nil {
		return err
	}
	if t.Count() != x.Count() {
		return l.spec.ErrorAt("bottom", 1, fmt.Errorf("got bottoms of shapes %v and %v, want as many elements", x.Shape(), t.Shape()))
	}
	if n.Count() != x.Dim(0)*x.Dim(1) {
		return l.spec.ErrorAt("bottom", 2, fmt.Errorf("bottom 2 has shape %v, want %d x %d", n.Shape(), x.Dim(0), x.Dim(1)))
	}
	return top[0].Reshape()
}

// segArgs are the arguments of segLoop: n planes of a class each, of size elements.
type segArgs struct {
	x, t, errors, weights []float32
	sums                  []float64
	scale                 float32
	size                  int
}

var segLoop = parallel.Loop[segArgs]{Body: func(a *segArgs, _, from, to int) {
	for plane := from; plane < to; plane++ {
		x, t, e := a.x[plane*a.size:][:a.size], a.t[plane*a.size:], a.errors[plane*a.size:][:a.size]
		kernel.Sigmoid(nil, x, e)
		weight, sum := a.weights[plane%len(a.weights)], 0.0
		for i, p := range e {
			w := a.scale
			if t[i] > 0.5 {
				w = weight
			}
			e[i] = w * (p - t[i])
			sum += float64(e[i]) * float64(e[i])
		}
		a.sums[plane] = sum
	}
}}

// Forward computes the loss.
func (l *yoloSeg) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	x := bottom[0]
	n, c, size := x.Dim(0), x.Dim(1), x.CountFrom(2)
	l.weights, l.errors, l.sums = layers.Resize(l.weights, c), layers.Resize(l.errors, x.Count()), layers.Resize(l.sums, n*c)
	counts := bottom[2].Data()
	for class := range l.weights {
		var inside, outside float32
		for i := range n {
			inside += counts[i*c+class]
			outside += float32(size) - counts[i*c+class]
		}
		l.weights[class] = l.scale
		if outside != 0 {
			l.weights[class] *= 2 - inside/outside
		}
	}
	segLoop.Run(l.spec.Env.Workers, n*c, 1+4096/size, segArgs{x.Data(), bottom[1].Data(), l.errors, l.weights, l.sums, l.scale, size})
	var sum float64
	for _, s := range l.sums {
		sum += s
	}
	top[0].MutableData()[0] = float32(sum / float64(n))
	return nil
}

// Backward computes the diff of the scores.
func (l *yoloSeg) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 1); err != nil {
		return err
	}
	if propagateDown[0] {
		kernel.Scale(l.spec.Env.Workers, top[0].Diff()[0]/float32(bottom[0].Dim(0)), l.errors, bottom[0].MutableDiff())
	}
	return nil
}
