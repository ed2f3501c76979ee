package solver

import (
	"fmt"
	"strings"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/net"
)

// A netSource is the description of a net that the solver's file gives or names.
type netSource struct {
	field   string // of the solver's file
	index   int    // among the values of the field
	file    string // the net's file; "" if there is a message
	message *caffepb.NetParameter
	test    int // number of the test net, or -1 for the train net
}

// createNets builds the train net and the test nets and loads the files of the
// field "weights" into each, as InitTrainNet and InitTestNets of Caffe's
// solver.cpp do.
func (s *Solver) createNets() error {
	train, err := s.trainSource()
	if err != nil {
		return err
	}
	tests, err := s.testSources()
	if err != nil {
		return err
	}
	emit(s, CreatingNet{Field: train.field, File: train.file})
	s.net, err = s.createNet(train)
	if err != nil {
		return err
	}
	if err := s.loadWeights(s.net); err != nil {
		return err
	}
	for i, source := range tests {
		emit(s, CreatingNet{Test: true, Index: i, Field: source.field, File: source.file})
		n, err := s.createNet(source)
		if err != nil {
			return err
		}
		s.testNets = append(s.testNets, n)
		n.SetDebugInfo(s.param.GetDebugInfo())
		if err := s.loadWeights(n); err != nil {
			return err
		}
	}
	return nil
}

// trainSource returns the source of the train net. There must be exactly one.
func (s *Solver) trainSource() (netSource, error) {
	const fields = "net, net_param, train_net, train_net_param"
	p := s.param
	var sources []netSource
	if p.TrainNetParam != nil {
		sources = append(sources, netSource{field: "train_net_param", message: p.TrainNetParam})
	}
	if p.TrainNet != nil {
		sources = append(sources, netSource{field: "train_net", file: p.GetTrainNet()})
	}
	sources = append(sources, s.genericSource()...)
	for i := range sources {
		sources[i].test = -1
	}
	switch len(sources) {
	case 0:
		return netSource{}, s.errorf("", "no train net: one of %s must be set", fields)
	case 1:
		return sources[0], nil
	}
	return netSource{}, s.errorf(sources[1].field, "%s and %s both describe a train net, want one of %s",
		sources[0].field, sources[1].field, fields)
}

// genericSource returns the source of the net that serves training and tests, if
// there is one.
func (s *Solver) genericSource() []netSource {
	var sources []netSource
	if s.param.NetParam != nil {
		sources = append(sources, netSource{field: "net_param", message: s.param.NetParam})
	}
	if s.param.Net != nil {
		sources = append(sources, netSource{field: "net", file: s.param.GetNet()})
	}
	return sources
}

// testSources returns the sources of the test nets in Caffe's order:
// test_net_param, test_net, and then the generic net for each remaining value of
// test_iter.
func (s *Solver) testSources() ([]netSource, error) {
	p := s.param
	var sources []netSource
	for i, message := range p.TestNetParam {
		sources = append(sources, netSource{field: "test_net_param", index: i, message: message})
	}
	for i, file := range p.TestNet {
		sources = append(sources, netSource{field: "test_net", index: i, file: file})
	}
	named := len(sources)
	generic := s.genericSource()
	if len(generic) == 0 && len(p.TestIter) != named || len(p.TestIter) < named {
		return nil, s.errorf("test_iter", "test_iter has %d values, test_net and test_net_param have %d: want as many", len(p.TestIter), named)
	}
	for len(sources) < len(p.TestIter) {
		sources = append(sources, generic[0])
	}
	for i := range sources {
		sources[i].test = i
	}
	if n := len(p.TestState); n > 0 && n != len(sources) {
		return nil, s.errorf("test_state", "test_state has %d values for the %d test nets of test_iter, want none or one each", n, len(sources))
	}
	switch interval := p.GetTestInterval(); {
	case len(sources) == 0:
	case p.TestInterval == nil:
		return nil, s.errorf("test_iter", "test_iter has %d values and test_interval is not set: set it, or remove test_iter", len(p.TestIter))
	case interval <= 0:
		return nil, s.errorf("test_interval", "test_interval is %d, and test_iter has %d values: want 1 or more, or no test_iter", interval, len(p.TestIter))
	}
	for i, n := range p.TestIter {
		if n < 0 {
			return nil, s.errorAt("test_iter", i, fmt.Errorf("test_iter is %d, want 0 or more", n))
		}
	}
	return sources, nil
}

// createNet builds a net.
func (s *Solver) createNet(source netSource) (*net.Net, error) {
	file, merged, err := s.readNet(source)
	if err != nil {
		return nil, err
	}
	n, err := net.New(file, net.Options{
		State: merged, Workers: s.opts.Workers, Device: s.opts.Device, Seed: s.seed, Engine: s.opts.Engine, Precision: s.opts.Precision, Observer: s.opts.Observer, Synthetic: s.opts.Synthetic,
		Memory: s.memory, ForwardOnly: source.test >= 0, Stop: s.opts.Stop,
	})
	return n, s.withReason(err, source)
}

// loadWeights loads the files of the field "weights" into a net. Each value is a
// comma-separated list.
func (s *Solver) loadWeights(n *net.Net) error {
	for i, value := range s.param.Weights {
		for path := range strings.SplitSeq(value, ",") {
			path = strings.TrimSpace(path)
			emit(s, LoadingWeights{Path: path})
			if err := n.LoadWeights(path); err != nil {
				return s.inField("weights", i, err)
			}
		}
	}
	return nil
}

// LoadWeights loads weights from files into the train net. A later file
// overwrites what an earlier one has loaded.
func (s *Solver) LoadWeights(paths []string) error {
	for _, path := range paths {
		emit(s, LoadingWeights{Path: path})
		if err := s.net.LoadWeights(path); err != nil {
			return err
		}
	}
	return nil
}
