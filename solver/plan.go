package solver

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
)

// A NetFile is a net of a solver that is not built.
type NetFile struct {
	Name  string // "train net" or "test net #0"
	Net   *prototxt.Net
	State *caffepb.NetState

	// Reason says what in the solver's file asks for the net in this State. It
	// explains errors about layers that are not part of the net.
	Reason *prototxt.Error
}

// Nets checks a solver's file without building a net, loading weights or writing
// anything. It returns the train net and then the test nets; if there is an
// error, those that could be read.
func Nets(file *prototxt.Solver, opts Options) ([]NetFile, error) {
	s := newSolver(file, opts)
	errs := s.check()
	train, trainErr := s.trainSource()
	tests, testErr := s.testSources()
	errs = append(errs, trainErr, testErr)
	var nets []NetFile
	if trainErr == nil {
		tests = append([]netSource{train}, tests...)
	}
	for _, source := range tests {
		n, state, err := s.readNet(source)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		nets = append(nets, NetFile{source.name(), n, state, s.reason(source)})
	}
	return nets, errors.Join(errs...)
}

func (n *netSource) name() string {
	if n.test < 0 {
		return "train net"
	}
	return fmt.Sprintf("test net #%d", n.test)
}

// reason says what asks for a net in its phase, level and stages.
func (s *Solver) reason(source netSource) *prototxt.Error {
	file := source.file
	if file == "" {
		file = source.field
	}
	field, index := source.field, source.index
	text := fmt.Sprintf("the train net is %s in phase TRAIN, with the level and the stages of train_state and the command line", file)
	if source.test >= 0 {
		if strings.HasPrefix(field, "net") {
			field, index = "test_iter", source.test
		}
		text = fmt.Sprintf("%s asks for %s, which is %s in phase TEST", field, source.name(), file)
		if len(s.param.TestState) > 0 {
			text += ", with the level and the stages of test_state"
		}
		text += ": give the file layers for that, or remove test_iter and test_interval"
	}
	return s.errorAt(field, index, errors.New(text))
}

// withReason adds the reason for a net to an error about layers that are not part of
// it in its phase, level and stages.
func (s *Solver) withReason(err error, source netSource) error {
	var state *net.StateError
	if !errors.As(err, &state) {
		return err
	}
	var list prototxt.ErrorList
	var one *prototxt.Error
	switch {
	case errors.As(err, &list):
	case errors.As(err, &one):
		list = prototxt.ErrorList{one}
	}
	return append(slices.Clone(list), s.reason(source))
}

// readNet reads a net. Its state merges the phase, the state in the net's file
// and the state in the solver's file; a later one takes precedence.
func (s *Solver) readNet(source netSource) (*prototxt.Net, *caffepb.NetState, error) {
	phase, state := caffepb.Phase_TRAIN, s.param.TrainState
	if source.test >= 0 {
		phase, state = caffepb.Phase_TEST, s.testState(source.test)
	}
	file := &prototxt.Net{File: s.file.File, Param: source.message, Positions: s.file.Positions}
	if source.message == nil {
		var err error
		if file, err = net.Read(source.file); err != nil {
			return nil, nil, s.inField(source.field, source.index, s.besideSolver(source.file, err))
		}
		for _, note := range file.Notes {
			emit(s, note)
		}
	}
	merged := &caffepb.NetState{Phase: phase.Enum()}
	proto.Merge(merged, file.Param.GetState())
	proto.Merge(merged, state)
	return file, merged, nil
}

// besideSolver adds to the error of a net's file that does not exist where one of its
// name is: people write paths that begin at the solver.
func (s *Solver) besideSolver(path string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) || filepath.IsAbs(path) {
		return err
	}
	dir := filepath.Dir(s.file.File)
	for _, there := range []string{filepath.Join(dir, path), filepath.Join(dir, filepath.Base(path))} {
		if _, statErr := os.Stat(there); statErr == nil {
			return fmt.Errorf("%w; there is %q beside the solver, but paths begin at the working directory", err, there)
		}
	}
	return err
}

// testState returns the test_state of test net i, or nil.
func (s *Solver) testState(i int) *caffepb.NetState {
	if len(s.param.TestState) > 0 {
		return s.param.TestState[i]
	}
	return nil
}
