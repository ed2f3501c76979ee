package conv

import (
	"github.com/gocaffe/gocaffe/internal/kernel/bf16"
	"github.com/gocaffe/gocaffe/parallel"
)

const (
	// leastTerms is the number of terms of a sum from which on a convolution is computed from
	// rounded operands, and leastOutputs that of the outputs of a group: with fewer, most of
	// a tile would be empty, and the time is that of reading and writing.
	leastTerms   = 64
	leastOutputs = 8

	// roundedParts is the minimum number of parts, for several threads.
	roundedParts = 8

	// roundedSpeed is how many products of rounded operands take about as long as one
	// of float32.
	roundedSpeed = 4

	// winogradSpeed is the speed of multiply-adds of rounded operands from which on they are
	// faster than Winograd's algorithm with float32, which needs a quarter of them with 3x3
	// weights and 0.13 to 0.36 with 5x5.
	winogradSpeed = 4

	// copiedElements bounds the elements of the copy of a chunk.
	copiedElements = 128 << 10
)

// rounded computes the three products from operands rounded to bfloat16. Sums are float32.
// All are computed directly: the transforms of Winograd's algorithm would round several times
// and add values that nearly cancel, and take longer than the products.
type rounded struct {
	geometry *geometry
	forward  *roundedProduct
	data     []*roundedProduct // the phases of the gradient of the data
	gaps     bool              // there are pixels of x that no tap covers
	weights  *roundedGrad
	planned  bool
}

// newRounded returns nil if g is to be computed from float32, where w is Winograd's algorithm
// for it or nil.
func newRounded(g *geometry, w *winograd) *rounded {
	if g.groupChannels()*g.taps < leastTerms || g.groupOutputs() < leastOutputs || w != nil && bf16.Active().Speed < winogradSpeed {
		return nil
	}
	return &rounded{geometry: g}
}

// plan plans the products when the first of them runs. It returns false if g is too large.
func (t *rounded) plan() bool {
	if t == nil {
		return false
	}
	if t.planned {
		return t.weights != nil
	}
	t.planned = true
	g := t.geometry
	t.forward = newRoundedProduct(product{geometry: g, dstChannels: g.groupOutputs(), dstSize: g.outSize, window: forwardWindow(g, g.groupChannels())}, nil)
	products, rests, gaps := dataProducts(g)
	t.gaps = gaps
	for i, p := range products {
		if size(p.out) == g.inSize {
			rests[i] = nil // the only phase
		}
		product := newRoundedProduct(p, rests[i])
		if product == nil {
			return false
		}
		t.data = append(t.data, product)
	}
	if t.forward != nil {
		t.weights = newRoundedGrad(g)
	}
	return t.weights != nil
}

// backwardData computes the gradient of the data.
func (t *rounded) backwardData(op parallel.Op, weight, dy, dx []float32) {
	if g := t.geometry; t.gaps {
		clear(dx[:g.Batch*g.Channels*g.inSize])
	}
	for _, p := range t.data {
		p.run(op, dy, weight, nil, dx)
	}
}
