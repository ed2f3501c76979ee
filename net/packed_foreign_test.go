package net

import (
	"context"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type: "ForeignPacker", Group: "test", Doc: "The square of a weight for each element.",
		Bottoms: layers.Exactly(1), Tops: layers.Exactly(1),
		New: func(*layers.Spec) (layers.Layer, error) { return new(foreignPacker), nil },
	})
}

// foreignPacker keeps the square of its weight, as a plugin could.
type foreignPacker struct {
	weight  blob.Blob
	items   int
	keep    bool
	version uint64 // of the weight whose square is kept
	square  float32
	squared int // how often it was computed
}

var _ layers.WeightPacker = (*foreignPacker)(nil)

func (l *foreignPacker) SetUp(_, _ []*blob.Blob) error { return l.weight.Reshape(1) }

func (l *foreignPacker) Reshape(bottom, top []*blob.Blob) error {
	l.items = bottom[0].Num()
	return top[0].ReshapeLike(bottom[0])
}

func (l *foreignPacker) Params() []*blob.Blob { return []*blob.Blob{&l.weight} }

func (l *foreignPacker) PackedBytes() int64 { return int64(100 * l.items) }

func (l *foreignPacker) KeepPacked(on bool) { l.keep = on }

func (l *foreignPacker) Forward(_ context.Context, _, top []*blob.Blob) error {
	if v := l.weight.DataVersion(); !l.keep || v != l.version {
		w := l.weight.Data()[0]
		l.version, l.square = v, w*w
		l.squared++
	}
	for i := range top[0].MutableData() {
		top[0].MutableData()[i] = l.square
	}
	return nil
}

func (l *foreignPacker) Backward(context.Context, []*blob.Blob, []bool, []*blob.Blob) error {
	return nil
}

// TestPackedWeightsForeign has a layer of a plugin keep what it computes of its weights, with as
// many items as fit.
func TestPackedWeightsForeign(t *testing.T) {
	n := build(t, `layer { name: 'in' type: 'Input' top: 'data' input_param { shape { dim: 2 dim: 1 } } }
		layer { name: 'square' type: 'ForeignPacker' bottom: 'data' top: 'y' }`,
		Options{State: state(t, "TEST"), Inference: true, PackedWeights: 250})
	l := n.Layer("square").Impl.(*foreignPacker)
	for i, step := range []struct {
		items, squared int // squared: how often the weight was squared so far
		weight         float32
	}{
		{2, 1, 3}, {2, 1, 0}, {2, 2, 5}, {2, 2, 0},
		{3, 3, 0}, {3, 4, 0}, // too large
		{1, 4, 0},
	} {
		if step.weight != 0 {
			l.weight.MutableData()[0] = step.weight
		}
		if err := n.Blob("data").Reshape(step.items, 1); err != nil {
			t.Fatal(err)
		}
		w := l.weight.Data()[0]
		if got, want := results(t, n), slices.Repeat([]float32{w * w}, step.items); !slices.Equal(got, want) || l.squared != step.squared {
			t.Errorf("pass %d: got %v, want %v; squared %d times, want %d", i, got, want, l.squared, step.squared)
		}
	}
}
