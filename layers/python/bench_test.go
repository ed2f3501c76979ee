package python_test

import (
	"context"
	"testing"

	"github.com/gocaffe/gocaffe/layers/layertest"
)

// BenchmarkPass times a pass of a small layer, of which the call itself is the most.
func BenchmarkPass(b *testing.B) {
	usePython(b)
	f := layertest.New(b, euclidean, layertest.Gaussian(1, 32, 10), layertest.Gaussian(2, 32, 10))
	defer f.Close()
	b.Run("forward", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := f.Layer.Forward(context.Background(), f.Bottom, f.Top); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("backward", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := f.Layer.Backward(context.Background(), f.Top, f.Propagate, f.Bottom); err != nil {
				b.Fatal(err)
			}
		}
	})
}
