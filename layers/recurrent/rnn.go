package recurrent

import (
	"errors"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:  "RNN",
		Group: "recurrent",
		Param: "recurrent_param",
		Doc: `Plain recurrent layer: D units for each of N streams of sequences, over T time steps. In step t

	h_t = tanh(Wx x_t + b + Ws x_static + Wh (cont_t h_{t-1}))
	o_t = tanh(Wo h_t + bo)

cont_t = 0 begins a new sequence.

Bottoms: x, T x N x any axes; cont, T x N, which has no gradient; optionally x_static, N x any axes, an input of
every step; with expose_hidden, h_0, 1 x N x D, which has no gradient.
Tops: o, T x N x D; with expose_hidden, h_T, 1 x N x D, whose gradient is not used.
Weights: Wx, D x elements of x per stream; b, D; with x_static, Ws, D x its elements per stream; Wh, D x D;
Wo, D x D; bo, D.

recurrent_param:
` + recurrentDoc + `

Caffe: recurrent_layer.cpp, rnn_layer.cpp`,
		Bottoms: layers.Between(2, 4),
		Tops:    layers.Between(1, 2),
		New:     newRNN,
		Kernels: kernels,
	})
}

func newRNN(s *layers.Spec) (layers.Layer, error) {
	l, err := newRecurrent(s, 1, 1)
	if err != nil {
		return nil, err
	}
	u := &rnn{recurrent: l}
	l.unit = u
	return u, nil
}

// rnn implements the unit of an RNN and the layer, which computes the outputs from all
// h at once.
type rnn struct {
	*recurrent
	h    blob.Blob // (T,N,D)
	out  blob.Blob // (T,N,D): its diff is the gradient of Wo h + bo
	z, y []float32 // of the pass
	dz   []float32
}

var (
	_ layers.Layer = (*rnn)(nil)
	_ unit         = (*rnn)(nil)
)

// MACs returns the number of multiply-adds of Forward.
func (u *rnn) MACs() int64 {
	return u.recurrent.MACs() + int64(u.t)*int64(u.n)*int64(u.d)*int64(u.d)
}

// ofOutput returns the index of Wo; bo follows it.
func (u *rnn) ofOutput() int { return u.ofHidden() + 1 }

func (u *rnn) setUp() error {
	if err := u.add(u.d, u.d); err != nil {
		return err
	}
	return u.add(u.d)
}

func (u *rnn) reshape() error {
	return errors.Join(u.h.Reshape(u.t, u.n, u.d), u.out.Reshape(u.t, u.n, u.d))
}

func (u *rnn) hidden([]*blob.Blob) *blob.Blob { return &u.h }
func (u *rnn) final(int) *blob.Blob           { return nil }

func (u *rnn) begin(_ *blob.Blob, _, z, h []float32) { u.z, u.y = z, h }

func (u *rnn) step(t int) {
	kernel.TanH(u.spec.Env.Workers, u.rows(u.z, t, u.d), u.rows(u.y, t, u.d))
}

func (u *rnn) end(top *blob.Blob) {
	w, y, rows, i := u.spec.Env.Workers, top.MutableData(), u.t*u.n, u.ofOutput()
	kernel.Gemm(w, false, true, rows, u.d, u.d, 1, u.h.Data(), u.d, u.Blobs[i].Data(), u.d, 0, y, u.d)
	kernel.ChannelScaleShift(w, rows, u.d, 1, y, nil, u.Blobs[i+1].Data(), y)
	kernel.TanH(w, y, y)
}

func (u *rnn) beginBackward(_, _, dz []float32, top *blob.Blob) []float32 {
	w, rows, i := u.spec.Env.Workers, u.t*u.n, u.ofOutput()
	u.y, u.dz = u.h.Data(), dz
	dout := u.out.MutableDiff()
	tanhBackward.Run(w, len(dout), cellBlock, tanhArgs{top.Data(), top.Diff(), dout})
	if u.Needs(i) {
		kernel.Gemm(w, true, false, u.d, u.d, rows, 1, dout, u.d, u.y, u.d, 1, u.Blobs[i].MutableDiff(), u.d)
	}
	if u.Needs(i + 1) {
		kernel.ChannelSum(w, rows, u.d, 1, dout, u.sum)
		kernel.Axpy(nil, 1, u.sum, u.Blobs[i+1].MutableDiff())
	}
	dh := u.h.MutableDiff()
	kernel.Gemm(w, false, false, rows, u.d, u.d, 1, dout, u.d, u.Blobs[i].Data(), u.d, 0, dh, u.d)
	return dh
}

func (u *rnn) back(t int, dh []float32) {
	tanhBackward.Run(u.spec.Env.Workers, len(dh), cellBlock, tanhArgs{u.rows(u.y, t, u.d), dh, u.rows(u.dz, t, u.d)})
}

// tanhArgs are the arguments of tanhBackward, dx = dy (1 - y²).
type tanhArgs struct{ y, dy, dx []float32 }

var tanhBackward = parallel.Loop[tanhArgs]{Body: func(a *tanhArgs, _, from, to int) {
	for i := from; i < to; i++ {
		a.dx[i] = a.dy[i] * (1 - a.y[i]*a.y[i])
	}
}}
