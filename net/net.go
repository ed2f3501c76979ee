// Package net builds a net from its description and runs it, as Caffe's
// net.cpp does: the rules that choose the layers of a phase, the splits of
// blobs that several layers read, shared weights, the forward and the backward
// pass, and weights in files.
package net

import (
	"errors"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
	"github.com/gocaffe/gocaffe/prototxt"
)

// Options say how a net is made. The zero value makes the net of the file's
// own state, which runs on one thread and is silent.
type Options struct {
	// State chooses the layers, in place of the state in the file. If both are
	// nil it is Caffe's default, phase TEST.
	State *caffepb.NetState

	Workers *parallel.Pool // the threads; nil is one
	Device  *cuda.Device   // the GPU, for layers that support one; nil for none
	Seed    uint64         // of all random numbers

	// Observer receives the events of this package and of the layers; nil for
	// nobody.
	Observer event.Observer

	Rank, Ranks int // the number of this net among those that train together

	// Synthetic puts made-up data in the place of data layers.
	Synthetic *Synthetic

	// Memory, unless it is nil, is shared by blobs that are not needed at the
	// same time, and layers that can do so compute others together with
	// themselves (layers.Fuser). The passes then go from the first layer to the
	// last and back, and after them only some blobs hold what was computed: the
	// tops of layers without bottoms, the outputs and losses of the net, and
	// all weights. Nets with the same Memory run in turn. If it is nil, every
	// blob keeps its numbers.
	Memory *Memory

	// ForwardOnly says that there will be no backward pass, which spares
	// memory.
	ForwardOnly bool
}

// A Net is a chain of layers and the blobs between them. Its methods are not
// for use by several goroutines at once.
type Net struct {
	name    string
	state   *caffepb.NetState
	workers *parallel.Pool
	runner  runner
	envs    map[caffepb.Phase]*layers.Env // the net's own, and that of layers with another phase
	pass    int64

	diffsCleared bool // the gradients of the weights are zero

	layers  []*Layer
	blobs   []*netBlob
	byName  map[string]*netBlob
	params  []*Param // all blobs of weights, in the order of the layers
	learned []*Param // those of them that have memory of their own
	outputs []Output
	inputs  []string

	memory      *Memory // nil if every blob keeps its numbers
	forwardOnly bool
	data, diffs [][]*blob.Blob // the blobs whose data, or diffs, the layers have made one

	lastLoss lastLoss // of Forward

	observer  event.Observer
	dataBytes int64 // see LayerReady
	debugInfo bool
}

// A Layer is a layer in its place in a net. Users of a net read the fields and
// leave them as they are.
type Layer struct {
	Name, Type string
	Info       *layers.Info
	Impl       layers.Layer
	Param      *caffepb.LayerParameter // as the layer itself sees it, and as files have it

	Bottoms, Tops         []*blob.Blob
	BottomNames, TopNames []string
	LossWeights           []float32 // one for each top
	Params                []*blob.Blob

	// NeedsBackward tells whether the backward pass runs the layer,
	// PropagateDown for which of its bottoms it computes the gradient, and
	// ParamBackward for which of its weights.
	NeedsBackward bool
	PropagateDown []bool
	ParamBackward []bool

	// FusedInto is the layer that also computes this one (layers.Fuser), or nil
	// if the layer runs by itself.
	FusedInto *Layer

	chain      []*Layer // those fused into this one, in their order
	env        *layers.Env
	source     *caffepb.LayerParameter // the layer in the file, or the split that the net has added
	positions  *prototxt.Positions
	bottoms    []*netBlob
	tops       []*netBlob
	first      int     // index of Params[0] in Net.params
	shapes     [][]int // of the bottoms when the layer was last reshaped
	lossCounts []int   // how many numbers of each top's diff hold its loss weight
	synthetic  *syntheticData
}

// netBlob is a blob between layers.
type netBlob struct {
	*blob.Blob
	name          string
	source        bool // the top of a layer without bottoms
	needsBackward bool
	lossWeight    float32
}

// A Param is one blob of weights of a layer.
type Param struct {
	Blob  *blob.Blob
	Layer string // name of the layer
	Index int    // number of the blob within the layer
	Name  string // the name in the prototxt, or the number if it has none

	LRMult, DecayMult float32

	// Owner is nil for weights that have memory of their own, and else the
	// weights of an earlier layer that these share.
	Owner *Param

	setsLR, setsDecay bool // the multipliers are written in the file
}

// An Output is a blob that no layer reads.
type Output struct {
	Name       string
	Blob       *blob.Blob
	LossWeight float32 // what it counts in the loss, 0 if it is no loss
}

// Name returns the name of the net.
func (n *Net) Name() string { return n.name }

// Phase returns the phase that the net was made for.
func (n *Net) Phase() caffepb.Phase { return n.state.GetPhase() }

// Layers returns the layers in the order in which they run, with the splits
// that the net has added.
func (n *Net) Layers() []*Layer { return n.layers }

// Blob returns the blob of a name, or nil if there is none.
func (n *Net) Blob(name string) *blob.Blob {
	if b := n.byName[name]; b != nil {
		return b.Blob
	}
	return nil
}

// BlobNames returns the names of the blobs in the order in which they are
// computed. Tops that the net has added have the name "(automatic)".
func (n *Net) BlobNames() []string {
	names := make([]string, len(n.blobs))
	for i, b := range n.blobs {
		names[i] = b.name
	}
	return names
}

// Inputs returns the names of the tops of the Input layers, which the caller
// fills before each pass.
func (n *Net) Inputs() []string { return n.inputs }

// Outputs returns the blobs that no layer reads, by name in alphabetical
// order. Caffe's log numbers the elements of all of them in that order.
func (n *Net) Outputs() []Output { return n.outputs }

// Params returns the weights that training updates, in Caffe's order. Weights
// that several layers share are there once.
func (n *Net) Params() []*Param { return n.learned }

// AllParams returns every blob of weights of every layer, shared ones too.
func (n *Net) AllParams() []*Param { return n.params }

// Pass returns the number of the next forward pass, from 0.
func (n *Net) Pass() int64 { return n.pass }

// SetPass sets the number of the next forward pass, on which random numbers
// and the place in the data depend.
func (n *Net) SetPass(pass int64) {
	n.pass = pass
	for _, env := range n.envs {
		env.Pass = pass
	}
}

// SetDebugInfo says whether the passes send a BlobMagnitude for every blob. It
// starts as debug_info in the file says. To turn it on makes the net Keep all
// numbers.
func (n *Net) SetDebugInfo(on bool) {
	if n.debugInfo = on; on {
		n.Keep()
	}
}

// Close closes the layers that hold files or goroutines. The net must not run
// after it.
func (n *Net) Close() error { return errors.Join(n.runner.reset(), n.closeLayers()) }

func (n *Net) closeLayers() error {
	var errs []error
	for _, l := range n.layers {
		if c, ok := l.Impl.(layers.Closer); ok {
			if err := c.Close(); err != nil {
				errs = append(errs, l.wrap(err))
			}
		}
	}
	return errors.Join(errs...)
}
