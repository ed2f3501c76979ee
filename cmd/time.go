package gocaffecmd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/cfmt"
	"github.com/gocaffe/gocaffe/net"
	"github.com/spf13/cobra"
)

func (a *app) timeCommand() *cobra.Command {
	var f scoreFlags
	cmd := &cobra.Command{
		Use:   "time --model FILE",
		Short: "Time the forward and backward pass of a net, layer by layer",
		Long: `Time the forward and the backward pass of a net of phase TRAIN, layer by layer, as
Caffe does. With --phase TEST it is a net for inference: only the forward pass runs,
and convolutions also compute the BatchNorm, Scale, ReLU and the like that follow
them, unless --no-fold asks for both passes of the phase TEST.`,
		Args: noArgs("model"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return untilSignal(cmd.Context(), func(ctx context.Context) error { return a.time(ctx, &f) })
		},
	}
	f.register(cmd)
	f.registerFold(cmd)
	cmd.Flags().StringVar(&f.model, "model", "", "net's prototxt file")
	cmd.Flags().StringVar(&f.phase, "phase", "", "phase of the net: TRAIN or TEST (default: TRAIN)")
	cmd.Flags().StringVar(&f.weights, "weights", "", ".caffemodel or .caffemodel.h5 file (default: the fillers' weights)")
	cmd.Flags().IntVar(&f.iterations, "iterations", 50, "number of forward and backward passes")
	return cmd
}

// inference reports whether a net is timed as one for inference.
func (f *scoreFlags) inference(phase caffepb.Phase) bool {
	return phase == caffepb.Phase_TEST && !f.noFold
}

// parsePhase returns the phase that --phase names, TRAIN without one.
func parsePhase(text string) (caffepb.Phase, error) {
	switch text {
	case "", "TRAIN":
		return caffepb.Phase_TRAIN, nil
	case "TEST":
		return caffepb.Phase_TEST, nil
	}
	return 0, fmt.Errorf("--phase is %q, want TRAIN or TEST", text)
}

// time times a net as time() of Caffe's tools/caffe.cpp does, which the log lines
// have their places from. It always shows its log, which is its result.
func (a *app) time(ctx context.Context, f *scoreFlags) error {
	if f.model == "" {
		return errors.New("time: --model FILE is missing")
	}
	phase, err := parsePhase(f.phase)
	if err != nil {
		return err
	}
	if f.noFold && phase != caffepb.Phase_TEST {
		return errors.New("--no-fold needs --phase TEST: nets of other phases are not folded")
	}
	if f.packed != net.DefaultPackedWeights>>20 && phase != caffepb.Phase_TEST {
		return errors.New("--packed-weights needs --phase TEST: nets of other phases keep no packed weights")
	}
	if f.device, err = f.openDevice(); err != nil {
		return err
	}
	defer a.closeDevice(f.device)
	var n *net.Net
	err = a.loading(ctx, func() (err error) {
		n, err = a.buildNet(f, phase, "caffe.cpp:343")
		return err
	})
	if err != nil {
		return err
	}
	defer n.Close()
	if f.device == nil {
		if err := a.checkMemory(f.model, n.Plan().Bytes()); err != nil {
			return err
		}
	}
	if f.weights != "" {
		if err := n.LoadWeights(f.weights); err != nil {
			return err
		}
		weightsRead()
	}
	a.glog.logf("caffe.cpp:351", "Performing Forward")
	loss, err := n.Forward(ctx)
	if err != nil {
		return err
	}
	a.glog.logf("caffe.cpp:356", "Initial loss: %s", cfmt.G(float64(loss)))
	backward := !f.inference(phase)
	if backward {
		a.glog.logf("caffe.cpp:357", "Performing Backward")
		if err := n.Backward(ctx); err != nil {
			return err
		}
	}
	a.glog.logf("caffe.cpp:365", "*** Benchmark begins ***")
	a.glog.logf("caffe.cpp:366", "Testing for %d iterations.", f.iterations)
	total := time.Now()
	times := newPassTimes(n)
	for i := range f.iterations {
		took, err := times.run(ctx, n, backward)
		if err != nil {
			return err
		}
		if backward {
			a.glog.logf("caffe.cpp:394", "Iteration: %d forward-backward time: %d ms.", i+1, took.Milliseconds())
		} else {
			a.glog.logf("caffe.cpp:394", "Iteration: %d forward time: %s ms.", i+1, cfmt.G(float64(took.Microseconds())/1000))
		}
	}
	a.glog.logf("caffe.cpp:397", "Average time per layer: ")
	for _, l := range n.Layers() {
		if l.FusedInto != nil {
			a.glog.logf("caffe.cpp:397", "%10s\truns in %s, whose time is that of both.", l.Name, l.FusedInto.Name)
		}
	}
	mean := func(d time.Duration) string {
		return cfmt.G(float64(d.Microseconds()) / 1000 / float64(f.iterations))
	}
	for i, l := range n.Layers() {
		a.glog.logf("caffe.cpp:400", "%10s\tforward: %s ms.", l.Name, mean(times.forward[i]))
		if backward {
			a.glog.logf("caffe.cpp:403", "%10s\tbackward: %s ms.", l.Name, mean(times.backward[i]))
		}
	}
	all := time.Since(total)
	a.glog.logf("caffe.cpp:408", "Average Forward pass: %s ms.", mean(times.forwardPass))
	if backward {
		a.glog.logf("caffe.cpp:410", "Average Backward pass: %s ms.", mean(times.backwardPass))
		a.glog.logf("caffe.cpp:412", "Average Forward-Backward: %s ms.", cfmt.G(float64(all.Milliseconds())/float64(f.iterations)))
	}
	a.glog.logf("caffe.cpp:414", "Total Time: %s ms.", cfmt.G(float64(all.Milliseconds())))
	a.glog.logf("caffe.cpp:415", "*** Benchmark ends ***")
	return nil
}

// passTimes adds up the times of the layers of a net.
type passTimes struct {
	forward, backward         []time.Duration // by layer
	forwardPass, backwardPass time.Duration
}

func newPassTimes(n *net.Net) *passTimes {
	return &passTimes{
		forward:  make([]time.Duration, len(n.Layers())),
		backward: make([]time.Duration, len(n.Layers())),
	}
}

// run times a forward and, if backward is set, a backward pass, and returns how long they
// took.
func (t *passTimes) run(ctx context.Context, n *net.Net, backward bool) (time.Duration, error) {
	start := time.Now()
	at := start
	for i := range n.Layers() {
		if _, err := n.ForwardLayer(ctx, i); err != nil {
			return 0, err
		}
		if err := n.Wait(); err != nil {
			return 0, err
		}
		now := time.Now()
		t.forward[i] += now.Sub(at)
		at = now
	}
	t.forwardPass += at.Sub(start)
	n.SetPass(n.Pass() + 1)
	if !backward {
		return at.Sub(start), nil
	}
	middle := at
	for i := len(n.Layers()) - 1; i >= 0; i-- {
		if err := n.BackwardLayer(ctx, i); err != nil {
			return 0, err
		}
		if err := n.Wait(); err != nil {
			return 0, err
		}
		now := time.Now()
		t.backward[i] += now.Sub(at)
		at = now
	}
	t.backwardPass += at.Sub(middle)
	return at.Sub(start), nil
}
