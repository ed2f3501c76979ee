package gocaffecmd

import (
	"context"
	"fmt"

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
names more, one a line. Images that cannot be read, and folders and
patterns without images, are named, the others are classified, and the exit code
is 1.

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
			return untilSignal(cmd.Context(), func(ctx context.Context) error { return a.classify(ctx, &f, args) })
		},
	}
	f.registerImages(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&f.oversample, "oversample", false, "average ten parts: corners, centre, and these mirrored")
	flags.StringVar(&f.labels, "labels", "", "file with the name of each class, one a line")
	flags.IntVar(&f.topK, "top-k", 5, "number of classes to print for each image")
	flags.StringVar(&f.format, "format", "text", "format of standard output: text, csv, json, or caffe for the lines of cpp_classification")
	flags.StringVarP(&f.output, "output", "o", "", "write to this .csv, .json or .npy file, not to standard output")
	flags.StringVar(&f.scores, "scores", "", "name of the blob with the scores, for nets with several outputs")
	flags.IntVar(&f.batch, "batch", 0, "images, or parts of images, in a pass (0, the default: batch size of the net's input)")
	f.registerState(cmd)
	f.registerFold(cmd)
	f.registerDevice(cmd)
	return cmd
}

type classifyFlags struct {
	imageFlags
	oversample     bool
	labels         string
	topK           int
	format, output string
	scores         string
}

func (a *app) classify(ctx context.Context, f *classifyFlags, args []string) error {
	if f.topK < 1 {
		return fmt.Errorf("--top-k is %d, want 1 or more", f.topK)
	}
	format, err := f.outputFormat()
	if err != nil {
		return err
	}
	images, err := f.images(ctx, "classify", args[2:])
	if err != nil {
		return err
	}
	var p *predict.Predictor
	begin := func(n *net.Net) (err error) {
		p, err = f.predictor(a, n)
		return err
	}
	return a.withNet(ctx, &f.netFlags, args[0], args[1], []string{f.scores}, begin, func() error {
		return a.classifyImages(ctx, f, p, args[0], images, format)
	})
}

// classifyImages classifies images by a net that was read from the file model.
func (a *app) classifyImages(ctx context.Context, f *classifyFlags, p *predict.Predictor, model string, images []string, format string) (err error) {
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
		a.glog.log(event.Warning, event.Caller(0), fmt.Sprintf("%s: no Softmax or Sigmoid computes the scores, so they are not probabilities", model))
	}
	out, err := f.newOutput(a, format, p.Classes(), labels)
	if err != nil {
		return err
	}
	return a.eachImage(&f.imageFlags, images, f.output != "", out.ending, func(done func(error)) error {
		return p.Files(ctx, images, func(i int, scores []float32, err error) error {
			done(err)
			return out.add(images[i], scores)
		})
	})
}

// predictor returns what runs the net on images, prepared as the net and the flags say.
func (f *classifyFlags) predictor(a *app, n *net.Net) (*predict.Predictor, error) {
	prepare, err := f.preparation(n)
	if err != nil {
		return nil, err
	}
	p, err := predict.New(n, predict.Options{
		Preparation: prepare, Oversample: f.oversample, Batch: f.batch, Scores: f.scores, Observer: notesOnly{a},
	})
	return p, adviceOnMean(err)
}
