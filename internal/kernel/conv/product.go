package conv

import (
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/parallel"
)

// A product is the convolution of a source by the weights: the forward pass, or
// one phase of the gradient of the data. tiles and lines compute it in parts; a part
// is a chunk of pixels for all channels of a group of the result.
type product struct {
	window
	geometry    *geometry
	backward    bool
	dstChannels int          // of a group
	dstSize     int          // of a channel
	kernelTaps  []int        // backward: the taps of the weights that this phase uses
	kept        *keptWeights // nil for none

	// Used during a run.
	micro                  *gemm.Micro
	pool                   *parallel.Pool
	src, weight, bias, dst []float32
	then                   epilogue // of dst
	packing                bool
	panels                 int // of the channels of a group of the result
	packed, packedBias     []float32
}

// depth returns the number of terms of a sum.
func (t *product) depth() int { return t.channels * t.nTaps }

// set sets the arguments of a run. unset clears them.
func (t *product) set(op parallel.Op, src, weight, bias, dst []float32) {
	t.micro, t.pool, t.src, t.weight, t.bias, t.dst = gemm.Active(), op.Pool(), src, weight, bias, dst
}

func (t *product) unset() {
	t.pool, t.src, t.weight, t.bias, t.dst, t.then, t.packed, t.packedBias = nil, nil, nil, nil, nil, epilogue{}, nil, nil
}

// finish has the epilogue finish the given number of pixels of n channels from ch on, the
// first of which is element at of dst.
func (t *product) finish(ch, n, at, pixels int) {
	t.then.rows(ch, n, t.dst, at, t.dstSize, pixels)
}
