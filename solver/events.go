package solver

import (
	"time"

	"github.com/gocaffe/gocaffe/caffepb"
)

// The events of this file go to Options.Observer, and between them those of the
// nets.

// An Output is one element of an output blob of a net. Caffe numbers the
// elements of all output blobs of a net in one sequence.
type Output struct {
	Name       string // of the blob
	Value      float32
	LossWeight float32 // 0 if it is not part of the loss
}

// Initializing is sent first, with the solver's file and the options in it.
type Initializing struct{ Param *caffepb.SolverParameter }

// Seeded is sent if the file gives no random_seed, with the one that was made
// up.
type Seeded struct{ Seed int64 }

// CreatingNet is sent before a net is built. Field is the field of the
// solver's file that names it, such as "net" or "test_net_param", and File the
// net's file, if it has one.
type CreatingNet struct {
	Test  bool // a test net
	Index int  // of the test net
	Field string
	File  string
}

// LoadingWeights is sent before a file of the field "weights" is loaded into a
// net.
type LoadingWeights struct{ Path string }

// Initialized is sent when all nets are built.
type Initialized struct{}

// Restored is sent when training has been put back to a snapshot.
type Restored struct {
	Path string // the .solverstate file
	Iter int
}

// SolveStart is sent by Solve before the first iteration.
type SolveStart struct {
	Net           string // its name
	Policy        string // the lr_policy
	Iter, MaxIter int
}

// StepStart is sent by Step: training will run from iteration Iter to Stop-1.
type StepStart struct{ Iter, Stop int }

// Iteration is sent once in each iteration, when loss and gradient are known
// and before the weights change.
type Iteration struct {
	Iter         int
	Loss         float32 // mean over iter_size
	SmoothedLoss float32 // mean over average_loss iterations
	LR           float32
	MultiStep    int           // the number of the step that the multistep policy takes now, or 0
	Duration     time.Duration // of the forward and backward passes

	// Display says that the iteration is one of those that the field "display"
	// asks for. Only then are there Outputs.
	Display bool
	Every   int // the value of "display"
	Outputs []Output
}

// Clipped is sent when clip_gradients scales the gradient down.
type Clipped struct {
	Iter             int
	Norm, Max, Scale float32
}

// Diverged is sent once, at the first iteration whose loss is not finite.
type Diverged struct {
	Iter int
	Loss float32
	// Layer is the first layer, in the order of the forward pass, in which a
	// number is not finite, and Blob the name of its blob, or "" if it is one
	// of the layer's weights. Param is the number of those weights.
	Layer, Blob string
	Param       int
}

// Saturated is sent once, when the loss has the value 87.3365 that it takes
// when the probability of every true class is below the smallest float.
type Saturated struct {
	Iter int
	Loss float32
}

// TestStart is sent before a test.
type TestStart struct {
	Iter    int
	Net     int // number of the test net
	Batches int // its test_iter
}

// TestBatch is sent after each batch of a test.
type TestBatch struct {
	Iter, Net      int
	Batch, Batches int
}

// TestResult is sent after a test. Outputs are means over the batches.
type TestResult struct {
	Iter, Net int
	Loss      float32
	HasLoss   bool // test_compute_loss is set
	Outputs   []Output
}

// TestInterrupted is sent instead of TestResult if the user stops training
// during a test.
type TestInterrupted struct{ Iter, Net int }

// Snapshotting is sent before a file of a snapshot is written.
type Snapshotting struct {
	Iter  int
	Path  string
	State bool // the .solverstate and not the .caffemodel
}

// Snapshotted is sent when both files of a snapshot are on the disk.
type Snapshotted struct {
	Iter         int
	Model, State string
}

// FinalLoss is sent after training if "display" asks for iteration Iter: the
// loss of one more forward pass.
type FinalLoss struct {
	Iter         int
	SmoothedLoss float32
}

// Finished is sent at the end of Solve.
type Finished struct {
	Iter  int
	Early bool // on the user's request
}
