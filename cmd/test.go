package gocaffecmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gocaffe/gocaffe/caffelog"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/internal/cfmt"
	"github.com/gocaffe/gocaffe/internal/meanap"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/spf13/cobra"
)

func (a *app) testCommand() *cobra.Command {
	var f testFlags
	cmd := &cobra.Command{
		Use:   "test --model FILE --weights FILE [--model FILE --weights FILE]...",
		Short: "Test a net, or an ensemble of several",
		Long: `Test a net on its test data, as caffe test does.

Several --model and --weights test an ensemble: gocaffe averages the
probabilities of the nets and prints the accuracy of each net and of the
ensemble. One --model with several --weights is one net with each of the
weights. The nets must read the same data in the same order.

	gocaffe test --model net.prototxt --iterations 100 \
		--weights a.caffemodel --weights b.caffemodel

--top-k, --per-class and --confusion print more, for a single net too. An item
counts as a top-K hit if fewer than K scores of other classes are at least as
high as that of its own.

--predictions FILE writes a row for each record: its key or path, its label, the
predicted class, its probability, and the probabilities of all classes. Several
nets are averaged. --iterations all tests each record once.

	gocaffe test --model net.prototxt --weights a.caffemodel \
		--iterations all --predictions out.csv

Of a net with a layer DetectionEvaluate, the average precision of each class and
their mean are printed.`,
		Args: noArgs("model"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return untilSignal(cmd.Context(), func(ctx context.Context) error { return a.test(ctx, &f) })
		},
	}
	f.register(cmd)
	f.registerFold(cmd)
	cmd.Flags().StringArrayVar(&f.models, "model", nil, "net's prototxt file; repeat it for each net")
	cmd.Flags().StringArrayVar(&f.weightFiles, "weights", nil, ".caffemodel or .caffemodel.h5 file, or several separated by commas; repeat it for each net")
	f.iterations = 50
	cmd.Flags().Var(iterationsFlag{&f.iterations, &f.once}, "iterations", "number of batches, or all to test each record once; the last batch may be smaller")
	cmd.Flags().IntSliceVar(&f.report.topK, "top-k", nil, "print the top-K accuracy; several K separated by commas")
	cmd.Flags().BoolVar(&f.report.perClass, "per-class", false, "print the accuracy of each class")
	cmd.Flags().BoolVar(&f.report.confusion, "confusion", false, "print the confusion matrix")
	cmd.Flags().StringVar(&f.report.confusionFile, "confusion-file", "", "write the confusion matrix to this CSV file")
	cmd.Flags().StringVar(&f.report.scores, "scores", "", "name of the blob with the scores, for nets with several")
	cmd.Flags().StringVar(&f.apVersion, "ap-version", "Integral", "average precision of detections: 11point, 101point, MaxIntegral or Integral")
	cmd.Flags().StringVar(&f.predictions, "predictions", "", "write the prediction for each record to this .csv or .json file")
	return cmd
}

// scoreFlags are the flags of test and time.
type scoreFlags struct {
	netFlags
	model, weights, phase string
	iterations            int
}

type testFlags struct {
	scoreFlags
	models, weightFiles []string
	once                bool // --iterations all
	report              reportFlags
	predictions         string
	apVersion           string
}

// A pair is a net and its weights.
type pair struct{ model, weights string }

// pairs returns the nets to test. Unlike gflags, which takes the last of several
// flags, it uses all of them.
func (f *testFlags) pairs() ([]pair, error) {
	models, weights := f.models, f.weightFiles
	switch {
	case len(models) == 0:
		return nil, errors.New("test: --model FILE is missing")
	case len(weights) == 0:
		return nil, errors.New("test: --weights FILE is missing")
	case len(models) != 1 && len(models) != len(weights):
		return nil, fmt.Errorf("test: got %d --model and %d --weights, want one --model for each --weights, or one for all",
			len(models), len(weights))
	}
	pairs := make([]pair, len(weights))
	for i, w := range weights {
		pairs[i] = pair{models[min(i, len(models)-1)], w}
	}
	return pairs, nil
}

// test tests any number of nets as test() of Caffe's tools/caffe.cpp does, which
// the log lines have their places from.
func (a *app) test(ctx context.Context, f *testFlags) error {
	pairs, err := f.pairs()
	if err != nil {
		return err
	}
	if !slices.Contains(meanap.Versions, f.apVersion) {
		return fmt.Errorf("--ap-version is %q, want %s", f.apVersion, strings.Join(meanap.Versions, ", "))
	}
	var r *report
	if len(pairs) > 1 || f.report.wanted() {
		if r, err = newReport(&f.report, pairs); err != nil {
			return err
		}
	}
	var records *predictions
	if f.predictions != "" {
		if records, err = newPredictions(f.predictions); err != nil {
			return err
		}
		defer records.abort()
	}
	if f.device, err = f.openDevice(); err != nil {
		return err
	}
	defer a.closeDevice(f.device)
	if !a.fullLog {
		a.glog.quiet = true
	}
	var nets []*testNet
	memory := new(net.Memory)
	for _, p := range pairs {
		var t *testNet
		err := a.loading(ctx, func() (err error) {
			t, err = a.newTestNet(f, p, r != nil || records != nil, memory)
			return err
		})
		if err != nil {
			return err
		}
		defer func() {
			if !a.abandoned { // the nets share memory
				t.net.Close()
			}
		}()
		nets = append(nets, t)
	}
	last, err := f.readOnce(nets)
	if err != nil {
		return err
	}
	a.glog.logf("caffe.cpp:281", "Running for %d iterations.", f.iterations)
	bar := a.bar(f.iterations, "batch")
	defer bar.Clear()
	for i := range f.iterations {
		part := float32(1) // of a whole batch
		if i == f.iterations-1 {
			part = last
		}
		pass := nets[0].net.Pass()
		for _, t := range nets {
			if err := t.forward(ctx, part); err != nil {
				return err
			}
		}
		if len(nets) == 1 {
			for k, o := range nets[0].net.Outputs() {
				if nets[0].detections[k] != nil {
					continue
				}
				for _, v := range o.Blob.Data() {
					a.glog.logf("caffe.cpp:304", "Batch %d, %s = %s", i, o.Name, cfmt.G(float64(v)))
				}
			}
		}
		if r != nil {
			if err := r.add(i, nets); err != nil {
				return err
			}
		}
		if records != nil {
			if err := records.add(pass, nets); err != nil {
				return err
			}
		}
		bar.Add(1)
	}
	bar.Clear()
	if len(nets) == 1 {
		if err := a.means(nets[0]); err != nil {
			return err
		}
	}
	if records != nil {
		if err := records.commit(); err != nil {
			return err
		}
	}
	for i, t := range nets {
		a.reportLayers(t.net, pairs[i].weights, len(nets) > 1)
	}
	if r != nil {
		return r.write(a.stdout)
	}
	return nil
}

// reportLayers prints what the layers say about their weights.
func (a *app) reportLayers(n *net.Net, weights string, several bool) {
	for _, l := range n.Layers() {
		reporter, ok := l.Impl.(layers.Reporter)
		if !ok {
			continue
		}
		text := reporter.Report()
		switch {
		case text == "":
			continue
		case several:
			text = fmt.Sprintf("%s, %s: %s", weights, l.Name, text)
		default:
			text = l.Name + ": " + text
		}
		a.result(event.Caller(0), text)
	}
}

// result logs a line. If stderr does not show the log, it writes the line there
// too, without the log's prefix.
func (a *app) result(source, text string) {
	a.glog.logf(source, "%s", text)
	if !a.fullLog {
		fmt.Fprintln(a.stderr, text)
	}
}

// bar returns a progress line, which is invisible if stderr shows the log.
func (a *app) bar(total int, unit string) *progressLine {
	w := a.stderr
	if a.fullLog {
		w = nil
	}
	return newProgressLine(w, unit, 0, total)
}

// buildNet reads and builds the net of time. source is the place of the log line
// "Use CPU." in Caffe.
func (a *app) buildNet(f *scoreFlags, phase caffepb.Phase, source string) (*net.Net, error) {
	file, opts, err := a.readModel(f, phase, source)
	if err != nil {
		return nil, err
	}
	opts.Memory, opts.Inference, opts.PackedWeights = new(net.Memory), f.inference(phase), f.packedWeights()
	n, err := net.New(file, opts)
	return n, withReason(err, "time runs a net in the phase of --phase, TRAIN unless it says TEST, with the level and the stages of --level and --stage")
}

// withReason adds to an error about layers that are not part of a net in its state
// what asks for that state.
func withReason(err error, reason string) error {
	var state *net.StateError
	if !errors.As(err, &state) {
		return err
	}
	return fmt.Errorf("%w\n%s", err, reason)
}

// readModel reads the net of test or time and returns the options to build it.
func (a *app) readModel(f *scoreFlags, phase caffepb.Phase, source string) (*prototxt.Net, net.Options, error) {
	if f.iterations < 1 {
		return nil, net.Options{}, fmt.Errorf("--iterations is %d, want a positive number", f.iterations)
	}
	synthetic, err := f.syntheticData()
	if err != nil {
		return nil, net.Options{}, err
	}
	file, err := net.Read(f.model)
	if err != nil {
		return nil, net.Options{}, err
	}
	a.notes(file.Notes)
	a.useDevice(f.device, source, source)
	return file, net.Options{
		State:     netState(file.Param, phase, f.level, f.stages()),
		Workers:   a.workers,
		Device:    f.device,
		Engine:    f.engine,
		Precision: f.onCPU,
		Observer:  event.Multi(caffelog.New(a.glog.log), loadedWeights{a}, programOutput{a}),
		Synthetic: synthetic,
	}, nil
}

// netState returns the state of a net as the constructor of Caffe's Net does: that
// of the file with the phase and level set and the stages added.
func netState(p *caffepb.NetParameter, phase caffepb.Phase, level int32, stages []string) *caffepb.NetState {
	state := &caffepb.NetState{Phase: phase.Enum()}
	state.Level = &level
	state.Stage = append(append(state.Stage, p.GetState().GetStage()...), stages...)
	return state
}
