package recurrent

import (
	"errors"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
)

const recurrentDoc = `	num_output: D
	weight_filler, bias_filler (constant 0): fill all weights and all biases
	expose_hidden (false): make the initial states bottoms and the final states tops. Without it, a pass starts with the
	final states of the previous pass, at first 0
	debug_info (false): report the mean magnitudes of the results of each step, like a solver's debug_info

The number of time steps may change from pass to pass. Snapshots include the states carried over between passes.`

func init() {
	layers.Register(layers.Info{
		Type:  "LSTM",
		Group: "recurrent",
		Param: "recurrent_param",
		Doc: `Long short-term memory: D units for each of N streams of sequences, over T time steps. In step t

	(i, f, o, g) = Wx x_t + b + Ws x_static + Wh (cont_t h_{t-1})
	c_t = cont_t σ(f) c_{t-1} + σ(i) tanh(g)
	h_t = σ(o) tanh(c_t)

where σ is the logistic function. cont_t = 0 begins a new sequence.

Bottoms: x, T x N x any axes; cont, T x N, which has no gradient; optionally x_static, N x any axes, an input of
every step; with expose_hidden, h_0 and c_0, 1 x N x D, which have no gradient.
Tops: h, T x N x D; with expose_hidden, h_T and c_T, 1 x N x D, whose gradient is not used.
Weights: Wx, 4 D x elements of x per stream; b, 4 D; with x_static, Ws, 4 D x its elements per stream;
Wh, 4 D x D.

recurrent_param:
` + recurrentDoc + `

Caffe: recurrent_layer.cpp, lstm_layer.cpp; Donahue et al., Long-term Recurrent Convolutional Networks for Visual
Recognition and Description, 2014.`,
		Bottoms: layers.Between(2, 5),
		Tops:    layers.Between(1, 3),
		New:     newLSTM,
		Kernels: kernels,
	})
}

func newLSTM(s *layers.Spec) (layers.Layer, error) {
	l, err := newRecurrent(s, 4, 2)
	if err != nil {
		return nil, err
	}
	u := &lstm{recurrent: l}
	l.unit = u
	return u, nil
}

// lstm implements the unit of an LSTM and the layer.
type lstm struct {
	*recurrent
	cells blob.Blob // (T+1,N,D): c_0 to c_T
	dc    blob.Blob // (N,D): the gradient of the cells after a step
	cell  cell      // of all steps
}

var (
	_ layers.Layer          = (*lstm)(nil)
	_ layers.BackwardReader = (*lstm)(nil)
	_ unit                  = (*lstm)(nil)
)

// BackwardReads reports that Backward reads the bottoms: x for the gradient of Wx, and
// cont.
func (u *lstm) BackwardReads() (bottom, top bool) { return true, false }

func (u *lstm) setUp() error { return nil }

func (u *lstm) reshape() error {
	return errors.Join(u.cells.Reshape(u.t+1, u.n, u.d), u.dc.Reshape(u.n, u.d))
}

func (u *lstm) hidden(top []*blob.Blob) *blob.Blob { return top[0] }
func (u *lstm) final(int) *blob.Blob               { return &u.cells }
func (u *lstm) end(*blob.Blob)                     {}

func (u *lstm) begin(c0 *blob.Blob, cont, z, h []float32) {
	cells := u.cells.MutableData()
	copy(cells[:u.n*u.d], c0.Data())
	u.cell = cell{n: u.n, d: u.d, cont: cont, x: z, c: cells, h: h}
}

// of returns step t of the arrays that both passes use.
func (u *lstm) of(t int) cell {
	a := cell{n: u.n, d: u.d, cont: u.cell.cont[t*u.n : (t+1)*u.n], acts: u.rows(u.cell.x, t, u.g)}
	a.prev, a.c = u.rows(u.cell.c, t, u.d), u.rows(u.cell.c, t+1, u.d)
	return a
}

func (u *lstm) step(t int) {
	a := u.of(t)
	a.x, a.h = a.acts, u.rows(u.cell.h, t, u.d)
	a.forward(u.spec.Env.Workers)
}

func (u *lstm) beginBackward(cont, z, dz []float32, top *blob.Blob) []float32 {
	u.cell = cell{cont: cont, x: z, c: u.cells.Data(), dx: dz, dc: u.dc.MutableData()}
	clear(u.cell.dc)
	return top.Diff()
}

func (u *lstm) back(t int, dh []float32) {
	a := u.of(t)
	a.dh, a.dx = dh, u.rows(u.cell.dx, t, u.g)
	a.dc, a.dprev = u.cell.dc, u.cell.dc
	a.backward(u.spec.Env.Workers)
}
