package segmentation

import (
	"context"
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:     "Upsample",
		Dialects: []string{"segnet"},
		Group:    "vision",
		Plugin: &layers.Plugin{
			Field:   "upsample_param",
			Number:  137,
			Proto:   layers.Schema(schemas, "upsample.proto"),
			Message: "UpsampleParameter",
		},
		Bottoms: layers.Exactly(2),
		Tops:    layers.Exactly(1),
		New:     newUpsample,
		Kernels: upsampleKernels,
		Doc: `Put elements to where a MAX Pooling has taken them from, and 0 elsewhere:

	y[mask[i]] = x[i]

The mask is the second top of the Pooling: for each element its place in a plane of y. Where places are
equal, the last counts; each element gets the gradient of its place.

Bottoms: x, N x C x height x width; the mask, of the same shape. Its gradient is 0.
Top: y, N x C x H x W.

upsample_param:
	scale (2): H = scale height, W = scale width
	scale_h, scale_w: the same, one by one; both must be set
	pad_out_h, pad_out_w (false): H or W is one less, with scale 2
	upsample_h, upsample_w: H and W; both must be set

Source: github.com/alexgkendall/caffe-segnet, upsample_layer.cpp. Differs from it: with upsample_h and
upsample_w the gradient is right on a CPU too.`,
	})
}

// upsample implements the layer type; its registration describes it.
type upsample struct {
	layers.OnRecordableDevice
	spec    *layers.Spec
	options upsampleOptions
	places  *layers.Indices

	planes, in, out int // elements in a plane of the bottom and of the top
	forward         parallel.Loop[upsampleArgs]
	backward        parallel.Loop[upsampleArgs]

	winners blob.Blob // on a device: for each element of the top, one more than that of the bottom, in 64 bits
}

type upsampleArgs struct {
	from, to []float32
	place    []int32
}

type upsampleOptions struct {
	Scale     uint32 `proto:"scale"`
	ScaleH    uint32 `proto:"scale_h"`
	ScaleW    uint32 `proto:"scale_w"`
	PadOutH   bool   `proto:"pad_out_h"`
	PadOutW   bool   `proto:"pad_out_w"`
	UpsampleH uint32 `proto:"upsample_h"`
	UpsampleW uint32 `proto:"upsample_w"`
}

var (
	_ layers.Layer          = (*upsample)(nil)
	_ layers.BackwardReader = (*upsample)(nil)
)

func newUpsample(s *layers.Spec) (layers.Layer, error) {
	l := &upsample{spec: s, places: layers.NewIndices(s, 1, "elements in a plane of the top")}
	o := &l.options
	if err := s.Options(o); err != nil {
		return nil, err
	}
	const field = "upsample_param."
	for _, pair := range [][2]string{{"scale_h", "scale_w"}, {"upsample_h", "upsample_w"}} {
		if s.HasOption(pair[0]) != s.HasOption(pair[1]) {
			return nil, s.Errorf("upsample_param", "only one of %s and %s is set, want both or none", pair[0], pair[1])
		}
	}
	sized, scaled := s.HasOption("upsample_h"), s.HasOption("scale_h")
	if !scaled {
		o.ScaleH, o.ScaleW = o.Scale, o.Scale
	}
	for name, value := range map[string]uint32{"scale": o.Scale, "scale_h": o.ScaleH, "scale_w": o.ScaleW} {
		if s.HasOption(name) && (value < 1 || value > math.MaxInt16) {
			return nil, s.Errorf(field+name, "%s is %d, want 1 to %d", name, value, math.MaxInt16)
		}
	}
	for name, value := range map[string]uint32{"upsample_h": o.UpsampleH, "upsample_w": o.UpsampleW} {
		if sized && (value < 1 || value > math.MaxInt32) {
			return nil, s.Errorf(field+name, "%s is %d, want 1 to %d", name, value, math.MaxInt32)
		}
	}
	if !sized && (o.PadOutH && o.ScaleH != 2 || o.PadOutW && o.ScaleW != 2) {
		return nil, s.Errorf("upsample_param", "pad_out_h and pad_out_w need a scale of 2, got %d and %d", o.ScaleH, o.ScaleW)
	}
	l.forward.Body = func(a *upsampleArgs, _, i, j int) {
		for p := i; p < j; p++ {
			from, place, to := a.from[p*l.in:][:l.in], a.place[p*l.in:][:l.in], a.to[p*l.out:][:l.out]
			clear(to)
			for k, at := range place {
				to[at] = from[k]
			}
		}
	}
	l.backward.Body = func(a *upsampleArgs, _, i, j int) {
		for p := i; p < j; p++ {
			from, place, to := a.from[p*l.out:][:l.out], a.place[p*l.in:][:l.in], a.to[p*l.in:][:l.in]
			for k, at := range place {
				to[k] = from[at]
			}
		}
	}
	return l, nil
}

// BackwardReads returns that Backward reads neither x nor y; of the mask it reads what
// Forward has kept.
func (l *upsample) BackwardReads() (bottom, top bool) { return false, false }

// SetUp does nothing.
func (l *upsample) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape finds the sizes.
func (l *upsample) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x, o := bottom[0], &l.options
	if x.Axes() != 4 {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("the bottom has shape %v, want 4 axes", x.Shape()))
	}
	if !x.ShapeEqual(bottom[1].Shape()) {
		return l.spec.ErrorAt("bottom", 1, fmt.Errorf("got bottoms of shapes %v and %v, want a mask of the same shape", x.Shape(), bottom[1].Shape()))
	}
	h, w := int64(o.UpsampleH), int64(o.UpsampleW)
	if h == 0 {
		h, w = int64(o.ScaleH)*int64(x.Dim(2)), int64(o.ScaleW)*int64(x.Dim(3))
		if o.PadOutH {
			h--
		}
		if o.PadOutW {
			w--
		}
	}
	if h > math.MaxInt32 || w > math.MaxInt32 {
		return l.spec.Errorf("upsample_param", "the top has planes of %d x %d, which is too large", h, w)
	}
	l.planes, l.in, l.out = x.CountRange(0, 2), x.CountFrom(2), int(max(0, h)*max(0, w))
	if err := top[0].Reshape(x.Dim(0), x.Dim(1), int(max(0, h)), int(max(0, w))); err != nil {
		return l.spec.ErrorAt("upsample_param", 0, err)
	}
	return l.places.Reshape(x.Count(), l.out)
}

// Forward computes the top.
func (l *upsample) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	place, _, err := l.places.Read(bottom[1])
	if err != nil {
		return err
	}
	l.forward.Run(l.spec.Env.Workers, l.planes, parallel.Step(l.out), upsampleArgs{bottom[0].Data(), top[0].MutableData(), place})
	return nil
}

// Backward computes the diff of the first bottom.
func (l *upsample) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[1] { // the mask of a Pooling that has a gradient
		clear(bottom[1].MutableDiff())
	}
	if !propagateDown[0] {
		return nil
	}
	l.backward.Run(l.spec.Env.Workers, l.planes, parallel.Step(l.out), upsampleArgs{top[0].Diff(), bottom[0].MutableDiff(), l.places.Last()})
	return nil
}
