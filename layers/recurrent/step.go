package recurrent

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/parallel"
)

// LSTMKernels are the kernels that the functions for a step of an LSTM need, for
// layers.Info.
var LSTMKernels = kernels

// LSTMStep computes one time step of n streams of d units of an LSTM, for layers that
// compute the matrix products themselves. x and acts are n x 4d, with four blocks in
// each row: the input gate i, the forget gate f, the output gate o and the input g.
// cont has n elements, and prev, c and h have n x d:
//
//	acts = σ(i), cont σ(f), σ(o), tanh(g)
//	c = cont σ(f) prev + σ(i) tanh(g)
//	h = σ(o) tanh(c)
//
// acts may be x.
func LSTMStep(p *parallel.Pool, n, d int, cont, x, prev, acts, c, h []float32) {
	a := cell{n: n, d: d, cont: cont, x: x, prev: prev, acts: acts, c: c, h: h}
	a.forward(p)
}

// LSTMStepBackward computes the gradients dx of x and dprev of prev from those of c and
// h, and from what LSTMStep has computed. dprev may be dc. The gradient is exact if cont
// is 0 or 1. If bound is above 0, each element of dx is limited to -bound and bound.
func LSTMStepBackward(p *parallel.Pool, n, d int, acts, prev, c, dc, dh, dx, dprev []float32, bound float32) {
	a := cell{n: n, d: d, acts: acts, prev: prev, c: c, dc: dc, dh: dh, dx: dx, dprev: dprev, bound: bound}
	a.backward(p)
}

// LSTMStepDevice is LSTMStep on a device.
func LSTMStepDevice(dev *cuda.Device, n, d int, cont, x, prev, acts, c, h cuda.Ptr) {
	mul, shift := cuda.Divisor(max(d, 1))
	dev.Launch(lstmForward, cuda.Each(n*d), cont, x, prev, acts, c, h, d, n*d, mul, shift)
}

// LSTMStepBackwardDevice is LSTMStepBackward on a device.
func LSTMStepBackwardDevice(dev *cuda.Device, n, d int, acts, prev, c, dc, dh, dx, dprev cuda.Ptr, bound float32) {
	mul, shift := cuda.Divisor(max(d, 1))
	dev.Launch(lstmBackward, cuda.Each(n*d), acts, prev, c, dc, dh, dx, dprev, bound, d, n*d, mul, shift)
}

// MarshalStates returns the elements of blobs, for a layer's State.
func MarshalStates(states ...*blob.Blob) (data []byte) {
	for _, b := range states {
		for _, v := range b.Data() {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
	}
	return data
}

// UnmarshalStates sets blobs to what MarshalStates has returned for blobs of their
// shapes.
func UnmarshalStates(data []byte, states ...*blob.Blob) error {
	count := 0
	for _, b := range states {
		count += b.Count()
	}
	if len(data) != 4*count {
		return fmt.Errorf("the states of the units have %d bytes, want %d, 4 for each of %d units", len(data), 4*count, count)
	}
	for _, b := range states {
		x := b.MutableData()
		for k := range x {
			x[k] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*k:]))
		}
		data = data[4*len(x):]
	}
	return nil
}
