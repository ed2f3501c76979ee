package gocaffecmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"github.com/gocaffe/gocaffe/caffelog"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/gocaffe/gocaffe/solver"
	"github.com/spf13/cobra"
)

func (a *app) trainCommand() *cobra.Command {
	var f trainFlags
	cmd := &cobra.Command{
		Use:   "train --solver FILE",
		Short: "Train a net, or resume training",
		Args:  noArgs("solver"),
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.train(cmd.Context(), &f, nil) },
	}
	f.register(cmd)
	cmd.Flags().StringVar(&f.solver, "solver", "", "solver's prototxt file")
	cmd.Flags().StringVar(&f.snapshot, "snapshot", "", "resume from this .solverstate or .solverstate.h5 file")
	cmd.Flags().StringVar(&f.weights, "weights", "", "start with the weights of these .caffemodel (or .caffemodel.h5) files, separated by commas")
	cmd.Flags().StringVar(&f.sigint, "sigint-effect", "stop", "effect of SIGINT (Ctrl-C), SIGTERM and SIGPIPE: snapshot, stop or none")
	cmd.Flags().StringVar(&f.sighup, "sighup-effect", "snapshot", "effect of SIGHUP: snapshot, stop or none")
	return cmd
}

type trainFlags struct {
	netFlags
	solver, snapshot, weights string
	sigint, sighup            string
}

// train trains as train() of Caffe's tools/caffe.cpp does, which the log lines
// have their places from. observer, unless it is nil, receives the events too.
func (a *app) train(ctx context.Context, f *trainFlags, observer event.Observer) error {
	if f.solver == "" {
		return errors.New("train: --solver FILE is missing")
	}
	if f.snapshot != "" && f.weights != "" {
		return errors.New("train: give --snapshot to resume or --weights to finetune, not both")
	}
	a.glog.quiet = !a.fullLog // the progress line takes the log's place
	synthetic, err := f.syntheticData()
	if err != nil {
		return err
	}
	signals, err := newSignals(f.sigint, f.sighup)
	if err != nil {
		return err
	}
	defer signals.stop()
	file, err := prototxt.ReadSolverContext(signals.stopped, f.solver)
	if err != nil {
		return err
	}
	a.notes(file.Notes)
	device, err := a.solverDevice(&f.netFlags, file)
	if err != nil {
		return err
	}
	defer a.closeDevice(device)
	a.useDevice(device, "caffe.cpp:197", "caffe.cpp:214")
	switch {
	case f.snapshot != "":
		file.Param.Weights = nil
	case f.weights != "":
		file.Param.Weights = []string{f.weights}
	}
	var s *solver.Solver
	err = signals.loading(a, func() (err error) {
		s, err = solver.New(file, solver.Options{
			Workers:   a.workers,
			Device:    device,
			Engine:    f.engine,
			Precision: f.onCPU,
			Observer:  event.Multi(a.trainObserver(), programOutput{a}, observer),
			Level:     int(f.level),
			Stages:    f.stages(),
			Snapshot:  f.snapshot,
			Synthetic: synthetic,
			Action:    signals.action,
			Stop:      signals.stopped.Done(),
		})
		return err
	})
	if err != nil {
		return err
	}
	defer func() {
		if !a.abandoned {
			s.Close()
		}
	}()
	if device == nil {
		if err := a.checkMemory(f.solver, s.PlannedBytes()); err != nil {
			return err
		}
	}
	if err := checkInputs(s.Net(), "train", f.solver); err != nil {
		a.glog.log(event.Warning, event.Caller(0), err.Error()+"; its data are zeros")
	}
	if f.snapshot != "" {
		a.glog.logf("caffe.cpp:235", "Resuming from %s", f.snapshot)
		if err := signals.loading(a, func() error { return s.Restore(f.snapshot) }); err != nil {
			return err
		}
	}
	a.glog.logf("caffe.cpp:239", "Starting Optimization")
	if err := s.Solve(ctx); err != nil {
		return err
	}
	a.glog.logf("caffe.cpp:250", "Optimization Done.")
	return nil
}

// trainObserver returns the observer that shows training: it writes the log and,
// on a terminal, a progress line instead.
func (a *app) trainObserver() event.Observer {
	log := caffelog.New(a.glog.log)
	if a.fullLog {
		return log
	}
	progress := &trainProgress{w: a.stderr}
	a.glog.quiet, a.glog.before = true, progress.clear
	return event.Multi(log, progress, loadedWeights{a})
}

// notes logs the notes about a file.
func (a *app) notes(notes []prototxt.Note) {
	for _, n := range notes {
		a.glog.log(n.Level, n.Source, n.Text)
	}
}

// signals turns signals into the actions that the solver asks for after each
// iteration and before each batch of a test. SIGTERM and SIGPIPE have the effect of
// SIGINT: in "gocaffe train 2>&1 | tee log" Ctrl-C ends tee first, and writing to
// the log must not end training before its snapshot.
type signals struct {
	channel  chan os.Signal
	finished chan struct{}
	stopping atomic.Bool
	snapshot atomic.Bool

	stopped context.Context // done when a signal says stop
	stopNow context.CancelCauseFunc
}

func newSignals(sigint, sighup string) (*signals, error) {
	effects := make(map[os.Signal]string)
	for _, e := range []struct {
		flag, value string
		signal      os.Signal
	}{{"sigint", sigint, os.Interrupt}, {"sighup", sighup, syscall.SIGHUP}} {
		switch e.value {
		case "stop", "snapshot", "none":
			effects[e.signal] = e.value
		default:
			return nil, fmt.Errorf("--%s-effect is %q, want stop, snapshot or none", e.flag, e.value)
		}
	}
	s := &signals{channel: make(chan os.Signal, 8), finished: make(chan struct{})}
	s.stopped, s.stopNow = context.WithCancelCause(context.Background())
	effects[syscall.SIGTERM], effects[syscall.SIGPIPE] = effects[os.Interrupt], effects[os.Interrupt]
	signal.Notify(s.channel, os.Interrupt, syscall.SIGHUP, syscall.SIGTERM, syscall.SIGPIPE)
	go func() {
		defer close(s.finished)
		for sig := range s.channel {
			switch effects[sig] {
			case "stop":
				s.stopping.Store(true)
				s.stopNow(fmt.Errorf("ended by the signal %v", sig))
			case "snapshot":
				s.snapshot.Store(true)
			}
		}
	}()
	return s, nil
}

// action returns what the signals ask for. It returns each request for a snapshot
// once.
func (s *signals) action() solver.Action {
	switch {
	case s.stopping.Load():
		return solver.Stop
	case s.snapshot.Swap(false):
		return solver.Snapshot
	}
	return solver.None
}

// loading is app.loading until a signal says stop.
func (s *signals) loading(a *app, load func() error) error {
	err := a.loading(s.stopped, load)
	if s.stopping.Load() {
		return fmt.Errorf("train: %w while it was loading; nothing was trained", context.Cause(s.stopped))
	}
	return err
}

func (s *signals) stop() {
	signal.Stop(s.channel)
	close(s.channel)
	<-s.finished
	s.stopNow(nil)
}
