package gocaffecmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/predict"
	"github.com/spf13/cobra"
)

func (a *app) classifyCommand() *cobra.Command {
	var f classifyFlags
	cmd := &cobra.Command{
		Use:   "classify MODEL WEIGHTS IMAGE...",
		Short: "Classify images with a deployed net",
		Long: `Classify images: print the classes with the highest scores of each image.

MODEL is a net for inference, such as deploy.prototxt of gocaffe deploy. An
IMAGE is a file, a folder, or a pattern such as "photos/*.jpg"; --list FILE
names more, one a line. Images that cannot be read are named, the others are
classified, and the exit code is 1.

	gocaffe classify deploy.prototxt deploy.caffemodel --labels words.txt a.jpg

Each image is scaled to --images-dim, and the part in the centre is taken for
the net; --oversample averages ten parts. The values are

	(pixel * raw-scale/255 - mean) * scale

with pixels from 0 to 255. The defaults are what MODEL says, as gocaffe deploy
writes it. A mean image must have the size of --images-dim, which by default is
the mean's; --channel-mean subtracts its means by channel, as Caffe's
classify.py and cpp_classification do. The flags have the names of classify.py.

--format csv and json, or an --output file that ends so, are for programs. An
--output that ends in .npy is an array images x classes of all scores.

The name classification, of Caffe's cpp_classification, stands for this command
with its arguments: MODEL WEIGHTS MEAN LABELS IMAGE.`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.set = cmd.Flags().Changed
			return untilSignal(cmd.Context(), func(ctx context.Context) error { return a.classify(ctx, &f, args) })
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.meanFile, "mean-file", "", "subtract this mean: a .binaryproto or .npy file")
	flags.Float32SliceVar(&f.meanValues, "mean-value", nil, "subtract these `means` of the channels of the net, or one for all")
	flags.BoolVar(&f.channelMean, "channel-mean", false, "subtract the mean of each channel of --mean-file")
	flags.Float64Var(&f.scale, "scale", 1, "multiply values by this, after the mean is subtracted")
	flags.Float64Var(&f.scale, "input-scale", 1, "same as --scale")
	flags.Float64Var(&f.rawScale, "raw-scale", 255, "value of the brightest pixel, before the mean is subtracted")
	flags.IntSliceVar(&f.swap, "channel-swap", []int{2, 1, 0}, "channels of the net, as `numbers` of those in red, green, blue")
	flags.StringVar(&f.imagesDim, "images-dim", "", "scale images to this size, `H,W` (default: the mean's, or that of the net's input)")
	flags.BoolVar(&f.oversample, "oversample", false, "average ten parts: corners, centre, and these mirrored")
	flags.StringVar(&f.labels, "labels", "", "file with the name of each class, one a line")
	flags.IntVar(&f.topK, "top-k", 5, "number of classes to print for each image")
	flags.StringVar(&f.list, "list", "", "file with the paths of images, one a line; a label after a path is ignored")
	flags.StringVar(&f.root, "root", "", "folder of the paths in --list")
	flags.StringVar(&f.format, "format", "text", "format of standard output: text, csv, json, or caffe for the lines of cpp_classification")
	flags.StringVarP(&f.output, "output", "o", "", "write to this .csv, .json or .npy file, not to standard output")
	flags.StringVar(&f.scores, "scores", "", "name of the blob with the scores, for nets with several outputs")
	flags.IntVar(&f.batch, "batch", 0, "images, or parts of images, in a pass (default: batch size of the net's input)")
	f.registerState(cmd)
	f.registerDevice(cmd)
	return cmd
}

type classifyFlags struct {
	netFlags
	set func(flag string) bool // whether the command line has it

	meanFile        string
	meanValues      []float32
	channelMean     bool
	scale, rawScale float64
	swap            []int
	imagesDim       string
	oversample      bool
	labels          string
	topK            int
	list, root      string
	format, output  string
	scores          string
}

func (a *app) classify(ctx context.Context, f *classifyFlags, args []string) error {
	if f.topK < 1 {
		return fmt.Errorf("--top-k is %d, want 1 or more", f.topK)
	}
	if f.batch < 0 {
		return fmt.Errorf("--batch is %d, want a positive number", f.batch)
	}
	format, err := f.outputFormat()
	if err != nil {
		return err
	}
	images, err := f.images(ctx, args[2:])
	if err != nil {
		return err
	}
	if f.device, err = f.openDevice(); err != nil {
		return err
	}
	defer a.closeDevice(f.device)
	var n *net.Net
	var p *predict.Predictor
	err = a.loading(ctx, func() (err error) {
		if n, err = a.inferenceNet(&f.netFlags, args[0], args[1], f.scores); err != nil {
			return err
		}
		if p, err = f.predictor(a, n); err != nil {
			err = fmt.Errorf("%s: %w", args[0], err)
		}
		return err
	})
	if n != nil && !a.abandoned {
		defer n.Close()
	}
	if err != nil {
		return err
	}
	var labels []string
	if f.labels != "" {
		if labels, err = predict.ReadLabels(ctx, f.labels); err != nil {
			return err
		}
		if len(labels) != p.Classes() {
			return fmt.Errorf("%s: the file has %d labels, the net %d classes", f.labels, len(labels), p.Classes())
		}
	}
	if !p.Probabilities() {
		a.glog.log(event.Warning, event.Caller(0), fmt.Sprintf("%s: no Softmax or Sigmoid computes the scores, so they are not probabilities", args[0]))
	}
	out, err := f.newOutput(a, format, p.Classes(), labels)
	if err != nil {
		return err
	}
	defer out.abort()
	bad := 0
	bar := newProgressLine(nil, "image", 0, len(images))
	if f.output != "" { // otherwise the terminal shows the results
		bar = a.bar(len(images), "image")
	}
	defer bar.Clear()
	err = p.Files(ctx, images, func(i int, scores []float32, err error) error {
		if err != nil {
			bad++
			bar.Clear()
			a.glog.log(event.Error, event.Caller(0), err.Error())
		}
		bar.Add(1)
		return out.add(images[i], scores)
	})
	if err != nil {
		return err
	}
	bar.Clear()
	if err := out.commit(); err != nil {
		return err
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d images could not be read", bad, len(images))
	}
	return nil
}

// inferenceNet builds a net that runs forward only, and loads its weights. If keep is
// the name of a blob, any blob can be read, otherwise only outputs.
func (a *app) inferenceNet(f *netFlags, model, weights, keep string) (*net.Net, error) {
	file, err := net.Read(model)
	if err != nil {
		return nil, err
	}
	a.notes(file.Notes)
	opts := net.Options{
		State:       netState(file.Param, caffepb.Phase_TEST, f.level, f.stages()),
		Workers:     a.workers,
		Device:      f.device,
		Observer:    event.Multi(notesOnly{a}, programOutput{a}),
		ForwardOnly: true,
	}
	if keep == "" {
		opts.Memory = new(net.Memory)
	}
	n, err := net.New(file, opts)
	if err != nil {
		return nil, withReason(err, "the net is run in phase TEST, with the level and the stages of --level and --stage")
	}
	for path := range strings.SplitSeq(weights, ",") {
		if err := n.LoadWeights(strings.TrimSpace(path)); err != nil {
			return nil, errors.Join(err, n.Close())
		}
	}
	a.warnUnloaded(n, weights)
	return n, nil
}

// notesOnly shows warnings of nets, not Caffe's log.
type notesOnly struct{ app *app }

// Observe shows a warning.
func (o notesOnly) Observe(e any) {
	if note, ok := e.(*event.Note); ok && note.Level != event.Info {
		o.app.glog.log(note.Level, note.Source, note.Text)
	}
}

// predictor returns what runs the net on images, prepared as the net and the flags say.
func (f *classifyFlags) predictor(a *app, n *net.Net) (*predict.Predictor, error) {
	prepare := predict.PreparationOf(n)
	if f.set("mean-file") || f.set("mean-value") { // in place of the net's
		prepare.MeanFile, prepare.MeanValues = f.meanFile, f.meanValues
	}
	prepare.ChannelMean = f.channelMean
	if f.set("scale") || f.set("input-scale") {
		prepare.Scale = f.scale
	}
	if f.set("raw-scale") {
		prepare.RawScale = f.rawScale
	}
	if f.set("channel-swap") {
		prepare.ChannelSwap = f.swap
	}
	if f.imagesDim != "" {
		var err error
		if prepare.Height, prepare.Width, err = imagesDim(f.imagesDim); err != nil {
			return nil, err
		}
	}
	p, err := predict.New(n, predict.Options{
		Preparation: prepare, Oversample: f.oversample, Batch: f.batch, Scores: f.scores, Observer: notesOnly{a},
	})
	var size *predict.MeanError
	if errors.As(err, &size) {
		return nil, fmt.Errorf("%w; give --images-dim %d,%d, or --channel-mean", err, size.Mean[1], size.Mean[2])
	}
	return p, err
}

// imagesDim parses "H,W".
func imagesDim(text string) (height, width int, err error) {
	words := strings.Split(text, ",")
	if len(words) == 2 {
		var errs [2]error
		height, errs[0] = strconv.Atoi(strings.TrimSpace(words[0]))
		width, errs[1] = strconv.Atoi(strings.TrimSpace(words[1]))
		if !slices.ContainsFunc(errs[:], func(e error) bool { return e != nil }) && height > 0 && width > 0 {
			return height, width, nil
		}
	}
	return 0, 0, fmt.Errorf("--images-dim is %q, want height and width, such as 256,256", text)
}
