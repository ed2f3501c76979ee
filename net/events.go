package net

import "github.com/gocaffe/gocaffe/caffepb"

// The events of this file go to Options.Observer. Most are sent while a net is
// built, in this order: RuleNotMet; Initializing; for each layer LayerAdded,
// LayerReady and ParamShared, with what the layer itself sends between the
// first two; BackwardDecided; OutputFound; Initialized. A data layer that
// Options.Synthetic replaces sends its events earlier, when it is asked for its
// shapes.

// RuleNotMet is sent when the state of the net does not meet an include or
// exclude rule of a layer.
type RuleNotMet struct {
	Layer string
	State *caffepb.NetState
	Rule  *caffepb.NetStateRule
	Field string // the first field of the rule that is not met: "phase", "min_level", "max_level", "stage" or "not_stage"
	Stage string // the value of "stage" or "not_stage" that decides
}

// Initializing is sent when the layers of the net have been chosen and checked.
type Initializing struct {
	Param *caffepb.NetParameter // with the layers of the net's state, before splits are inserted
}

// LayerAdded is sent when a layer has its place in the net, and before it is set
// up: Name, Type, BottomNames and TopNames are known.
type LayerAdded struct{ Layer *Layer }

// LayerReady is sent when a layer is set up: its tops have their shapes.
type LayerReady struct {
	Layer     *Layer
	DataBytes int64 // size of the tops of the layers so far, shared or not, as Caffe counts it
}

// ParamShared is sent when weights of a layer share those of an earlier layer.
type ParamShared struct{ Param *Param }

// BackwardDecided is sent for each layer, from the last to the first, when the
// net knows whether the backward pass runs it.
type BackwardDecided struct {
	Layer string
	Needs bool
}

// OutputFound is sent for each output of the net, in alphabetical order.
type OutputFound struct{ Blob string }

// Initialized is sent when the net is built.
type Initialized struct{}

// LayerIgnored is sent when weights are copied or shared and their source has a
// layer that the net does not have.
type LayerIgnored struct {
	Layer  string
	Shared bool // by ShareTrainedWith; otherwise copied from a file
	HDF5   bool // the file is an HDF5 file
}

// WeightsCopied is sent when the weights of a file have been copied into a net.
type WeightsCopied struct {
	File    string
	Copied  []string // layers that have weights of the file now
	Ignored []string // layers of the file that have weights and are not in the net
	Left    []string // layers of the net that no file has had weights for so far
}

// BlobMagnitude is sent by the passes of a net with debug_info: after the
// forward pass of a layer for its tops and weights, after its backward pass for
// the gradients that it has computed of its bottoms and weights.
type BlobMagnitude struct {
	Layer    string
	Backward bool    // it is the gradient
	Weights  bool    // of weights; otherwise of a top or bottom
	Blob     string  // its name; for weights without one, and for gradients of weights, their number
	Mean     float32 // mean absolute value
}

// ParamNorms is sent at the end of the backward pass of a net with debug_info:
// the norms of all weights that are trained, and of their gradients.
type ParamNorms struct{ DataL1, DiffL1, DataL2, DiffL2 float64 }
