package gocaffecmd

import (
	"fmt"
	"io"
	"strings"

	"github.com/gocaffe/gocaffe/internal/cfmt"
	"github.com/gocaffe/gocaffe/solver"
)

// trainProgress is the observer that shows training on a terminal: a progress
// line, and a line for each test and snapshot.
type trainProgress struct {
	w    io.Writer
	line *progressLine // nil before and after training
	text string
}

// Observe shows an event.
func (p *trainProgress) Observe(event any) {
	switch e := event.(type) {
	case *solver.SolveStart:
		p.line = newProgressLine(p.w, "iteration", e.Iter, e.MaxIter)
		p.say("Training %s from iteration %d to %d", e.Net, e.Iter, e.MaxIter)
	case *solver.Iteration:
		p.text = fmt.Sprintf("loss %s  lr %s", cfmt.G(float64(e.SmoothedLoss)), cfmt.G(float64(e.LR)))
		if p.line != nil {
			p.line.Describe(p.text)
			p.line.Set(e.Iter + 1)
		}
	case *solver.TestBatch:
		if p.line != nil {
			p.line.Describe(fmt.Sprintf("testing %d/%d", e.Batch+1, e.Batches))
			p.line.Add(0)
		}
	case *solver.TestResult:
		var values []string
		for _, o := range e.Outputs {
			values = append(values, o.Name+" "+cfmt.G(float64(o.Value)))
		}
		p.say("Iteration %6d  test #%d: %s", e.Iter, e.Net, strings.Join(values, "  "))
		if p.line != nil {
			p.line.Describe(p.text)
		}
	case *solver.Snapshotted:
		p.say("Iteration %6d  snapshot: %s", e.Iter, e.State)
	case *solver.Finished:
		p.clear()
		if e.Early {
			fmt.Fprintf(p.w, "Stopped after iteration %d, as requested\n", e.Iter)
		}
		p.line = nil
	}
}

// say writes a line above the progress line.
func (p *trainProgress) say(format string, args ...any) {
	p.clear()
	fmt.Fprintf(p.w, format+"\n", args...)
}

// clear clears the progress line.
func (p *trainProgress) clear() {
	if p.line != nil {
		p.line.Clear()
	}
}
