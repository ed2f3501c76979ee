package recurrent

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

// recurrent is the common part of LSTM and RNN, like Caffe's RecurrentLayer. Over T
// time steps of N streams, with D units of G/D elements each, it computes
//
//	z (T,N,G) = x (T·N,I)·Wxᵀ + b + x_static (N,S)·Wsᵀ
//	for t: z_t += (cont_t h_{t-1})·Whᵀ,  h_t = unit(z_t)
//
// Caffe unrolls this into a net of about ten layers per step. Here a step is a matrix
// product followed by the unit, and the gradient of each weight matrix is one product
// over all steps.
type recurrent struct {
	layers.Weights
	spec    *layers.Spec
	param   *caffepb.RecurrentParameter
	unit    unit
	per     int  // G/D
	states  int  // number of state blobs: h, and c of an LSTM
	static  bool // bottom 2 is x_static
	exposed bool

	t, n, d, g   int
	in, staticIn int                 // I and S
	z            blob.Blob           // (T,N,G); its diff is the gradient
	before       blob.Blob           // (T,N,D): cont_t h_{t-1}
	fromStatic   blob.Blob           // (N,G): x_static·Wsᵀ; its diff is the sum of z's over the steps
	dh, carried  blob.Blob           // (N,D): the gradient of h_t, and the part that step t+1 adds
	sum          []float32           // (G)
	packed       kernel.PackedMatrix // Wh or its transpose, during a pass
	state        [2]blob.Blob        // (N,D) each
}

// A unit is the part in which the layers differ: it computes h_t from z_t.
type unit interface {
	setUp() error                              // creates the weights after those of recurrent
	reshape() error                            // sets the shapes of its blobs
	hidden(top []*blob.Blob) *blob.Blob        // returns the blob of h, (T,N,D)
	final(i int) *blob.Blob                    // returns the blob whose last step is state i > 0
	begin(c0 *blob.Blob, cont, z, h []float32) // starts Forward
	step(t int)                                // computes step t of Forward
	end(top *blob.Blob)                        // ends Forward

	beginBackward(cont, z, dz []float32, top *blob.Blob) (dh []float32) // returns the gradient of h without the recurrence
	back(t int, dh []float32)                                           // computes step t of dz
}

var (
	_ layers.Layer           = (*recurrent)(nil)
	_ layers.Parameterized   = (*recurrent)(nil)
	_ layers.ParamPropagator = (*recurrent)(nil)
	_ layers.Counter         = (*recurrent)(nil)
	_ layers.BackwardForcer  = (*recurrent)(nil)
	_ layers.Stateful        = (*recurrent)(nil)
)

// newRecurrent checks the options and the counts of bottoms and tops of a layer with
// per elements for each unit and the given number of state blobs.
func newRecurrent(s *layers.Spec, per, states int) (*recurrent, error) {
	p := s.Param.GetRecurrentParam()
	if n := p.GetNumOutput(); n < 1 || int(n) > math.MaxInt32/per {
		return nil, s.Errorf("recurrent_param.num_output", "num_output is %d, want 1 to %d", n, math.MaxInt32/per)
	}
	if err := s.CheckFiller("recurrent_param.weight_filler", p.GetWeightFiller()); err != nil {
		return nil, err
	}
	if err := s.CheckFiller("recurrent_param.bias_filler", p.GetBiasFiller()); err != nil {
		return nil, err
	}
	l := &recurrent{spec: s, param: p, per: per, states: states, exposed: p.GetExposeHidden(), d: int(p.GetNumOutput())}
	l.g = per * l.d
	bottoms, tops, with := 2, 1, "without"
	if l.exposed {
		bottoms, tops, with = bottoms+states, tops+states, "with"
	}
	if n := len(s.Param.GetBottom()); n != bottoms && n != bottoms+1 {
		return nil, s.Errorf("bottom", "%d bottoms, want %d, or %d if the third is x_static, %s expose_hidden", n, bottoms, bottoms+1, with)
	}
	if n := len(s.Param.GetTop()); n != tops {
		return nil, s.Errorf("top", "%d tops, want %d %s expose_hidden", n, tops, with)
	}
	l.static = len(s.Param.GetBottom()) > bottoms
	return l, nil
}

// AllowForceBackward reports whether bottom i has a gradient: cont and exposed states
// have none.
func (l *recurrent) AllowForceBackward(i int) bool { return i == 0 || i == 2 && l.static }

// ofHidden returns the index of Wh, the last of fixed.
func (l *recurrent) ofHidden() int {
	if l.static {
		return 3
	}
	return 2
}

// fixed returns the shapes of the weights of all units: Wx, b, Ws and Wh.
func (l *recurrent) fixed() [][]int {
	shapes := [][]int{{l.g, l.in}, {l.g}}
	if l.static {
		shapes = append(shapes, []int{l.g, l.staticIn})
	}
	return append(shapes, []int{l.g, l.d})
}

// SetUp creates the weights.
func (l *recurrent) SetUp(bottom, _ []*blob.Blob) error {
	if bottom[0].Axes() < 2 {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("bottom 0 has shape %v, want at least 2 axes: time steps, streams", bottom[0].Shape()))
	}
	l.in = bottom[0].CountFrom(2)
	if l.static {
		if bottom[2].Axes() < 1 {
			return l.spec.ErrorAt("bottom", 2, fmt.Errorf("bottom 2, x_static, has no axes, want streams first"))
		}
		l.staticIn = bottom[2].CountFrom(1)
	}
	l.sum = make([]float32, l.g)
	for _, shape := range l.fixed() {
		if err := l.add(shape...); err != nil {
			return err
		}
	}
	return l.unit.setUp()
}

// add creates the next blob of weights: a bias if it has one axis.
func (l *recurrent) add(shape ...int) error {
	field, filler := "recurrent_param.weight_filler", l.param.GetWeightFiller()
	if len(shape) == 1 {
		field, filler = "recurrent_param.bias_filler", l.param.GetBiasFiller()
	}
	b, err := l.spec.NewParam(len(l.Blobs), "recurrent_param.num_output", field, filler, shape...)
	if err == nil {
		l.Blobs = append(l.Blobs, b)
	}
	return err
}

// Reshape checks the shapes of the bottoms.
//
// Differs from Caffe: the number of time steps may change. If the number of streams
// changes, their states start at 0.
func (l *recurrent) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x := bottom[0]
	if x.Axes() < 2 || x.CountFrom(2) != l.in || x.Dim(0) < 1 {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("bottom 0 has shape %v, want at least one time step, streams, and %d elements per stream, as the weights have", x.Shape(), l.in))
	}
	t, n := x.Dim(0), x.Dim(1)
	if cont := bottom[1]; cont.Axes() != 2 || cont.Dim(0) != t || cont.Dim(1) != n {
		return l.spec.ErrorAt("bottom", 1, fmt.Errorf("bottom 1, the continuation markers, has shape %v, want [%d %d]", cont.Shape(), t, n))
	}
	next := 2
	if l.static {
		if s := bottom[2]; s.Axes() < 1 || s.Dim(0) != n || s.CountFrom(1) != l.staticIn {
			return l.spec.ErrorAt("bottom", 2, fmt.Errorf("bottom 2, x_static, has shape %v, want %d streams of %d elements", s.Shape(), n, l.staticIn))
		}
		next++
	}
	for i := next; i < len(bottom); i++ {
		if b := bottom[i]; b.Axes() != 3 || b.Dim(0) != 1 || b.Dim(1) != n || b.Dim(2) != l.d {
			return l.spec.ErrorAt("bottom", i, fmt.Errorf("bottom %d, an initial state, has shape %v, want [1 %d %d]", i, b.Shape(), n, l.d))
		}
	}
	if err := l.reshape(t, n, top[0]); err != nil {
		return l.spec.ErrorAt("recurrent_param.num_output", 0, err)
	}
	for _, state := range top[1:] {
		if err := state.Reshape(1, n, l.d); err != nil {
			return l.spec.ErrorAt("recurrent_param.num_output", 0, err)
		}
	}
	return nil
}

// reshape sets the shapes of the blobs and of top 0.
func (l *recurrent) reshape(t, n int, top *blob.Blob) error {
	l.resetFor(n)
	l.t, l.n = t, n
	err := errors.Join(l.z.Reshape(t, n, l.g), l.before.Reshape(t, n, l.d), l.fromStatic.Reshape(n, l.g), l.dh.Reshape(n, l.d),
		l.carried.Reshape(n, l.d), l.state[0].Reshape(n, l.d), l.state[1].Reshape(n, l.d), top.Reshape(t, n, l.d))
	return errors.Join(err, l.unit.reshape())
}

// MACs returns the number of multiply-adds of Forward.
func (l *recurrent) MACs() int64 {
	n := int64(l.t) * int64(l.n) * int64(l.g) * int64(l.in+l.d)
	if l.static {
		n += int64(l.n) * int64(l.g) * int64(l.staticIn)
	}
	return n
}

// initial returns the blob of state i before the first step.
func (l *recurrent) initial(i int, bottom []*blob.Blob) *blob.Blob {
	if l.exposed {
		return bottom[len(bottom)-l.states+i]
	}
	return &l.state[i]
}

// Forward computes the tops.
func (l *recurrent) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	w, size, rows := l.spec.Env.Workers, l.n*l.d, l.t*l.n
	z, before, cont := l.z.MutableData(), l.before.MutableData(), bottom[1].Data()
	kernel.Gemm(w, false, true, rows, l.g, l.in, 1, bottom[0].Data(), l.in, l.Blobs[0].Data(), l.in, 0, z, l.g)
	kernel.ChannelScaleShift(w, rows, l.g, 1, z, nil, l.Blobs[1].Data(), z)
	if l.static {
		s := l.fromStatic.MutableData()
		kernel.Gemm(w, false, true, l.n, l.g, l.staticIn, 1, bottom[2].Data(), l.staticIn, l.Blobs[2].Data(), l.staticIn, 0, s, l.g)
		for t := range l.t {
			kernel.Axpy(w, 1, s, l.rows(z, t, l.g))
		}
	}
	h, last := l.unit.hidden(top).MutableData(), l.initial(0, bottom).Data()
	l.unit.begin(l.initial(l.states-1, bottom), cont, z, h)
	wh := l.multiplier(w, true)
	for t := range l.t {
		b := l.rows(before, t, l.d)
		kernel.ChannelScaleShift(w, 1, l.n, l.d, last, cont[t*l.n:(t+1)*l.n], nil, b)
		wh.multiply(b, l.d, 1, l.rows(z, t, l.g), l.g)
		l.unit.step(t)
		last = l.rows(h, t, l.d)
	}
	l.unit.end(top[0])
	for i := range l.states {
		if i > 0 {
			last = l.unit.final(i).Data()
			last = last[len(last)-size:]
		}
		to := &l.state[i]
		if l.exposed {
			to = top[1+i]
		}
		kernel.Copy(w, last, to.MutableData())
	}
	if l.param.GetDebugInfo() {
		l.sendForward(top)
	}
	return nil
}

// rows returns the rows of step t in an array of T·N rows.
func (l *recurrent) rows(x []float32, t, width int) []float32 {
	return x[t*l.n*width : (t+1)*l.n*width]
}

// Backward computes the diffs of the bottoms and adds to those of the weights.
func (l *recurrent) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	w, rows := l.spec.Env.Workers, l.t*l.n
	cont, dz := bottom[1].Data(), l.z.MutableDiff()
	dh, carried := l.dh.MutableData(), l.carried.MutableData()
	kernel.Fill(w, 0, carried)
	from := l.unit.beginBackward(cont, l.z.Data(), dz, top[0])
	wh := l.multiplier(w, false)
	for t := l.t - 1; t >= 0; t-- {
		kernel.Add(w, l.rows(from, t, l.d), carried, dh)
		l.unit.back(t, dh)
		if t > 0 {
			wh.multiply(l.rows(dz, t, l.g), l.g, 0, carried, l.d)
			kernel.ChannelScaleShift(w, 1, l.n, l.d, carried, cont[t*l.n:(t+1)*l.n], nil, carried)
		}
	}
	if l.Needs(0) {
		kernel.Gemm(w, true, false, l.g, l.in, rows, 1, dz, l.g, bottom[0].Data(), l.in, 1, l.Blobs[0].MutableDiff(), l.in)
	}
	if l.Needs(1) {
		kernel.ChannelSum(w, rows, l.g, 1, dz, l.sum)
		kernel.Axpy(nil, 1, l.sum, l.Blobs[1].MutableDiff())
	}
	if l.static && (l.Needs(2) || propagateDown[2]) {
		l.backwardStatic(dz, propagateDown, bottom)
	}
	if i := l.ofHidden(); l.Needs(i) {
		kernel.Gemm(w, true, false, l.g, l.d, rows, 1, dz, l.g, l.before.Data(), l.d, 1, l.Blobs[i].MutableDiff(), l.d)
	}
	if propagateDown[0] {
		kernel.Gemm(w, false, false, rows, l.in, l.g, 1, dz, l.g, l.Blobs[0].Data(), l.in, 0, bottom[0].MutableDiff(), l.in)
	}
	for i := range bottom {
		if propagateDown[i] && !l.AllowForceBackward(i) {
			kernel.Fill(w, 0, bottom[i].MutableDiff())
		}
	}
	if l.param.GetDebugInfo() {
		l.sendBackward(propagateDown, bottom)
	}
	return nil
}

// backwardStatic computes the gradients of x_static and its weights.
func (l *recurrent) backwardStatic(dz []float32, propagateDown []bool, bottom []*blob.Blob) {
	w, sum := l.spec.Env.Workers, l.fromStatic.MutableDiff()
	kernel.Copy(w, l.rows(dz, 0, l.g), sum)
	for t := 1; t < l.t; t++ {
		kernel.Axpy(w, 1, l.rows(dz, t, l.g), sum)
	}
	if l.Needs(2) {
		kernel.Gemm(w, true, false, l.g, l.staticIn, l.n, 1, sum, l.g, bottom[2].Data(), l.staticIn, 1, l.Blobs[2].MutableDiff(), l.staticIn)
	}
	if propagateDown[2] {
		kernel.Gemm(w, false, false, l.n, l.staticIn, l.g, 1, sum, l.g, l.Blobs[2].Data(), l.staticIn, 0, bottom[2].MutableDiff(), l.staticIn)
	}
}
