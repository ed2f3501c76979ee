package common

import (
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

// Fuse takes in the factors, the shifts, the sum and the rectifier that follow, in this
// order, each of which may be missing: a Scale, a Bias, an Eltwise and a ReLU, or layers that
// do the same. After a sum, it takes in a Split.
func (l *batchNorm) Fuse(next []layers.Layer) int {
	l.affine, l.adds, l.slope = l.affine[:0], false, 1
	taken := 0
	for ; taken < len(next); taken++ {
		f, ok := next[taken].(layers.ChannelAffine)
		if !ok {
			break
		}
		a, ok := f.ChannelAffine(l.items, l.c)
		if before := l.affineMap(); !ok || a.Mean != nil || before.Shift != nil || before.Factor != nil && a.Factor != nil {
			break
		}
		l.affine = append(l.affine, f)
	}
	if taken < len(next) {
		if f, ok := next[taken].(layers.Adder); ok && f.Adds() {
			l.adds = true
			taken++
		}
	}
	if taken < len(next) {
		if f, ok := next[taken].(layers.Rectifier); ok && f.NegativeSlope() >= 0 {
			l.slope = f.NegativeSlope()
			taken++
		}
	}
	if taken < len(next) && l.adds {
		if f, ok := next[taken].(layers.Splitter); ok && f.Splits() {
			taken++
		}
	}
	return taken
}

// Defer leaves the map to the next layer, unless there is a sum or several groups of items,
// each with a map of its own.
func (l *batchNorm) Defer(on bool) bool {
	if on && (l.adds || l.wanted > 0 && !l.global) {
		return false
	}
	l.defers = on
	return true
}

// DeferredMap returns what the layer and those that it has taken in compute.
func (l *batchNorm) DeferredMap() kernel.ChannelMap { return l.groups[0].norm.Map() }

// ReadPlaneSums sets where Forward finds the sums of x, if it needs those of the whole batch.
func (l *batchNorm) ReadPlaneSums(sums *kernel.PlaneSums) bool {
	if l.global || l.wanted > 0 {
		return false
	}
	l.sums = sums
	return true
}

// LeaveGrad has Backward leave the gradient, if it is that of a normalization by the statistics of
// the whole batch.
func (l *batchNorm) LeaveGrad(on bool) *kernel.ItemGrad {
	if l.adds || l.global || l.wanted > 0 {
		return nil
	}
	if l.left = nil; on {
		l.left = new(kernel.ItemGrad)
	}
	return l.left
}

// ChannelAffine returns the running mean and 1/√(variance + eps), unless the statistics
// are those of the batch.
func (l *batchNorm) ChannelAffine(_, c int) (layers.Affine, bool) {
	if !l.global || c != l.c || l.mean.Reshape(c) != nil || l.invStd.Reshape(c) != nil {
		return layers.Affine{}, false
	}
	l.scaleStatistics(l.mean.MutableData(), l.invStd.MutableData())
	kernel.InvStd(l.eps, l.invStd.Data(), l.invStd.MutableData())
	return layers.Affine{Mean: &l.mean, Factor: &l.invStd}, true
}

// affineMap returns the factors and shifts of the fused layers.
func (l *batchNorm) affineMap() layers.Affine {
	var all layers.Affine
	for _, f := range l.affine {
		a, _ := f.ChannelAffine(l.items, l.c)
		if a.Factor != nil {
			all.Factor, all.FactorDiff = a.Factor, a.FactorDiff
		}
		if a.Shift != nil {
			all.Shift, all.ShiftDiff = a.Shift, a.ShiftDiff
		}
	}
	return all
}
