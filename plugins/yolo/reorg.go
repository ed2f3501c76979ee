package yolo

import (
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/axes"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Reorg",
		Group: "vision",
		Plugin: &layers.Plugin{
			Field:   "reorg_param",
			Number:  149,
			Proto:   layers.Schema(schemas, "reorg.proto"),
			Message: "ReorgParameter",
		},
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New:     newReorg,
		Kernels: axes.Kernels,
		Doc: `Make channels of squares of s x s pixels, or the reverse, as darknet does. With reverse

	y[c2, h s + i, w s + j] = x[(i s + j) C/s² + c2, h, w]

for each item of x, C x H x W. Without it the memory of x is read as if it were y of that formula, of shape
C/s² x H s x W s, and is written as x of it: channels of one square are not those of one pixel of x.

Bottom: x, N x C x H x W. C must be divisible by s²; without reverse, H and W by s.
Top: N x C s² x H/s x W/s, or N x C/s² x H s x W s with reverse.

reorg_param:
	stride: s, 1 or more
	reverse (false): see above

Source: github.com/eric612/MobileNet-YOLO, reorg_layer.cpp; darknet. Differs from the former: the gradient is
the derivative; there it is always 0.`,
	})
}

// reorg implements the layer type; its registration describes it.
type reorg struct {
	axes.Passes
	spec    *layers.Spec
	stride  int
	reverse bool
}

var (
	_ layers.DeviceLayer    = (*reorg)(nil)
	_ layers.BackwardReader = (*reorg)(nil)
)

func newReorg(s *layers.Spec) (layers.Layer, error) {
	var o struct {
		Stride  uint32 `proto:"stride"`
		Reverse bool   `proto:"reverse"`
	}
	if err := s.Options(&o); err != nil {
		return nil, err
	}
	if o.Stride < 1 || o.Stride > maxScale {
		return nil, s.Errorf("reorg_param.stride", "stride is %d, want 1 to %d", o.Stride, maxScale)
	}
	return &reorg{Passes: axes.Passes{Workers: s.Env.Workers}, spec: s, stride: int(o.Stride), reverse: o.Reverse}, nil
}

// Reshape sets the shape of the top.
func (l *reorg) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x, s := bottom[0], l.stride
	if x.Axes() != 4 {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("the bottom has shape %v, want 4 axes", x.Shape()))
	}
	n, c, h, w := x.Dim(0), x.Dim(1), x.Dim(2), x.Dim(3)
	if c%(s*s) != 0 {
		return l.spec.Errorf("reorg_param.stride", "the bottom has %d channels, which the square of stride %d does not divide", c, s)
	}
	c2 := c / (s * s)
	if l.reverse {
		if err := top[0].Reshape(n, c2, h*s, w*s); err != nil {
			return err
		}
		return l.Order([]int{n, s, s, c2, h, w}, []int{0, 3, 4, 1, 5, 2})
	}
	if h%s != 0 || w%s != 0 {
		return l.spec.Errorf("reorg_param.stride", "the bottom has planes of %d x %d, which stride %d does not divide", h, w, s)
	}
	if err := top[0].Reshape(n, c*s*s, h/s, w/s); err != nil {
		return err
	}
	return l.Order([]int{n, c2, h, s, w, s}, []int{0, 3, 5, 1, 2, 4})
}
