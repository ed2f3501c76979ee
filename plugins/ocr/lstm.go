package ocr

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/recurrent"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Lstm",
		Group: "recurrent",
		Plugin: &layers.Plugin{
			Field:   "lstm_param",
			Number:  140,
			Proto:   layers.Schema(schemas, "lstm.proto"),
			Message: "LSTMParameter",
		},
		Bottoms: layers.Between(1, 2),
		Tops:    layers.Exactly(1),
		New:     newLSTM,
		Kernels: recurrent.LSTMKernels,
		Doc: `Long short-term memory: H units for each of N sequences, over T time steps. In step t

	(i, f, o, g) = Wx x_t + Wh (m_t h_{t-1}) + b
	c_t = m_t σ(f) c_{t-1} + σ(i) tanh(g)
	h_t = σ(o) tanh(c_t)

where σ is the logistic function. Without markers m each pass begins with h and c of 0. With markers, m_t = 0
begins a sequence, and m_0 = 1 goes on with the last states of the pass before, at first 0.

Bottoms: x, T x N x any axes; optionally the markers, T x N or, for one sequence, T: they have no gradient.
Top: h, T x N x H.
Weights: Wx, 4 H x elements of x in a step of a sequence; Wh, 4 H x H; b, 4 H.

lstm_param:
	num_output: H
	clipping_threshold (0): if above 0, the largest magnitude of the elements of the gradient of i, f, o and g,
	in each step
	weight_filler, bias_filler (constant 0): fill all weights and all biases
	batch_size (1): without effect

As in the source, the gradient of Wh is not the derivative if there are markers: it takes m_t for 1 if t > 0,
and in step 0 counts sequence 0 only. Snapshots include the states that are carried over between passes.

Source: github.com/tianzhi0549/CTPN, lstm_layer.cu. Its CPU code gives all sequences the recurrent term of the
first. Differs from both: with markers there may be several sequences.`,
	})
}

// lstm implements the layer type; its registration describes it.
type lstm struct {
	layers.Weights
	layers.OnRecordableDevice
	spec    *layers.Spec
	options struct {
		NumOutput    uint32                   `proto:"num_output"`
		Threshold    float32                  `proto:"clipping_threshold"`
		WeightFiller *caffepb.FillerParameter `proto:"weight_filler"`
		BiasFiller   *caffepb.FillerParameter `proto:"bias_filler"`
	}
	marked bool // there are markers

	t, n, d, g, in int       // d is H, g is 4 H
	z              blob.Blob // (T,N,G): the gates; its diff is the gradient
	cells          blob.Blob // (T+1,N,D)
	first          blob.Blob // (N,D): h before step 0
	before         blob.Blob // (N,D): m_t h_{t-1}
	dh, dc         blob.Blob // (N,D)
	carried        blob.Blob // (N,D): the part of dh that step t+1 adds
	ones           blob.Blob // (N): the markers if there are none
	h, c           blob.Blob // (N,D): the states after the last pass
	sum            []float32 // (G)
}

var (
	_ layers.Layer           = (*lstm)(nil)
	_ layers.Parameterized   = (*lstm)(nil)
	_ layers.ParamPropagator = (*lstm)(nil)
	_ layers.Counter         = (*lstm)(nil)
	_ layers.BackwardForcer  = (*lstm)(nil)
	_ layers.Stateful        = (*lstm)(nil)
)

func newLSTM(s *layers.Spec) (layers.Layer, error) {
	l := &lstm{spec: s, marked: len(s.Param.GetBottom()) > 1}
	if err := s.Options(&l.options); err != nil {
		return nil, err
	}
	if n := l.options.NumOutput; n < 1 || n > math.MaxInt32/4 {
		return nil, s.Errorf("lstm_param.num_output", "num_output is %d, want 1 to %d", n, math.MaxInt32/4)
	}
	if v := l.options.Threshold; v != v || v < 0 {
		return nil, s.Errorf("lstm_param.clipping_threshold", "clipping_threshold is %v, want 0 or more", v)
	}
	l.d = int(l.options.NumOutput)
	l.g = 4 * l.d
	return l, errors.Join(s.CheckFiller("lstm_param.weight_filler", l.options.WeightFiller), s.CheckFiller("lstm_param.bias_filler", l.options.BiasFiller))
}

// AllowForceBackward reports whether bottom i has a gradient: the markers have none.
func (l *lstm) AllowForceBackward(i int) bool { return i == 0 }

// SetUp creates the weights.
func (l *lstm) SetUp(bottom, _ []*blob.Blob) error {
	if bottom[0].Axes() < 2 {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("bottom 0 has shape %v, want at least 2 axes: time steps, sequences", bottom[0].Shape()))
	}
	l.in = bottom[0].CountFrom(2)
	for i, shape := range [][]int{{l.g, l.in}, {l.g, l.d}, {l.g}} {
		field, filler := "lstm_param.weight_filler", l.options.WeightFiller
		if len(shape) == 1 {
			field, filler = "lstm_param.bias_filler", l.options.BiasFiller
		}
		b, err := l.spec.NewParam(i, "lstm_param.num_output", field, filler, shape...)
		if err != nil {
			return err
		}
		l.Blobs = append(l.Blobs, b)
	}
	l.sum = make([]float32, l.g)
	return nil
}

// Reshape sets the shape of the top. If the number of sequences changes, their states
// start at 0.
func (l *lstm) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x := bottom[0]
	if x.Axes() < 2 || x.CountFrom(2) != l.in || x.Dim(0) < 1 {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("bottom 0 has shape %v, want at least one time step, sequences, and %d elements per sequence, as the weights have", x.Shape(), l.in))
	}
	t, n := x.Dim(0), x.Dim(1)
	if l.marked {
		if m := bottom[1]; m.Axes() < 1 || m.Dim(0) != t || m.Count() != t*n {
			return l.spec.ErrorAt("bottom", 1, fmt.Errorf("bottom 1, the markers, has shape %v, want [%d %d]", m.Shape(), t, n))
		}
	}
	if l.t > 0 && n != l.n {
		clear(l.h.MutableData())
		clear(l.c.MutableData())
	}
	l.t, l.n = t, n
	alike := l.ones.Count() == n
	err := errors.Join(l.z.Reshape(t, n, l.g), l.cells.Reshape(t+1, n, l.d), l.ones.Reshape(n), top[0].Reshape(t, n, l.d))
	for _, b := range []*blob.Blob{&l.first, &l.before, &l.dh, &l.dc, &l.carried, &l.h, &l.c} {
		err = errors.Join(err, b.Reshape(n, l.d))
	}
	if err != nil {
		return l.spec.ErrorAt("lstm_param.num_output", 0, err)
	}
	if !alike {
		kernel.Fill(nil, 1, l.ones.MutableData())
	}
	return nil
}

// MACs returns the number of multiply-adds of Forward.
func (l *lstm) MACs() int64 { return int64(l.t) * int64(l.n) * int64(l.g) * int64(l.in+l.d) }

// State returns the states after the last pass, if there are markers.
func (l *lstm) State() []byte {
	if !l.marked {
		return nil
	}
	return recurrent.MarshalStates(&l.h, &l.c)
}

// SetState restores what State has returned.
func (l *lstm) SetState(state []byte) error {
	if !l.marked {
		return recurrent.UnmarshalStates(state)
	}
	return recurrent.UnmarshalStates(state, &l.h, &l.c)
}

// step returns step t of an array of so many elements per step and sequence.
func (l *lstm) step(x []float32, t, width int) []float32 { return x[t*l.n*width : (t+1)*l.n*width] }

// markers returns those of step t; m are all, if there are any.
func (l *lstm) markers(m []float32, t int) []float32 {
	if !l.marked {
		return l.ones.Data()
	}
	return l.step(m, t, 1)
}

// Forward computes the top.
func (l *lstm) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	w, rows := l.spec.Env.Workers, l.t*l.n
	z, cells, h := l.z.MutableData(), l.cells.MutableData(), top[0].MutableData()
	first, before, wh := l.first.MutableData(), l.before.MutableData(), l.Blobs[1].Data()
	var m []float32
	if l.marked {
		m = bottom[1].Data()
		kernel.Copy(w, l.h.Data(), first)
		kernel.Copy(w, l.c.Data(), l.step(cells, 0, l.d))
	} else {
		kernel.Fill(w, 0, first)
		kernel.Fill(w, 0, l.step(cells, 0, l.d))
	}
	kernel.Gemm(w, false, true, rows, l.g, l.in, 1, bottom[0].Data(), l.in, l.Blobs[0].Data(), l.in, 0, z, l.g)
	kernel.ChannelScaleShift(w, rows, l.g, 1, z, nil, l.Blobs[2].Data(), z)
	last := first
	for t := range l.t {
		cont, zt := l.markers(m, t), l.step(z, t, l.g)
		kernel.ChannelScaleShift(w, 1, l.n, l.d, last, cont, nil, before)
		kernel.Gemm(w, false, true, l.n, l.g, l.d, 1, before, l.d, wh, l.d, 1, zt, l.g)
		last = l.step(h, t, l.d)
		recurrent.LSTMStep(w, l.n, l.d, cont, zt, l.step(cells, t, l.d), zt, l.step(cells, t+1, l.d), last)
	}
	kernel.Copy(w, last, l.h.MutableData())
	kernel.Copy(w, l.step(cells, l.t, l.d), l.c.MutableData())
	return nil
}

// Backward computes the diff of x and adds to those of the weights.
func (l *lstm) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	w, rows := l.spec.Env.Workers, l.t*l.n
	z, dz, cells, diff := l.z.Data(), l.z.MutableDiff(), l.cells.Data(), top[0].Diff()
	dh, dc, carried, wh := l.dh.MutableData(), l.dc.MutableData(), l.carried.MutableData(), l.Blobs[1].Data()
	var m []float32
	if l.marked {
		m = bottom[1].Data()
	}
	kernel.Fill(w, 0, dc)
	kernel.Fill(w, 0, carried)
	for t := l.t - 1; t >= 0; t-- {
		dzt := l.step(dz, t, l.g)
		kernel.Add(w, l.step(diff, t, l.d), carried, dh)
		recurrent.LSTMStepBackward(w, l.n, l.d, l.step(z, t, l.g), l.step(cells, t, l.d), l.step(cells, t+1, l.d), dc, dh, dzt, dc, l.options.Threshold)
		if t > 0 {
			kernel.Gemm(w, false, false, l.n, l.d, l.g, 1, dzt, l.g, wh, l.d, 0, carried, l.d)
			kernel.ChannelScaleShift(w, 1, l.n, l.d, carried, l.markers(m, t), nil, carried)
		}
	}
	if l.Needs(0) {
		kernel.Gemm(w, true, false, l.g, l.in, rows, 1, dz, l.g, bottom[0].Data(), l.in, 1, l.Blobs[0].MutableDiff(), l.in)
	}
	if l.Needs(1) && l.n > 0 {
		dw := l.Blobs[1].MutableDiff()
		if l.t > 1 {
			kernel.Gemm(w, true, false, l.g, l.d, rows-l.n, 1, dz[l.n*l.g:], l.g, top[0].Data(), l.d, 1, dw, l.d)
		}
		kernel.Gemm(w, true, false, l.g, l.d, 1, 1, dz, l.g, l.first.Data(), l.d, 1, dw, l.d)
	}
	if l.Needs(2) {
		kernel.ChannelSum(w, rows, l.g, 1, dz, l.sum)
		kernel.Axpy(nil, 1, l.sum, l.Blobs[2].MutableDiff())
	}
	if propagateDown[0] {
		kernel.Gemm(w, false, false, rows, l.in, l.g, 1, dz, l.g, l.Blobs[0].Data(), l.in, 0, bottom[0].MutableDiff(), l.in)
	}
	if l.marked && propagateDown[1] {
		kernel.Fill(w, 0, bottom[1].MutableDiff())
	}
	return nil
}
