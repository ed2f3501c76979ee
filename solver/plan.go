package solver

import (
	"errors"
	"fmt"

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
	add := func(name string, source netSource, phase caffepb.Phase, state *caffepb.NetState) {
		n, merged, err := s.readNet(source, phase, state)
		if err != nil {
			errs = append(errs, err)
			return
		}
		nets = append(nets, NetFile{name, n, merged})
	}
	if trainErr == nil {
		add("train net", train, caffepb.Phase_TRAIN, s.param.TrainState)
	}
	for i, source := range tests {
		add(fmt.Sprintf("test net #%d", i), source, caffepb.Phase_TEST, s.testState(i))
	}
	return nets, errors.Join(errs...)
}

// readNet reads a net. Its state merges the phase, the state in the net's file
// and the state in the solver's file; a later one takes precedence.
func (s *Solver) readNet(source netSource, phase caffepb.Phase, state *caffepb.NetState) (*prototxt.Net, *caffepb.NetState, error) {
	file := &prototxt.Net{File: s.file.File, Param: source.message, Positions: s.file.Positions}
	if source.message == nil {
		var err error
		if file, err = net.Read(source.file); err != nil {
			return nil, nil, s.inField(source.field, source.index, err)
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

// testState returns the test_state of test net i, or nil.
func (s *Solver) testState(i int) *caffepb.NetState {
	if len(s.param.TestState) > 0 {
		return s.param.TestState[i]
	}
	return nil
}
