package emsoftmax

import (
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

var _ layers.Reporter = (*emSoftmaxLoss)(nil)

// Report says how alike the classifiers are.
func (l *emSoftmaxLoss) Report() string {
	if l.options.V < 2 {
		return ""
	}
	return fmt.Sprintf("mean cosine between the %d classifiers = %.4g", l.options.V, l.meanCosine())
}

// meanCosine returns the cosine of the angle between the vectors that two classifiers
// have for the same class, averaged over the classes and the pairs of classifiers. A
// vector of length 0 counts as 0.
func (l *emSoftmaxLoss) meanCosine() float64 {
	w, pairs, sum := l.Blobs[0].Data(), 0, 0.0
	row := func(v, k int) []float32 { return w[(v*l.k+k)*l.d:][:l.d] }
	for v := range int(l.options.V) {
		for u := range v {
			pairs++
			for k := range l.k {
				a, b := row(u, k), row(v, k)
				if norm := math.Sqrt(kernel.SumSq(nil, a) * kernel.SumSq(nil, b)); norm > 0 {
					sum += kernel.Dot(nil, a, b) / norm
				}
			}
		}
	}
	return sum / float64(pairs*l.k)
}
