// Package solver trains a net, as Caffe's solver.cpp and sgd_solver.cpp do:
// the six update rules, the learning rate policies, tests, snapshots and
// continuing from them. It prints nothing: what happens goes to
// Options.Observer.
//
// Training is a function of the iteration. The place in the data, the random
// numbers and the batches of the tests depend on the number of the iteration
// and on random_seed alone, so that a run that is continued from a snapshot
// gives the same weights, to the last bit, as one that was never interrupted.
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
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/parallel"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
)

// Options say how a solver is made. The zero value is a solver that runs on
// one thread and is silent.
type Options struct {
	Workers *parallel.Pool // the threads of all nets; nil is one
	Device  *cuda.Device   // the GPU that trains; nil for none

	// Observer receives the events of the solver, its nets and their layers; nil
	// for nobody.
	Observer event.Observer

	// Snapshot is the .solverstate file that Restore is going to be called
	// with. A solver without random_seed takes the seed of the run that wrote
	// it; Restore comes too late for that, as the layers have theirs by then.
	Snapshot string

	// Synthetic puts made-up data in the place of data layers.
	Synthetic *net.Synthetic

	// KeepBlobs has every blob of every net keep its numbers until the next pass
	// writes them. Without it blobs that are not needed at the same time share
	// memory, the nets of the tests have that of the train net, and layers may
	// be computed together (net.Options.Memory).
	KeepBlobs bool

	// Level and Stages choose the layers of the train net, beyond the file's
	// train_state. As in `caffe train`, they are set if there is any stage, if
	// only the empty one, or another level than 0.
	Level  int
	Stages []string

	// Action is asked after each iteration and before each batch of a test
	// what the user wants. It returns a wish once, and then None.
	Action func() Action

	// BeforeForward runs before each forward pass of any of the nets. It may
	// fill the tops of Input layers. pass is the number of the pass, counted
	// from 0 for the train net and through all its tests for a test net.
	BeforeForward func(n *net.Net, pass int64) error
}

// A Solver trains a net. Its methods are not for use by several goroutines at
// once.
type Solver struct {
	file  *prototxt.Solver         // as given
	param *caffepb.SolverParameter // a copy of its own
	opts  Options
	seed  uint64

	net      *net.Net
	testNets []*net.Net
	memory   *net.Memory // of all nets; nil if they keep all numbers

	rule    rule
	l1      bool         // weight decay is L1 and not L2
	params  []*net.Param // of net
	history []*blob.Blob // see rule.histories

	iter        int
	currentStep int  // of the multistep policy
	stopped     bool // by the user

	updater updater
	free    []*iteration // their events were sent

	losses       []float32 // of up to average_loss iterations
	smoothedLoss float32
	outputs      []Output // of the train net, at this iteration
	scores       []Output // of the test in progress
	diverged     bool     // an event has told it
	saturated    bool
}

// New makes the solver of a file, with its nets. It checks everything that can
// be wrong with the file, and that snapshots can be written. Close releases
// the nets.
func New(file *prototxt.Solver, opts Options) (*Solver, error) {
	s := newSolver(file, opts)
	emit(s, Initializing{Param: s.param})
	if err := joinList(append(s.check(), s.checkSnapshots())); err != nil {
		return nil, err
	}
	if err := s.chooseSeed(); err != nil {
		return nil, err
	}
	if err := s.createNets(); err != nil {
		s.Close()
		return nil, err
	}
	s.params = s.net.Params()
	var err error
	if s.history, err = s.makeHistory(); err != nil {
		s.Close()
		return nil, err
	}
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

// newSolver returns a solver without nets, with a copy of the file in which the
// options are set.
func newSolver(file *prototxt.Solver, opts Options) *Solver {
	s := &Solver{file: file, opts: opts}
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

// check returns what is wrong with the fields that do not concern the nets.
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
	if p.GetSnapshotFormat() == caffepb.SolverParameter_HDF5 {
		errs = append(errs, s.errorf("snapshot_format", "snapshot_format HDF5 is not supported yet, want BINARYPROTO"))
	}
	return append(errs, s.checkRule(), s.checkPolicy())
}

// chooseSeed takes the seed of all random numbers from random_seed. If that is
// negative, its default, it is the one of the snapshot to come, or made up.
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
		return fmt.Errorf("random_seed is not set, and no random number is to be had: %w", err)
	}
	s.seed = binary.LittleEndian.Uint64(b[:]) >> 33 // 31 bits can be written in a file
	emit(s, Seeded{Seed: int64(s.seed)})
	return nil
}

// Iter returns how many times the weights have been updated.
func (s *Solver) Iter() int { return s.iter }

// Stopped tells whether the last Step or Solve ended because the user asked
// for it.
func (s *Solver) Stopped() bool { return s.stopped }

// Param returns the solver's file as it is used. The caller must not change
// it.
func (s *Solver) Param() *caffepb.SolverParameter { return s.param }

// Net returns the net that is trained.
func (s *Solver) Net() *net.Net { return s.net }

// TestNets returns the nets of the tests. Outside of a test their weights may
// be old.
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

// emit sends an event to the observer.
func emit[E any](s *Solver, e E) { event.Send(s.opts.Observer, e) }

// errorf returns an error about a field of the solver's file, or about the
// file as a whole if field is empty.
func (s *Solver) errorf(field, format string, args ...any) error {
	return s.errorAt(field, 0, fmt.Errorf(format, args...))
}

// errorAt is errorf for a value of a repeated field, with a cause.
func (s *Solver) errorAt(field string, index int, err error) error {
	pos := s.file.Positions.Of(s.param, field, index)
	if !pos.IsValid() {
		pos.File = s.file.File
	}
	return &prototxt.Error{Pos: pos, Err: err}
}

// inField adds to an error from elsewhere which field of the solver's file led
// to it. Errors with a place of their own stay as they are.
func (s *Solver) inField(field string, index int, err error) error {
	var list prototxt.ErrorList
	var at *prototxt.Error
	if errors.As(err, &list) || errors.As(err, &at) {
		return err
	}
	return s.errorAt(field, index, fmt.Errorf("%s: %w", field, err))
}

// joinList makes one error, sorted by place, of those that are not nil.
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

// solverTypes returns the known values of the field "type".
func solverTypes() []string { return slices.Sorted(maps.Keys(rules)) }

// list writes names as a list for people.
func list(names []string) string { return strings.Join(names, ", ") }
