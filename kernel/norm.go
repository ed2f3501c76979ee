package kernel

import (
	"github.com/gocaffe/gocaffe/internal/kernel/norm"
	"github.com/gocaffe/gocaffe/parallel"
)

// A Norm computes a batch normalization together with the scale, shift, sum and
// rectifier that may follow it, in one pass over memory:
//
//	z = Factor InvStd (x - Mean) + Shift + Add    y = z where z > 0, Slope z elsewhere
//
// x, y and Add are (N,C,S); Factor, Shift, Mean, Variance and InvStd are (C). Set the
// sizes by Resize and the other inputs before each pass.
type Norm struct {
	N, C, S       int       // set by Resize
	Factor, Shift []float32 // nil is 1 and 0
	Add           []float32 // nil is 0; otherwise BackwardAdd is the backward pass
	Slope         float32   // 1 is no rectifier
	Eps           float32   // added to Variance, so that InvStd stays finite

	Sums *PlaneSums // of the x of ForwardBatch; nil or without sums: it reads x

	Mean, Variance []float32 // input of Forward, output of ForwardBatch
	InvStd         []float32 // 1/√(Variance + Eps), set by both

	norm norm.Norm
}

// PlaneSums are the sums of each plane of an array (N,C,S), and of the squares. Conv.ForwardSums
// takes them of its y, and the next Norm.ForwardBatch of y uses them up. The zero PlaneSums is
// ready to use.
type PlaneSums struct{ sums norm.PlaneSums }

// An ItemGrad is the dx that Norm.BackwardLater has left to be computed when it is read next, by
// a convolution (Conv.LeaveGrad) or by Finish. The zero ItemGrad is ready to use.
type ItemGrad struct{ grad norm.ItemGrad }

// Finish computes dx if it is left.
func (g *ItemGrad) Finish(p *parallel.Pool) { g.grad.Finish(p) }

// A ChannelMap is a normalization with the scale, shift and rectifier after it, as a map of
// each element, which depends on the channel. A convolution can compute it as it reads x
// (Conv.MapInput), and so can a pooling (MaxPoolForwardMap):
//
//	z = Scale·(x - Mean) + Shift    y = z where z > 0, Slope·z elsewhere
type ChannelMap struct {
	Mean, Scale, Shift []float32 // of each channel; nil stands for 0, 1 and 0
	Slope              float32   // 1 is no rectifier
}

// Resize sets the sizes and allocates the statistics if C has changed.
func (m *Norm) Resize(n, c, s int) {
	m.norm.Resize(n, c, s)
	m.N, m.C, m.S = n, c, s
	m.Mean, m.Variance, m.InvStd = m.norm.Mean, m.norm.Variance, m.norm.InvStd
}

// inside returns the implementation with the inputs that the fields hold.
func (m *Norm) inside() *norm.Norm {
	in := &m.norm
	in.N, in.C, in.S = m.N, m.C, m.S
	in.Factor, in.Shift, in.Add, in.Slope, in.Eps = m.Factor, m.Shift, m.Add, m.Slope, m.Eps
	if in.Sums = nil; m.Sums != nil {
		in.Sums = &m.Sums.sums
	}
	in.Mean, in.Variance, in.InvStd = m.Mean, m.Variance, m.InvStd
	return in
}

// Map returns the map that the last pass has computed, if Add is nil. The slices are valid
// until the next pass.
func (m *Norm) Map() ChannelMap { return ChannelMap(m.norm.Map()) }

// Forward computes y from x and the given Mean and Variance. y may be x, but not Add. A nil y
// is not computed: the pass is for Map and Backward.
func (m *Norm) Forward(p *parallel.Pool, x, y []float32) { m.inside().Forward(p, x, y) }

// ForwardBatch sets Mean and Variance to those of x, the variance being the biased one, from
// Sums if it has those, and computes y. y may be x, but not Add, or nil as in Forward.
func (m *Norm) ForwardBatch(p *parallel.Pool, x, y []float32) { m.inside().ForwardBatch(p, x, y) }

// Backward computes the gradients of the last pass, which was ForwardBatch if
// batch is set and Forward otherwise. With dz, the gradient of z, being dy where
// z > 0 and Slope dy elsewhere, it sets
//
//	sum = Σ dz             the gradient of Shift
//	dot = Σ dz (x - Mean)  the gradient of Factor, divided by InvStd
//	dx  = Factor InvStd dz                                                if batch is not set
//	dx  = Factor InvStd (dz - mean(dz) - (x - Mean) InvStd² mean(dz (x - Mean)))  otherwise
//
// where sums and means are over each channel. x, dy and dx are (N,C,S), sum and
// dot are (C). dx may be dy, or nil if it is not wanted.
func (m *Norm) Backward(p *parallel.Pool, batch bool, x, dy, dx []float32, sum, dot []float64) {
	m.inside().Backward(p, batch, x, dy, dx, sum, dot)
}

// BackwardLater is Backward but for dx, which must not be nil: it is left to g, and x and dy must
// not change before it is computed. Then it need not come from memory again when it is read.
func (m *Norm) BackwardLater(p *parallel.Pool, batch bool, x, dy, dx []float32, sum, dot []float64, g *ItemGrad) {
	m.inside().BackwardLater(p, batch, x, dy, dx, sum, dot, &g.grad)
}

// BackwardAdd is Backward after a pass with Add. Several layers may have read y: dys are
// their gradients, and dy is the sum of these, in their order. z > 0 is where y > 0, so
// Slope must not be negative; y is not read if Slope is 1. It also sets dz, the gradient of
// z and of Add, which may be dys[0] or dx.
func (m *Norm) BackwardAdd(p *parallel.Pool, batch bool, x, y []float32, dys [][]float32, dz, dx []float32, sum, dot []float64) {
	m.inside().BackwardAdd(p, batch, x, y, dys, dz, dx, sum, dot)
}
