package gocaffecmd

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/gocaffe/gocaffe/internal/cfmt"
	"github.com/gocaffe/gocaffe/solver"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// newBar returns a line that shows the progress through total steps and the time
// left. total is -1 if it is unknown.
func newBar(w io.Writer, total int64, unit string) *progressbar.ProgressBar {
	return progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetItsString(unit),
		progressbar.OptionShowIts(),
		progressbar.OptionShowCount(),
		progressbar.OptionSetWidth(20),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetElapsedTime(true),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionClearOnFinish(),
	)
}

// trainProgress is the observer that shows training on a terminal: a progress
// line, and a line for each test and snapshot.
type trainProgress struct {
	w     io.Writer
	bar   *progressbar.ProgressBar
	start int // iteration at which training starts
	text  string
}

// Observe shows an event.
func (p *trainProgress) Observe(event any) {
	switch e := event.(type) {
	case *solver.SolveStart:
		p.start = e.Iter
		p.bar = newBar(p.w, int64(max(e.MaxIter-e.Iter, 0)), "iter")
		p.say("Training %s from iteration %d to %d", e.Net, e.Iter, e.MaxIter)
	case *solver.Iteration:
		p.text = fmt.Sprintf("iteration %d  loss %-8s lr %-8s", e.Iter, cfmt.G(float64(e.SmoothedLoss)), cfmt.G(float64(e.LR)))
		p.show(e.Iter + 1)
	case *solver.TestBatch:
		if p.bar != nil {
			p.bar.Describe(fmt.Sprintf("testing %d/%d", e.Batch+1, e.Batches))
		}
	case *solver.TestResult:
		var values []string
		for _, o := range e.Outputs {
			values = append(values, o.Name+" "+cfmt.G(float64(o.Value)))
		}
		p.say("Iteration %6d  test #%d: %s", e.Iter, e.Net, strings.Join(values, "  "))
		if p.bar != nil {
			p.bar.Describe(p.text)
		}
	case *solver.Snapshotted:
		p.say("Iteration %6d  snapshot: %s", e.Iter, e.State)
	case *solver.Finished:
		p.clear()
		if e.Early {
			fmt.Fprintf(p.w, "Stopped after iteration %d, as requested\n", e.Iter)
		}
		p.bar = nil
	}
}

func (p *trainProgress) show(iter int) {
	if p.bar == nil {
		return
	}
	p.bar.Describe(p.text)
	p.bar.Set(iter - p.start)
}

// say writes a line above the progress line.
func (p *trainProgress) say(format string, args ...any) {
	p.clear()
	fmt.Fprintf(p.w, format+"\n", args...)
}

// clear clears the progress line.
func (p *trainProgress) clear() {
	if p.bar != nil {
		p.bar.Clear()
	}
}
