// Package net builds a net from its description and runs it, as Caffe's net.cpp
// does: it applies the rules that choose the layers of a phase, splits blobs that
// several layers read, shares weights, runs the forward and the backward pass,
// and reads and writes weights.
package net

import (
	"errors"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
	"github.com/gocaffe/gocaffe/prototxt"
)

// Options control how New builds a net. With the zero value the net has the state
// in the file, runs on one thread and logs nothing.
type Options struct {
	// State chooses the layers, in place of the state in the file. If both are
	// nil, the phase is Caffe's default, TEST.
	State *caffepb.NetState

	Workers *parallel.Pool // the threads; nil for one
	Device  *cuda.Device   // the GPU, for layers that support one; nil for none
	Seed    uint64         // of all random numbers

	// Engine is the order of sums. With layers.CaffeEngine every convolution is
	// computed directly, as if its layer had engine: CAFFE, which is slower.
	Engine layers.Engine

	// Precision is that of products on the CPU: with kernel.BF16 convolutions and inner
	// products round their factors. Weights and sums stay float32. New returns an error if
	// the processor has no instructions for it. Device has a precision of its own.
	Precision kernel.Precision

	// Observer receives the events of this package and of the layers; nil for
	// nobody.
	Observer event.Observer

	Rank, Ranks int // the number of this net among those that train together

	// Synthetic replaces data layers by synthetic data.
	Synthetic *Synthetic

	// Memory, if not nil, is shared by blobs that are not needed at the same
	// time, and layers that can do so also compute the layers after them
	// (layers.Fuser). Passes must then run from the first layer to the last and
	// back. After a pass only some blobs hold what it computed: the tops of
	// layers without bottoms, the outputs and losses of the net, and all
	// weights. Nets with the same Memory must run in turn. If it is nil, every
	// blob keeps its values.
	Memory *Memory

	// Stop is closed when the user has asked to end after the current pass: a layer
	// that waits for something outside the program then gives up. It may be nil.
	Stop <-chan struct{}

	// NoPrograms keeps layers that run programs of the user's from running them
	// (layers.ProgramRunner). New then returns a SkippedError for each, after it has
	// checked all layers that do not depend on them.
	NoPrograms bool

	// ForwardOnly makes a net without a backward pass, which needs less memory.
	ForwardOnly bool

	// Inference makes a net that runs forward as fast as it can; it implies ForwardOnly
	// and, if Memory is nil, a Memory of its own. Convolution, Deconvolution and
	// InnerProduct then also compute what follows them: BatchNorm with running
	// statistics, Scale, Bias, layers of plugins that are the same
	// (layers.ChannelAffine), the sum of Eltwise with a blob that exists already, and
	// ReLU or PReLU. Weights may change between passes, and be shared. On a GPU each
	// layer runs by itself.
	Inference bool

	// PackedWeights is the memory in bytes that a net with Inference may take, on the CPU, to keep
	// weights in the form in which its layers use them (layers.WeightPacker), so that they are not
	// packed again in every pass. 0 stands for DefaultPackedWeights, and a negative number for none.
	// Results are the same to the last bit. Weights may change between passes; code that keeps
	// the slice of Blob.MutableData must call it again before each change (Blob.DataVersion).
	PackedWeights int64

	// Keep has the names of blobs that hold what a pass computed, in addition to those
	// that Memory names. Names that the net does not have are ignored. Without Memory
	// and Inference all blobs do.
	Keep []string
}

// A Net is a graph of layers and the blobs between them. Only one goroutine at a
// time may call its methods.
type Net struct {
	name    string
	state   *caffepb.NetState
	workers *parallel.Pool
	runner  runner
	envs    map[caffepb.Phase]*layers.Env // the net's phase, and those that layers set for themselves
	pass    int64

	diffsCleared bool // the gradients of the weights are zero

	layers  []*Layer
	blobs   []*netBlob
	byName  map[string]*netBlob
	params  []*Param            // all blobs of weights, in the order of the layers
	loaded  map[*blob.Blob]bool // weights that came from a file
	match   *matcher            // made by the method matcher
	learned []*Param            // those that own their storage
	outputs []Output
	inputs  []string

	memory      *Memory             // nil if every blob keeps its values
	kept        map[*blob.Blob]bool // those of Options.Keep
	forwardOnly bool
	packedMost  int64          // bytes for weights that layers keep packed
	joins       bool           // bottoms may lie in the tops of layers.Joiners
	data, diffs [][]*blob.Blob // groups of blobs whose data, or diffs, the layers share

	lastLoss lastLoss // of Forward

	observer  event.Observer
	dataBytes int64 // see LayerReady
	debugInfo bool
}

// A Layer is a layer with its place in a net. Users of a net may read the fields
// but must not change them.
type Layer struct {
	Name, Type string
	Info       *layers.Info
	Impl       layers.Layer
	Param      *caffepb.LayerParameter // as given to the layer and written to files

	Bottoms, Tops         []*blob.Blob
	BottomNames, TopNames []string
	LossWeights           []float32 // one for each top
	Params                []*blob.Blob

	// NeedsBackward reports whether the backward pass runs the layer.
	// PropagateDown and ParamBackward report for each bottom and each blob of
	// weights whether it computes the gradient.
	NeedsBackward bool
	PropagateDown []bool
	ParamBackward []bool

	// FusedInto is the layer that also computes this one (layers.Fuser), or nil
	// if the layer runs by itself.
	FusedInto *Layer

	chain      []*Layer     // those fused into this one, in their order
	before     *Layer       // the one whose top this one computes (layers.Deferrer), or nil
	after      *Layer       // the one that leaves the gradient of its bottom to this one (layers.GradLeaver), or nil
	summer     *Layer       // the one that takes the sums of the bottom (layers.PlaneSummer), or nil
	reads      []*blob.Blob // with a chain, like down: see inputs
	down       []bool
	index      int             // in Net.layers; set with makers while fusing
	makers     []*Layer        // of each bottom
	parts      []*blob.Storage // of a layers.Joiner: bottoms that lie in its top
	env        *layers.Env
	source     *caffepb.LayerParameter // the layer in the file, or the split that the net has added
	positions  *prototxt.Positions
	bottoms    []*netBlob
	tops       []*netBlob
	first      int     // index of Params[0] in Net.params
	shapes     [][]int // of the bottoms when the layer was last reshaped
	failed     bool    // it could not be reshaped, and must be again for any shape
	packed     int64   // bytes of the weights that the layer keeps packed
	lossCounts []int   // how many elements of each top's diff hold its loss weight
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
	Index int    // of the blob within the layer
	Name  string // in the prototxt, or the index if it has none

	LRMult, DecayMult float32

	// Statistic reports that no layer computes a gradient of the weights
	// (layers.ParamStatistics): their diff is zero and is not cleared.
	Statistic bool

	// Owner is the weights of an earlier layer whose storage these share, or nil
	// if they own theirs.
	Owner *Param

	setsLR, setsDecay bool // the file sets the multipliers
}

// An Output is a blob that no layer reads.
type Output struct {
	Name       string
	Blob       *blob.Blob
	LossWeight float32 // its weight in the loss, 0 if it is no loss
}

// Name returns the name of the net.
func (n *Net) Name() string { return n.name }

// Phase returns the phase that the net was built for.
func (n *Net) Phase() caffepb.Phase { return n.state.GetPhase() }

// Layers returns the layers in the order in which they run, including the Split
// layers that New added.
func (n *Net) Layers() []*Layer { return n.layers }

// Blob returns the blob with the given name, or nil if there is none.
func (n *Net) Blob(name string) *blob.Blob {
	if b := n.byName[name]; b != nil {
		return b.Blob
	}
	return nil
}

// Layer returns the layer with the given name, or nil if there is none. Of several, it is
// the first one.
func (n *Net) Layer(name string) *Layer {
	for _, l := range n.layers {
		if l.Name == name {
			return l
		}
	}
	return nil
}

// BlobNames returns the names of the blobs in the order in which they are
// computed. Tops that New added are called "(automatic)".
func (n *Net) BlobNames() []string {
	names := make([]string, len(n.blobs))
	for i, b := range n.blobs {
		names[i] = b.name
	}
	return names
}

// Inputs returns the names of the tops of the Input layers, which the caller must
// fill before each pass.
func (n *Net) Inputs() []string { return n.inputs }

// Outputs returns the blobs that no layer reads, in alphabetical order. Caffe's
// log numbers the elements of all of them in that order.
func (n *Net) Outputs() []Output { return n.outputs }

// Params returns the weights that training updates, in Caffe's order. Weights
// that several layers share are listed once.
func (n *Net) Params() []*Param { return n.learned }

// AllParams returns every blob of weights of every layer, including shared ones.
func (n *Net) AllParams() []*Param { return n.params }

// Pass returns the number of the next forward pass, counted from 0.
func (n *Net) Pass() int64 { return n.pass }

// SetPass sets the number of the next forward pass. Random numbers and the
// position in the data depend on it.
func (n *Net) SetPass(pass int64) {
	n.pass = pass
	for _, env := range n.envs {
		env.Pass = pass
	}
}

// SetDebugInfo turns on or off that passes send a BlobMagnitude for every blob.
// The initial setting is debug_info in the file. Turning it on calls Keep.
func (n *Net) SetDebugInfo(on bool) {
	if n.debugInfo = on; on {
		n.Keep()
	}
}

// Close closes the layers that hold files or goroutines. The net must not run
// afterwards.
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
