// Package layers is what a layer is made of: the interface that every layer
// implements, the registry in which a net finds it, the random numbers and
// threads it is given, and the errors that tell the user where in a file
// something is wrong. The built-in layers are in the packages below this one,
// plugins anywhere; both use this package alone.
package layers

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/parallel"
)

// A Layer is one step of a net, as in Caffe's layer.hpp. Its options are read
// and checked when it is made, by Info.New. After that the net calls SetUp
// once and then, as often as it likes and in this order, Reshape, Forward and
// Backward. A layer whose bottom is also its top works in place.
type Layer interface {
	// SetUp checks the shapes of the bottoms, and makes the blobs of weights
	// and fills them. Reshape follows it.
	SetUp(bottom, top []*blob.Blob) error

	// Reshape sets the shapes of the tops and allocates whatever the
	// passes need. It runs again when the shape of a bottom has changed.
	Reshape(bottom, top []*blob.Blob) error

	// Forward computes the data of the tops from that of the bottoms: all of
	// it, as other blobs may have used the memory since the last pass. A top
	// that is another view of a bottom or of the layer's own numbers is made so
	// here. It must not allocate, and fails only for a reason of the data or the
	// device.
	Forward(ctx context.Context, bottom, top []*blob.Blob) error

	// Backward computes the gradient. The diffs of the tops are given. The diff
	// of bottom i is overwritten if propagateDown[i], and left alone if not.
	// The diffs of the weights are added to, so that several passes sum up.
	// For a top with a loss weight the diff holds that weight.
	Backward(ctx context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error
}

// Parameterized is a layer with weights.
type Parameterized interface {
	// Params returns the blobs of weights, in the order in which files and the
	// param fields of the prototxt have them. It is called after SetUp.
	Params() []*blob.Blob
}

// ParamPropagator is a layer that can leave out the gradient of a blob of
// weights that is not trained.
type ParamPropagator interface {
	// SetParamPropagateDown says whether the gradient of weights i is needed.
	// Until it is called, all are.
	SetParamPropagateDown(i int, need bool)
}

// ParamStatistics is a layer that has statistics among its weights, such as the
// running mean of BatchNorm: its passes change them, and they have no gradient.
type ParamStatistics interface {
	// IsStatistic reports whether weights i are such a statistic. Their diff stays
	// zero: Backward does not write it, so nets need not clear it, and solvers need
	// not update weights with an lr_mult of 0.
	IsStatistic(i int) bool
}

// BackwardForcer is a layer with bottoms that have no gradient even if the net
// says force_backward, such as labels and indices. Of a layer without this
// method all bottoms have one, but for the second of a loss (Info.Loss).
type BackwardForcer interface {
	// AllowForceBackward reports whether bottom i has a gradient.
	AllowForceBackward(i int) bool
}

// Counter is a layer that can tell how much it computes.
type Counter interface {
	// MACs returns the number of multiply-adds of one forward pass with the
	// shapes of the last Reshape.
	MACs() int64
}

// Rounder is a layer whose products round their factors to Env.Precision, if it is worth it.
type Rounder interface {
	// Rounds reports whether it does with the shapes of the last Reshape.
	Rounds() bool
}

// DataSource is a layer that reads its tops from outside. A net that is only
// checked or timed may replace it by made-up data.
type DataSource interface {
	// Sources returns the paths that the layer reads.
	Sources() []string
}

// Batcher is a DataSource that knows the size of its batches before it is set up.
type Batcher interface {
	// BatchSize returns the number of items in a batch.
	BatchSize() int
}

// RecordSource is a DataSource whose items are records that can be counted and named.
type RecordSource interface {
	Batcher

	// Records returns the number of records, once the layer is set up, or 0 if the
	// items are no such records, for instance because they are drawn at random.
	Records() int

	// RecordName returns what names the record that is item i in the batch of a pass:
	// its key in a database, or the path of an image.
	RecordName(pass int64, i int) (string, error)

	// ReadOnce has the passes from number 0 on give each record once, the last one
	// with a smaller batch if need be. It is called before the first pass.
	ReadOnce() error
}

// Labeler is a DataSource that knows how many labels each item has in a top before it
// is set up.
type Labeler interface {
	// Labels returns the shape of the part of an item in top i, counted from 1, the
	// first with labels: none for a single label. item is that of its part in top 0.
	Labels(i int, item []int) []int
}

// Imitator is a DataSource with tops whose contents cannot be made up from a number of
// labels, such as a list of all boxes in a batch. A net that is only checked or timed
// calls it before or after SetUp.
type Imitator interface {
	// Imitate returns the shape and the contents of top i, counted from 1, the first
	// with labels, for a batch of n items; a nil shape stands for labels.
	Imitate(i, n int) (shape []int, values []float32)
}

// Stateful is a layer with state besides its weights that training depends
// on, such as a margin that changes from pass to pass. The solver keeps it in
// the .solverstate, under a field that Caffe does not know.
type Stateful interface {
	// State returns the state in a form of the layer's own.
	State() []byte

	// SetState sets what State has returned in an earlier run. It is called
	// after SetUp; the error says what is wrong with a state that does not fit,
	// and leaves the layer as it was.
	SetState(state []byte) error
}

// Closer is a layer that holds files, goroutines or memory outside of Go.
type Closer interface {
	// Close gives them back; the layer is not used again.
	Close() error
}

// ProgramRunner is a layer that runs a program of the user's, such as Python code. A
// net that is only checked may leave it out.
type ProgramRunner interface {
	// Program returns what runs, such as "Python".
	Program() string
}

// A ProgramError is returned by a layer whose program has failed or ended. What the
// layers before it have computed, and the weights of earlier passes, are valid.
type ProgramError struct{ Err error }

// Error returns the cause.
func (e *ProgramError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *ProgramError) Unwrap() error { return e.Err }

// Env is the environment that a net provides to its layers. They share it.
type Env struct {
	Phase     caffepb.Phase
	Workers   *parallel.Pool   // threads for the passes; nil is one thread
	Device    *cuda.Device     // the GPU that layers run on if they can; nil for none
	Seed      uint64           // of all random numbers
	Engine    Engine           // the order of sums
	Precision kernel.Precision // of products on the CPU
	Observer  event.Observer   // receives what layers report; nil for nobody
	Rank      int              // number of this solver among Ranks that train together
	Ranks     int              // 1 for a solver that trains alone

	// Stop is closed when the user has asked to end after the current pass. A layer
	// that waits for something outside the program gives up soon after. It may be nil.
	Stop <-chan struct{}

	// Inference says that the net only runs forward (net.Options.Inference). Layers such
	// as Convolution then also compute what follows them (Fuser).
	Inference bool

	// NoPrograms says that a layer must not run programs of the user's (ProgramRunner).
	NoPrograms bool

	// Pass is the number of the forward pass, from 0. The net counts it up;
	// data layers and random numbers are functions of it, so that a run that
	// was interrupted continues exactly.
	Pass int64

	stream deviceStream
}
