// Package solver trains nets as Caffe's solver.cpp and sgd_solver.cpp do, with
// the six update rules, the learning rate policies, tests, and snapshots from
// which training resumes. It prints nothing: it sends events to
// Options.Observer.
//
// Training is a function of the iteration. The position in the data, the random
// numbers and the test batches depend only on the iteration's number and on
// random_seed, so that a resumed run gives the same weights, to the last bit, as
// one that was never interrupted.
package solver

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/internal/meanap"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/parallel"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
)

// Options configures a solver. The zero value makes a solver that runs on one
// thread and reports nothing.
type Options struct {
	Workers   *parallel.Pool   // the threads of all nets; nil for one
	Device    *cuda.Device     // the GPU to train on; nil for the CPU
	Engine    layers.Engine    // the order of sums in all nets; snapshots name it
	Precision kernel.Precision // of products on the CPU in all nets; snapshots name it

	// Observer receives the events of the solver, its nets and their layers; nil
	// for nobody.
	Observer event.Observer

	// Snapshot is the .solverstate file that Restore will be called with. If the
	// file has no random_seed, New takes the seed of the run that wrote the
	// snapshot: the layers need it before Restore.
	Snapshot string

	// Synthetic replaces data layers by generated data.
	Synthetic *net.Synthetic

	// KeepBlobs makes every blob keep its data until the next pass overwrites
	// it. Without it, blobs that are not needed at the same time share storage,
	// test nets share that of the train net, and layers may be fused
	// (net.Options.Memory).
	KeepBlobs bool

	// Level and Stages extend the file's train_state, which chooses the layers
	// of the train net. As in `caffe train`, they count if Level is not 0 or
	// Stages is not empty, even if its only stage is "".
	Level  int
	Stages []string

	// Action returns what the user asks for. It is called after each iteration
	// and before each batch of a test. It returns each request once, and None
	// otherwise.
	Action func() Action

	// Stop is closed when the user asks to stop. Action returns it too, when the
	// iteration is over; a layer that waits for something outside the program, such as
	// Python code, does not wait for long after Stop. It may be nil.
	Stop <-chan struct{}

	// BeforeForward is called before each forward pass of each net, for example
	// to fill the tops of Input layers. pass is the number of the pass, from 0:
	// of the train net, or of a test net through all of its tests.
	BeforeForward func(n *net.Net, pass int64) error
}

// A Solver trains a net. It is not safe for concurrent use.
type Solver struct {
	file  *prototxt.Solver         // as passed to New
	param *caffepb.SolverParameter // a copy, with the options applied
	opts  Options
	seed  uint64

	net      *net.Net
	testNets []*net.Net
	memory   *net.Memory // shared by all nets; nil with KeepBlobs

	rule    rule
	l1      bool         // weight decay is L1 and not L2
	params  []*net.Param // of net
	history []*blob.Blob // see rule.histories
	fixed   []bool       // see setHistory

	iter        int
	currentStep int     // of the multistep policy
	momentum    float32 // of the current iteration
	stopped     bool    // on the user's request
	saved       int     // the iteration of the last snapshot, or -1
	unsaved     error   // why the last snapshot failed; nil if it did not

	updater updater
	free    []*iteration // their events were sent

	losses       []float32 // of the last average_loss iterations
	smoothedLoss float32
	outputs      []Output // of the train net in this iteration
	scores       []Output // sums of the test in progress
	detections   []meanap.Sum
	diverged     bool // Diverged was sent
	saturated    bool // Saturated was sent
}

// New makes a solver and its nets from a solver's file. It checks the whole file
// and that snapshots can be written. Close releases the nets.
func New(file *prototxt.Solver, opts Options) (*Solver, error) {
	s := newSolver(file, opts)
	emit(s, Initializing{Param: s.param})
	if err := joinList(append(s.check(), s.checkSnapshots())); err != nil {
		return nil, err
	}
	s.warn(s.lint())
	if err := s.chooseSeed(); err != nil {
		return nil, err
	}
	if err := s.createNets(); err != nil {
		s.Close()
		return nil, err
	}
	s.params = s.net.Params()
	history, err := s.makeHistory()
	if err != nil {
		s.Close()
		return nil, err
	}
	s.setHistory(history)
	if err := s.makeUpdater(); err != nil {
		s.Close()
		return nil, err
	}
	emit(s, Initialized{})
	return s, nil
}

// makeUpdater chooses where the weights are updated.
func (s *Solver) makeUpdater() (err error) {
	if s.opts.Device == nil {
		s.updater = hostUpdater{s}
	} else {
		s.updater, err = newDeviceUpdater(s, s.opts.Device)
	}
	return err
}

// newSolver returns a solver without nets, with a copy of the file to which the
// options are applied.
func newSolver(file *prototxt.Solver, opts Options) *Solver {
	s := &Solver{file: file, opts: opts, saved: -1}
	if !opts.KeepBlobs {
		s.memory = new(net.Memory)
	}
	s.param = proto.Clone(file.Param).(*caffepb.SolverParameter)
	file.Positions.Copied(file.Param, s.param)
	if opts.Level != 0 || len(opts.Stages) > 0 {
		s.setTrainState()
	}
	return s
}

// setTrainState adds the level and the stages of the options to train_state.
func (s *Solver) setTrainState() {
	if s.param.TrainState == nil {
		s.param.TrainState = new(caffepb.NetState)
	}
	s.param.TrainState.Level = proto.Int32(int32(s.opts.Level))
	s.param.TrainState.Stage = append(s.param.TrainState.Stage, s.opts.Stages...)
}

// check returns the errors in the fields that do not concern the nets.
func (s *Solver) check() []error {
	p := s.param
	var errs []error
	if n := p.GetAverageLoss(); n < 1 {
		errs = append(errs, s.errorf("average_loss", "average_loss is %d, want 1 or more", n))
	}
	if n := p.GetIterSize(); n < 1 {
		errs = append(errs, s.errorf("iter_size", "iter_size is %d, want 1 or more", n))
	}
	for _, f := range []struct {
		name  string
		value int32
	}{
		{"max_iter", p.GetMaxIter()}, {"display", p.GetDisplay()},
		{"snapshot", p.GetSnapshot()}, {"test_interval", p.GetTestInterval()},
	} {
		if f.value < 0 {
			errs = append(errs, s.errorf(f.name, "%s is %d, want 0 or more", f.name, f.value))
		}
	}
	errs = append(errs, s.checkNumbers()...)
	return append(errs, s.checkRule(), s.checkPolicy(), s.checkLocal(), s.checkEvaluation())
}

// chooseSeed sets the seed of all random numbers. It is random_seed or, if that
// is negative (the default), the seed of Options.Snapshot, or else a random one.
func (s *Solver) chooseSeed() error {
	if seed := s.param.GetRandomSeed(); seed >= 0 {
		s.seed = uint64(seed)
		return nil
	}
	if s.opts.Snapshot != "" {
		state, err := readState(s.opts.Snapshot)
		if err != nil {
			return err
		}
		if state.RandomSeed != nil {
			s.seed = uint64(state.GetRandomSeed())
			emit(s, Seeded{Seed: state.GetRandomSeed()})
			return nil
		}
	}
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return fmt.Errorf("cannot generate a random seed: %w", err)
	}
	s.seed = binary.LittleEndian.Uint64(b[:]) >> 33 // random_seed in a file has 31 bits
	emit(s, Seeded{Seed: int64(s.seed)})
	return nil
}

// Iter returns how many times the weights have been updated.
func (s *Solver) Iter() int { return s.iter }

// Stopped reports whether the last Step or Solve ended early because the user
// asked for it.
func (s *Solver) Stopped() bool { return s.stopped }

// Param returns the contents of the solver's file with the options applied. The
// caller must not change it.
func (s *Solver) Param() *caffepb.SolverParameter { return s.param }

// Net returns the net that is trained.
func (s *Solver) Net() *net.Net { return s.net }

// TestNets returns the test nets. Between tests their weights may be out of
// date.
func (s *Solver) TestNets() []*net.Net { return s.testNets }

// Close closes the nets.
func (s *Solver) Close() error {
	var errs []error
	if s.updater != nil {
		errs = append(errs, s.updater.reset())
	}
	if s.net != nil {
		errs = append(errs, s.net.Close())
	}
	for _, n := range s.testNets {
		errs = append(errs, n.Close())
	}
	return errors.Join(errs...)
}

// PlannedBytes returns the memory that training needs: the plan of the train net,
// whose blobs the test nets share, and the histories of the update rule. Private
// buffers of layers do not count.
func (s *Solver) PlannedBytes() int64 {
	n := s.net.Plan().Bytes()
	for _, h := range s.history {
		n += 4 * int64(h.Count())
	}
	return n
}

// emit sends an event to the observer.
func emit[E any](s *Solver, e E) { event.Send(s.opts.Observer, e) }

// errorf returns an error about a field of the solver's file, or about the
// file as a whole if field is empty.
func (s *Solver) errorf(field, format string, args ...any) error {
	return s.errorAt(field, 0, fmt.Errorf(format, args...))
}

// errorAt is errorf for a value of a repeated field, with a cause.
func (s *Solver) errorAt(field string, index int, err error) *prototxt.Error {
	pos := s.file.Positions.Of(s.param, field, index)
	if !pos.IsValid() {
		pos.File = s.file.File
	}
	return &prototxt.Error{Pos: pos, Err: err}
}

// inField adds the field of the solver's file that led to an error from
// elsewhere. An error that has a position is returned as it is.
func (s *Solver) inField(field string, index int, err error) error {
	var list prototxt.ErrorList
	var at *prototxt.Error
	if errors.As(err, &list) || errors.As(err, &at) {
		return err
	}
	return s.errorAt(field, index, fmt.Errorf("%s: %w", field, err))
}

// joinList joins the errors that are not nil into one, sorted by position.
func joinList(errs []error) error {
	var list prototxt.ErrorList
	for _, err := range errs {
		var at *prototxt.Error
		if errors.As(err, &at) {
			list = append(list, at)
		}
	}
	list.Sort()
	return list.Err()
}

// solverTypes returns the valid values of the field "type".
func solverTypes() []string { return slices.Sorted(maps.Keys(rules)) }

// list joins names with commas.
func list(names []string) string { return strings.Join(names, ", ") }
