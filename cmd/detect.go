package gocaffecmd

import (
	"context"
	"fmt"
	"slices"

	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/predict"
	"github.com/spf13/cobra"
)

func (a *app) detectCommand() *cobra.Command {
	var f detectFlags
	cmd := &cobra.Command{
		Use:   "detect MODEL WEIGHTS IMAGE...",
		Short: "Find objects in images with a detection net",
		Long: `Find objects in images: print the class, the score and the box of each, and draw
the boxes into copies of the images.

MODEL is a net for inference of SSD, YOLO (its top is that of a layer such as
DetectionOutput), Faster R-CNN or R-FCN. An IMAGE is a file, a folder, or a
pattern such as "photos/*.jpg"; --list FILE names more, one a line. Images that
cannot be read, and folders and patterns without images, are named, the others
go on, and the exit code is 1.

	gocaffe detect deploy.prototxt VOC_SSD_300x300.caffemodel street.jpg \
		--labels labelmap_voc.prototxt --mean-value 104,117,123 --draw found

--labels is a LabelMap of SSD, or has one name a line: all classes, or those
after the background.

For nets of SSD and YOLO, images are scaled to the net's input. The flags of the
preparation are those of gocaffe classify, and their defaults what MODEL says.
For R-CNN's nets, the shorter side is scaled to --short-side pixels, and the mean
is that of py-faster-rcnn unless a flag gives another. --bbox-stds and
--bbox-means are for weights that were not saved by py-faster-rcnn, which puts
them into the weights.

Boxes are in pixels: xmin, ymin, xmax, ymax. --format csv and json, or an --output
file that ends so, are for programs.`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return untilSignal(cmd.Context(), func(ctx context.Context) error { return a.detect(ctx, &f, args) })
		},
	}
	f.registerImages(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.labels, "labels", "", "file with the names of the classes: a LabelMap, or one a line")
	flags.Float32Var(&f.threshold, "threshold", 0.5, "lowest `score` of what is shown")
	flags.Float32Var(&f.nms, "nms", 0, "suppress boxes with a larger `overlap` with a better one of their class (default: 0.3 for R-CNN's nets, otherwise as the net does)")
	flags.StringVar(&f.draw, "draw", "", "draw the boxes into copies of the images in this `folder`")
	flags.StringVar(&f.format, "format", "text", "format of standard output: text, csv or json")
	flags.StringVarP(&f.output, "output", "o", "", "write to this .csv or .json file, not to standard output")
	flags.StringVar(&f.detections, "detections", "", "name of the `blob` with the boxes, for nets with several")
	flags.IntVar(&f.batch, "batch", 0, "images in a pass (0, the default: batch size of the net's input)")
	flags.IntVar(&f.shortSide, "short-side", 600, "R-CNN: scale the shorter side of images to this")
	flags.IntVar(&f.longSide, "long-side", 1000, "R-CNN: but the longer side to at most this")
	flags.Float32SliceVar(&f.boxMeans, "bbox-means", nil, "R-CNN: `means` that training subtracted from the codes of boxes, four or four for each class")
	flags.Float32SliceVar(&f.boxStds, "bbox-stds", nil, "R-CNN: standard `deviations` that training divided them by, four or four for each class")
	f.registerState(cmd)
	f.registerFold(cmd)
	f.registerDevice(cmd)
	return cmd
}

type detectFlags struct {
	imageFlags
	labels              string
	threshold, nms      float32
	draw                string
	format, output      string
	detections          string
	shortSide, longSide int
	boxMeans, boxStds   []float32
}

func (a *app) detect(ctx context.Context, f *detectFlags, args []string) error {
	format := f.format
	switch {
	case !(f.threshold >= 0 && f.threshold <= 1):
		return fmt.Errorf("--threshold is %g, want 0 to 1", f.threshold)
	case !(f.nms >= 0 && f.nms <= 1):
		return fmt.Errorf("--nms is %g, want 0 to 1", f.nms)
	case f.output != "" && f.format != "text":
		return fmt.Errorf("--format is for standard output; the name of --output %s says the format of the file", f.output)
	case f.output != "":
		var err error
		if format, err = rowFormat("--output", f.output); err != nil {
			return err
		}
	case !slices.Contains(detectFormats(), format):
		return fmt.Errorf("--format is %q, want text, csv or json", f.format)
	}
	images, err := f.images(ctx, "detect", args[2:])
	if err != nil {
		return err
	}
	var d *predict.Detector
	begin := func(n *net.Net) (err error) {
		d, err = f.detector(a, n)
		return err
	}
	return a.withNet(ctx, &f.netFlags, args[0], args[1], append(predict.RegionBlobs(), f.detections), begin, func() error {
		return a.detectIn(ctx, f, d, images, format)
	})
}

// detectFormats returns what --format of detect can be.
func detectFormats() []string { return []string{"text", "csv", "json"} }

// detectIn finds objects in images.
func (a *app) detectIn(ctx context.Context, f *detectFlags, d *predict.Detector, images []string, format string) (err error) {
	var labels []string
	if f.labels != "" {
		if labels, err = predict.ReadClasses(ctx, f.labels, d.Classes()); err != nil {
			return err
		}
	}
	var drawn drawnFolder
	if drawn.paths, err = copyPaths("--draw", f.draw, images, drawnEnding); err != nil {
		return err
	}
	out, err := f.newOutput(a, format)
	if err != nil {
		return err
	}
	return a.eachImage(&f.imageFlags, images, f.output != "", out.ending, func(done func(error)) error {
		return d.Files(ctx, images, func(i int, image *data.Image, found []predict.Detection, err error) error {
			done(err)
			if err != nil {
				return nil
			}
			objects := named(found, labels)
			if err := drawn.add(i, image, objects); err != nil {
				return err
			}
			return out.add(images[i], image, objects)
		})
	})
}

// detector returns what runs the net on images, prepared as the net and the flags say.
func (f *detectFlags) detector(a *app, n *net.Net) (*predict.Detector, error) {
	prepare, err := f.preparation(n)
	if err != nil {
		return nil, err
	}
	o := predict.DetectOptions{
		Preparation: prepare, Threshold: f.threshold, NMS: f.nms, Blob: f.detections, Batch: f.batch, Observer: notesOnly{a},
		BoxMeans: f.boxMeans, BoxStds: f.boxStds,
	}
	if f.set("short-side") {
		o.ShortSide = f.shortSide
	}
	if f.set("long-side") {
		o.LongSide = f.longSide
	}
	d, err := predict.NewDetector(n, o)
	return d, adviceOnMean(err)
}
