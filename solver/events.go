package solver

import (
	"time"

	"github.com/gocaffe/gocaffe/caffepb"
)

// The types of this file are the events that a solver sends to Options.Observer.
// The events of its nets come between them.

// An Output is one element of an output blob of a net. Caffe numbers the
// elements of all output blobs of a net in one sequence.
type Output struct {
	Name       string // of the blob
	Value      float32
	LossWeight float32 // 0 if the blob is not a loss
}

// Initializing is the first event. Param is the contents of the solver's file,
// with the options applied.
type Initializing struct{ Param *caffepb.SolverParameter }

// Seeded is sent if the file has no random_seed, with the seed that is used.
type Seeded struct{ Seed int64 }

// CreatingNet is sent before a net is built.
type CreatingNet struct {
	Test  bool   // a test net, not the train net
	Index int    // number of the test net
	Field string // field of the solver's file that describes the net: "net", "test_net_param", ...
	File  string // the net's file; "" for a net inside the solver's file
}

// LoadingWeights is sent before weights are loaded from a file into a net.
type LoadingWeights struct{ Path string }

// Initialized is sent by New when all nets are built.
type Initialized struct{}

// Restored is sent by Restore when the solver has the state of a snapshot.
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

// StepStart is sent by Step, which will run iterations Iter to Stop-1.
type StepStart struct{ Iter, Stop int }

// Iteration is sent once per iteration, when its loss is known. On the CPU that
// is before the weights change; on a GPU it may be several iterations later.
type Iteration struct {
	Iter         int
	Loss         float32 // mean over iter_size
	SmoothedLoss float32 // mean over average_loss iterations
	LR           float32
	MultiStep    int           // the step that the multistep policy takes in this iteration, or 0
	Duration     time.Duration // of the forward and backward passes

	// Display reports whether the field "display" selects this iteration. Only
	// then are there Outputs.
	Display bool
	Every   int // value of "display"
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
	// Layer is the first layer of the forward pass with an element that is not
	// finite, or "" if there is none. Blob is the name of the top that has it;
	// if Blob is "", it is in the weights with index Param.
	Layer, Blob string
	Param       int
}

// Saturated is sent once, when the loss is 87.3365, the loss of a softmax that
// gives every true class a probability below the smallest float32.
type Saturated struct {
	Iter int
	Loss float32
}

// TestStart is sent before a test.
type TestStart struct {
	Iter    int
	Net     int // index of the test net
	Batches int // its test_iter
}

// TestBatch is sent after each batch of a test.
type TestBatch struct {
	Iter, Net      int
	Batch, Batches int
}

// TestResult is sent after a test. Outputs are means over the batches or, with
// eval_type: detection, one mean average precision for each output blob.
type TestResult struct {
	Iter, Net int
	Loss      float32
	HasLoss   bool // test_compute_loss is set
	Outputs   []Output

	// Classes has the classes of detections, by output and label.
	Classes     []ClassPrecision
	ShowClasses bool // show_per_class_result is set
}

// ClassPrecision is the average precision of the detections of a class.
type ClassPrecision struct {
	Output    int // index in TestResult.Outputs
	Label     int
	Precision float32 // 0 if nothing was found
	Found     bool    // whether there was any detection
}

// TestInterrupted is sent instead of TestResult when the user stops training
// during a test.
type TestInterrupted struct{ Iter, Net int }

// Snapshotting is sent before a file of a snapshot is written.
type Snapshotting struct {
	Iter  int
	Path  string
	State bool // the .solverstate file, not the .caffemodel file
	HDF5  bool // snapshot_format is HDF5
}

// Snapshotted is sent when both files of a snapshot are on disk.
type Snapshotted struct {
	Iter         int
	Model, State string
}

// SnapshotFailed is sent when a snapshot during Solve or Step cannot be written.
// Training goes on, and the next display tries again.
type SnapshotFailed struct {
	Iter int
	Err  error
}

// FinalLoss is sent at the end of Solve if "display" selects iteration Iter. It
// has the loss of one more forward pass.
type FinalLoss struct {
	Iter         int
	SmoothedLoss float32
}

// Finished is sent at the end of Solve.
type Finished struct {
	Iter  int
	Early bool // the user has stopped training
}
