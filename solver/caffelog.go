package solver

import (
	"fmt"
	"time"

	"github.com/gocaffe/gocaffe/internal/cfmt"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/prototxt"
)

// CaffeLog returns an observer that writes the log of Caffe's solver.cpp and
// sgd_solver.cpp, line by line and letter by letter, as the scripts in Caffe's
// tools/extra read it. source is the place of the line in these files at
// commit 9b89154.
//
// Differs from Caffe: the speed in the first line is 0 and not an accident of
// memory, and a loss that is not finite is explained, once, by a warning.
func CaffeLog(log layers.Log) Observer { return &caffeLog{log: log} }

type caffeLog struct {
	log   layers.Log
	since time.Time // of the last line that shows the speed
	iter  int       // at that time
}

// Observe writes the lines of an event.
func (l *caffeLog) Observe(event any) {
	switch e := event.(type) {
	case *Initializing:
		l.print("solver.cpp:45", "Initializing solver from parameters: \n%s", prototxt.Marshal(e.Param))
	case *Seeded:
		l.print("solver.cpp:50", "random_seed is not set, using %d", e.Seed)
	case *CreatingNet:
		l.creating(e)
	case *LoadingWeights:
		l.print("solver.cpp:72", "Finetuning from %s", e.Path)
	case *Initialized:
		l.print("solver.cpp:57", "Solver scaffolding done.")
	case *Restored:
		l.print("sgd_solver.cpp:336", "SGDSolver: restoring history")
	case *SolveStart:
		l.print("solver.cpp:289", "Solving %s", e.Net)
		l.print("solver.cpp:290", "Learning Rate Policy: %s", e.Policy)
	case *StepStart:
		l.since, l.iter = time.Now(), e.Iter
	case *Iteration:
		l.iteration(e)
	case *Clipped:
		l.print("sgd_solver.cpp:99", "Gradient clipping: scaling down gradients (L2 norm %s > %s) by scale factor %s",
			g(e.Norm), g(e.Max), g(e.Scale))
	case *Diverged:
		l.log(layers.Warning, "solver.cpp:235", e.String())
	case *Saturated:
		l.log(layers.Warning, "solver.cpp:235", e.String())
	case *TestStart:
		l.print("solver.cpp:347", "Iteration %d, Testing net (#%d)", e.Iter, e.Net)
	case *TestResult:
		l.test(e)
	case *TestInterrupted:
		l.print("solver.cpp:396", "Test interrupted.")
	case *Snapshotting:
		if e.State {
			l.print("sgd_solver.cpp:284", "Snapshotting solver state to binary proto file %s", e.Path)
		} else {
			l.print("solver.cpp:464", "Snapshotting to binary proto file %s", e.Path)
		}
	case *FinalLoss:
		l.print("solver.cpp:327", "Iteration %d, loss = %s", e.Iter, g(e.SmoothedLoss))
	case *Finished:
		if e.Early {
			l.print("solver.cpp:311", "Optimization stopped early.")
		} else {
			l.print("solver.cpp:332", "Optimization Done.")
		}
	}
}

func (l *caffeLog) print(source, format string, args ...any) {
	l.log(layers.Notice, source, fmt.Sprintf(format, args...))
}

// creating writes which file or message a net is built from.
func (l *caffeLog) creating(e *CreatingNet) {
	switch {
	case e.Test && e.File != "":
		l.print("solver.cpp:190", "Creating test net (#%d) specified by %s file: %s", e.Index, e.Field, e.File)
	case e.Test:
		l.print("solver.cpp:190", "Creating test net (#%d) specified by %s", e.Index, e.Field)
	case e.Field == "train_net_param":
		l.print("solver.cpp:88", "Creating training net specified in train_net_param.")
	case e.Field == "train_net":
		l.print("solver.cpp:92", "Creating training net from train_net file: %s", e.File)
	case e.Field == "net_param":
		l.print("solver.cpp:98", "Creating training net specified in net_param.")
	default:
		l.print("solver.cpp:102", "Creating training net from net file: %s", e.File)
	}
}

// iteration writes the loss, the outputs and the learning rate of an iteration
// that is displayed. The time is in whole milliseconds, as Caffe's timer has it.
func (l *caffeLog) iteration(e *Iteration) {
	if e.Display {
		lapse := float32(time.Since(l.since).Milliseconds()) / 1000
		rate := float32(e.Iter - l.iter)
		if lapse != 0 {
			rate /= lapse
		}
		l.print("solver.cpp:239", "Iteration %d (%s iter/s, %ss/%d iters), loss = %s",
			e.Iter, g(rate), g(lapse), e.Every, g(e.SmoothedLoss))
		l.since, l.iter = time.Now(), e.Iter
		for i, out := range e.Outputs {
			l.print("solver.cpp:258", "    Train net output #%d: %s", i, out)
		}
	}
	if e.MultiStep != 0 {
		l.print("sgd_solver.cpp:50", "MultiStep Status: Iteration %d, step = %d", e.Iter, e.MultiStep)
	}
	if e.Display {
		l.print("sgd_solver.cpp:112", "Iteration %d, lr = %s", e.Iter, g(e.LR))
	}
}

// test writes the means of a test.
func (l *caffeLog) test(e *TestResult) {
	if e.HasLoss {
		l.print("solver.cpp:401", "Test loss: %s", g(e.Loss))
	}
	for i, out := range e.Outputs {
		l.print("solver.cpp:414", "    Test net output #%d: %s", i, out)
	}
}

// String returns the output as Caffe's log shows it: "loss = 0.5 (* 2 = 1 loss)".
func (o Output) String() string {
	text := o.Name + " = " + g(o.Value)
	if o.LossWeight != 0 {
		text += " (* " + g(o.LossWeight) + " = " + g(o.LossWeight*o.Value) + " loss)"
	}
	return text
}

// String says in one line what was found.
func (e *Diverged) String() string {
	var where string
	switch {
	case e.Layer == "":
		where = "all weights and blobs are finite"
	case e.Blob == "":
		where = fmt.Sprintf("the first number that is not finite is in weights %d of layer %q", e.Param, e.Layer)
	default:
		where = fmt.Sprintf("the first number that is not finite is in blob %q of layer %q", e.Blob, e.Layer)
	}
	return fmt.Sprintf("Training has diverged: the loss is %s at iteration %d; %s. %s", g(e.Loss), e.Iter, where, divergedHint)
}

const divergedHint = "Try a lower base_lr, clip_gradients, or scaled input data, and begin again or from an earlier snapshot."

// String says in one line what was found.
func (e *Saturated) String() string {
	return fmt.Sprintf("The loss is %s at iteration %d: the net gives every true class a probability of 0. "+
		"The scores have grown out of range, or labels do not fit num_output. Try a lower base_lr or scaled input data.",
		g(e.Loss), e.Iter)
}

// g formats a number as a C++ stream does.
func g(x float32) string { return cfmt.G(float64(x)) }
