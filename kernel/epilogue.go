package kernel

import (
	"github.com/gocaffe/gocaffe/internal/kernel/norm"
	"github.com/gocaffe/gocaffe/parallel"
)

// An Epilogue is what the layers after a convolution do with its output y, an array
// (N,C,S):
//
//	z = Scale·(y - Mean) + Shift + Add    y = z where z > 0, Slope·z elsewhere
//
// Results equal those of Norm, Add and ReLU one after the other, to the last bit.
type Epilogue struct {
	Mean, Scale, Shift []float32 // of each channel; nil stands for 0, 1 and 0
	Add                []float32 // (N,C,S); nil for nothing
	Slope              []float32 // of each channel; nil for no rectifier
}

// Run computes all of y, which is (n,c,s).
func (e *Epilogue) Run(p *parallel.Pool, n, c, s int, y []float32) {
	(*norm.Epilogue)(e).Run(p, n, c, s, y)
}

// InvStd sets invstd to 1/√(variance + eps), as Norm does.
func InvStd(eps float32, variance, invstd []float32) { norm.InvStd(eps, variance, invstd) }
