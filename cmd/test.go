package gocaffecmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"syscall"

	"os"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/cfmt"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
)

func (a *app) testCommand() *cobra.Command {
	var f scoreFlags
	cmd := &cobra.Command{
		Use:   "test --model FILE --weights FILE",
		Short: "Score a net on its test data",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.test(cmd.Context(), &f) },
	}
	f.register(cmd)
	cmd.Flags().StringVar(&f.model, "model", "", "the net's prototxt file")
	cmd.Flags().StringVar(&f.weights, "weights", "", "the .caffemodel file")
	cmd.Flags().IntVar(&f.iterations, "iterations", 50, "number of batches")
	return cmd
}

type scoreFlags struct {
	netFlags
	model, weights, phase string
	iterations            int
}

// test is Caffe's test() in tools/caffe.cpp, from where the log lines have
// their places.
func (a *app) test(ctx context.Context, f *scoreFlags) error {
	if f.model == "" {
		return errors.New("test: --model FILE is missing")
	}
	if f.weights == "" {
		return errors.New("test: --weights FILE is missing")
	}
	if !a.fullLog {
		a.glog.quiet = true
	}
	n, err := a.buildNet(f, caffepb.Phase_TEST, "caffe.cpp:275")
	if err != nil {
		return err
	}
	defer n.Close()
	if err := n.LoadWeights(f.weights); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	a.glog.logf("caffe.cpp:281", "Running for %d iterations.", f.iterations)
	bar := a.bar(f.iterations, "batch")
	var scores []float32 // one for each element of each output
	var loss float32
	for i := range f.iterations {
		l, err := n.Forward(ctx)
		if err != nil {
			return err
		}
		loss += l
		k := 0
		for _, o := range n.Outputs() {
			for _, v := range o.Blob.Data() {
				if i == 0 {
					scores = append(scores, 0)
				}
				scores[k] += v
				k++
				a.glog.logf("caffe.cpp:304", "Batch %d, %s = %s", i, o.Name, cfmt.G(float64(v)))
			}
		}
		bar.Add(1)
	}
	bar.Finish()
	count := float32(f.iterations)
	a.result("caffe.cpp:309", "Loss: "+cfmt.G(float64(loss/count)))
	k := 0
	for _, o := range n.Outputs() {
		for range o.Blob.Data() {
			mean := scores[k] / count
			k++
			text := o.Name + " = " + cfmt.G(float64(mean))
			if o.LossWeight != 0 {
				text += fmt.Sprintf(" (* %s = %s loss)", cfmt.G(float64(o.LossWeight)), cfmt.G(float64(o.LossWeight*mean)))
			}
			a.result("caffe.cpp:321", text)
		}
	}
	return nil
}

// result logs a line that is also shown, without the log's prefix, on a
// terminal that shows no log.
func (a *app) result(source, text string) {
	a.glog.logf(source, "%s", text)
	if !a.fullLog {
		fmt.Fprintln(a.stderr, text)
	}
}

// bar returns a progress line if the terminal shows no log.
func (a *app) bar(total int, unit string) *progressbar.ProgressBar {
	w := a.stderr
	if a.fullLog {
		w = io.Discard
	}
	return newBar(w, int64(total), unit)
}

// buildNet reads and builds the net of test and time. source is the place of
// the line "Use CPU." in Caffe's program.
func (a *app) buildNet(f *scoreFlags, phase caffepb.Phase, source string) (*net.Net, error) {
	if f.iterations < 1 {
		return nil, fmt.Errorf("--iterations is %d, want a positive number", f.iterations)
	}
	if err := f.checkDevice(); err != nil {
		return nil, err
	}
	synthetic, err := f.syntheticData()
	if err != nil {
		return nil, err
	}
	file, err := prototxt.ReadNet(f.model)
	if err != nil {
		return nil, err
	}
	a.notes(file.Notes)
	a.glog.logf(source, "Use CPU.")
	return net.New(file, net.Options{
		State:     netState(file.Param, phase, f.level, f.stages()),
		Workers:   a.workers,
		Log:       a.glog.log,
		Synthetic: synthetic,
	})
}

// netState returns the state for a net as the constructor of Caffe's Net makes
// it: that of the file, with the phase and level set and the stages added.
func netState(p *caffepb.NetParameter, phase caffepb.Phase, level int, stages []string) *caffepb.NetState {
	state := &caffepb.NetState{Phase: phase.Enum()}
	level32 := int32(level)
	state.Level = &level32
	state.Stage = append(append(state.Stage, p.GetState().GetStage()...), stages...)
	return state
}
