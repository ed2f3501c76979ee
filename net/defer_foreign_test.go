package net

import (
	"context"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type: "ForeignDeferrer", Group: "test", Doc: "ForeignAffine, which the next layer can compute.",
		Bottoms: layers.Exactly(1), Tops: layers.Exactly(1),
		New: func(s *layers.Spec) (layers.Layer, error) {
			return &foreignDeferrer{foreignAffine: foreignAffine{spec: s}}, nil
		},
	})
	layers.Register(layers.Info{
		Type: "ForeignReader", Group: "test", Doc: "A copy, which computes the map before it for up to four items.",
		Bottoms: layers.Exactly(1), Tops: layers.Exactly(1),
		New: func(*layers.Spec) (layers.Layer, error) { return new(foreignReader), nil },
	})
}

// foreignDeferrer leaves its map to the next layer, as a plugin could.
type foreignDeferrer struct {
	foreignAffine
	defers bool
}

func (l *foreignDeferrer) Defer(on bool) bool {
	l.defers = on
	return true
}

func (l *foreignDeferrer) DeferredMap() kernel.ChannelMap {
	return kernel.ChannelMap{Scale: l.Blobs[0].Data(), Shift: l.Blobs[1].Data(), Slope: 1}
}

func (l *foreignDeferrer) Forward(ctx context.Context, bottom, top []*blob.Blob) error {
	if l.defers {
		l.x = append(l.x[:0], bottom[0].Data()...)
		return nil
	}
	return l.foreignAffine.Forward(ctx, bottom, top)
}

// foreignReader computes the map of the layer before, as a plugin could.
type foreignReader struct {
	before layers.Deferrer
	items  int
}

func (l *foreignReader) SetUp(_, _ []*blob.Blob) error { return nil }

func (l *foreignReader) Reshape(bottom, top []*blob.Blob) error {
	l.items = bottom[0].Num()
	return top[0].ReshapeLike(bottom[0])
}

func (l *foreignReader) ReadDeferred(before layers.Deferrer) bool {
	if before != nil && l.items > 4 {
		return false
	}
	l.before = before
	return true
}

func (l *foreignReader) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	x, y := bottom[0].Data(), top[0].MutableData()
	copy(y, x)
	if l.before == nil {
		return nil
	}
	m := l.before.DeferredMap()
	for i := range y {
		ch := i / bottom[0].CountFrom(2) % bottom[0].Dim(1)
		z := m.Scale[ch]*y[i] + m.Shift[ch]
		if m.Mean != nil {
			z = m.Scale[ch]*(y[i]-m.Mean[ch]) + m.Shift[ch]
		}
		if z <= 0 {
			z *= m.Slope
		}
		y[i] = z
	}
	return nil
}

func (l *foreignReader) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[0] {
		copy(bottom[0].MutableDiff(), top[0].Diff())
	}
	return nil
}

// TestDeferForeign has layers of plugins leave and compute maps, and one that no longer can
// when the batch grows.
func TestDeferForeign(t *testing.T) {
	foreign := strings.Replace(apartIn, "BatchNorm", "ForeignDeferrer", 1)
	onN := strings.Replace(above, "bottom: 'a'", "bottom: 'n'", 1)
	reader := "layer { name: 'c' type: 'ForeignReader' bottom: 'n' top: 'c' }\n"
	for name, text := range map[string]string{
		"left by a plugin":     below + foreign + onN,
		"computed by a plugin": below + apartIn + reader,
		"both":                 below + foreign + reader,
	} {
		var results [2][]float32
		for i, opts := range []Options{{}, {Memory: new(Memory)}} {
			opts.State, opts.Seed = state(t, "TRAIN"), 3
			n := build(t, channels+text+scores, opts)
			if got := deferred(n); i == 1 && got != "bn" {
				t.Errorf("%s: maps that the next layer computes: %q, want bn", name, got)
			}
			set(n.Blob("data"))
			copy(n.Blob("label").MutableData(), []float32{0, 1, 2, 1})
			results[i] = iterate(t, n)
			if i == 0 || !strings.Contains(text, "Reader") {
				continue
			}
			if n.Blob("data").Reshape(5, 3, 5, 6) != nil || n.Blob("label").Reshape(5) != nil {
				t.Fatal("cannot reshape")
			}
			for range 2 {
				_, err := n.Forward(context.Background())
				if err == nil || !strings.Contains(err.Error(), `layer "c": with a bottom of shape [5 16 5 6]`) || !strings.Contains(err.Error(), `layer "bn"`) {
					t.Errorf("%s: with five items the error is %v", name, err)
				}
			}
		}
		if d := distance(results[1], results[0]); !(d <= 1e-5) {
			t.Errorf("%s: differs by %g of the largest", name, d)
		}
	}
}
