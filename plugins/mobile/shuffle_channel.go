package mobile

import (
	"context"
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:  "ShuffleChannel",
		Group: "vision",
		Plugin: &layers.Plugin{
			Field:   "shuffle_channel_param",
			Number:  164,
			Proto:   layers.Schema(schemas, "shuffle_channel.proto"),
			Message: "ShuffleChannelParameter",
		},
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New:     newShuffleChannel,
		Kernels: mobileKernels,
		Doc: `Deal the channels to groups, so that a convolution in groups sees channels of all groups before it. The
C channels are seen as a matrix of group x C/group, which is transposed:

	y[j group + i] = x[i C/group + j]

Bottom: x, items x C x any further axes. C must be divisible by group.
Top: y, of the same shape.

shuffle_channel_param:
	group (1): number of groups

Source: Zhang et al., "ShuffleNet" (2017); github.com/farmingyard/ShuffleNet, shuffle_channel_layer.cpp`,
	})
}

// shuffleChannel implements the layer type; its registration describes it.
type shuffleChannel struct {
	layers.OnRecordableDevice
	spec  *layers.Spec
	group int

	items, columns, inner int // channels are group x columns
}

var (
	_ layers.Layer          = (*shuffleChannel)(nil)
	_ layers.BackwardReader = (*shuffleChannel)(nil)
)

func newShuffleChannel(s *layers.Spec) (layers.Layer, error) {
	var o struct {
		Group uint32 `proto:"group"`
	}
	if err := s.Options(&o); err != nil {
		return nil, err
	}
	if o.Group < 1 || o.Group > 1<<30 {
		return nil, s.Errorf("shuffle_channel_param.group", "group is %d, want 1 or more", o.Group)
	}
	return &shuffleChannel{spec: s, group: int(o.Group)}, nil
}

// BackwardReads returns that Backward reads neither bottom nor top.
func (l *shuffleChannel) BackwardReads() (bottom, top bool) { return false, false }

// SetUp does nothing.
func (l *shuffleChannel) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape gives the top the shape of the bottom.
func (l *shuffleChannel) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	b := bottom[0]
	if b.Axes() < 2 {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("the bottom has shape %v, want two axes or more", b.Shape()))
	}
	if b.Dim(1)%l.group != 0 {
		return l.spec.Errorf("shuffle_channel_param.group", "the bottom has %d channels, which group %d does not divide", b.Dim(1), l.group)
	}
	l.items, l.columns, l.inner = b.Dim(0), b.Dim(1)/l.group, b.CountFrom(2)
	return top[0].ReshapeLike(b)
}

// Forward deals the channels.
func (l *shuffleChannel) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	l.deal(l.group, l.columns, bottom[0].Data(), top[0].MutableData())
	return nil
}

// Backward collects them: the columns are dealt to as many groups.
func (l *shuffleChannel) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[0] {
		l.deal(l.columns, l.group, top[0].Diff(), bottom[0].MutableDiff())
	}
	return nil
}

// deal copies the channels of x, seen as rows x columns, to y in the order of columns x
// rows.
func (l *shuffleChannel) deal(rows, columns int, x, y []float32) {
	a := dealArgs{rows: rows, columns: columns, inner: l.inner, x: x, y: y}
	dealPlanes.Run(l.spec.Env.Workers, l.items*rows*columns, parallel.Step(l.inner), a)
}

type dealArgs struct {
	rows, columns, inner int
	x, y                 []float32
}

var dealPlanes = parallel.Loop[dealArgs]{Body: func(a *dealArgs, _, from, to int) {
	for i := from; i < to; i++ {
		column := i / a.rows // of all items
		source := (column/a.columns*a.rows+i%a.rows)*a.columns + column%a.columns
		copy(a.y[i*a.inner:(i+1)*a.inner], a.x[source*a.inner:])
	}
}}
