package gocaffecmd

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/predict"
	"github.com/spf13/cobra"
)

func (a *app) segmentCommand() *cobra.Command {
	var f segmentFlags
	cmd := &cobra.Command{
		Use:   "segment MODEL WEIGHTS IMAGE...",
		Short: "Label the pixels of images with a segmentation net",
		Long: `Label the pixels of images with a net such as SegNet, ENet, PSPNet or DeepLab:
write label images, and print which share of the pixels each class has.

MODEL is a net for inference, whose output is the scores of the classes at each
place, or their labels as of a layer ArgMax. An IMAGE is a file, a folder, or a
pattern such as "photos/*.jpg"; --list FILE names more, one a line. Images that
cannot be read, and folders and patterns without images, are named, the others
go on, and the exit code is 1.

	gocaffe segment deploy.prototxt segnet.caffemodel street.png \
		--palette camvid --masks labels --overlay drawn

--masks FOLDER gets a PNG file for each image, in its size: with the colours of
--palette, or with --palette grey the numbers of the classes as grey values, as
DenseImageData and ImageSegData read them. --overlay FOLDER gets copies of the
images with the colours laid over them; black stays clear.

--palette is voc, cityscapes, camvid (11 classes), camvid12, grey, or a file:
lines "R G B name" or "#RRGGBB name" from class 0 on, or an image with a palette
or with one row or column of colours. The names are optional; --labels FILE has
others, one a line.

Images are scaled to the net's input, or to --images-dim, which is then the size
of the input. The other flags of the preparation are those of gocaffe classify, and
their defaults what MODEL says. --format csv and json, or an --output file that
ends so, are for programs.`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return untilSignal(cmd.Context(), func(ctx context.Context) error { return a.segment(ctx, &f, args) })
		},
	}
	f.registerImages(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.masks, "masks", "", "write a label image for each image into this `folder`")
	flags.StringVar(&f.overlay, "overlay", "", "write copies of the images under their labels into this `folder`")
	flags.Float64Var(&f.opacity, "opacity", 0.5, "of the labels of --overlay, 0 to 1")
	flags.StringVar(&f.palette, "palette", "voc", "colours of the classes: voc, cityscapes, camvid, camvid12, grey or a `file`")
	flags.StringVar(&f.labels, "labels", "", "file with the name of each class, one a line")
	flags.StringVar(&f.format, "format", "text", "format of standard output: text, csv or json")
	flags.StringVarP(&f.output, "output", "o", "", "write to this .csv or .json file, not to standard output")
	flags.StringVar(&f.scores, "scores", "", "name of the `blob` with the scores or labels, for nets with several outputs")
	flags.IntVar(&f.batch, "batch", 0, "images in a pass (0, the default: batch size of the net's input)")
	f.registerState(cmd)
	f.registerFold(cmd)
	f.registerDevice(cmd)
	return cmd
}

type segmentFlags struct {
	imageFlags
	masks, overlay  string
	opacity         float64
	palette, labels string
	format, output  string
	scores          string
}

func (a *app) segment(ctx context.Context, f *segmentFlags, args []string) error {
	format := f.format
	switch {
	case !(f.opacity >= 0 && f.opacity <= 1):
		return fmt.Errorf("--opacity is %g, want 0 to 1", f.opacity)
	case f.masks != "" && f.overlay != "" && filepath.Clean(f.masks) == filepath.Clean(f.overlay):
		return errors.New("--masks and --overlay are one folder, want two: files of one name would replace each other")
	case f.output != "" && f.format != "text":
		return fmt.Errorf("--format is for standard output; the name of --output %s says the format of the file", f.output)
	case f.output != "":
		var err error
		if format, err = rowFormat("--output", f.output); err != nil {
			return err
		}
	case !slices.Contains(segmentFormats(), format):
		return fmt.Errorf("--format is %q, want text, csv or json", f.format)
	}
	colors, err := readPalette(ctx, f.palette)
	if err != nil {
		return err
	}
	images, err := f.images(ctx, "segment", args[2:])
	if err != nil {
		return err
	}
	var s *predict.Segmenter
	begin := func(n *net.Net) (err error) {
		s, err = f.segmenter(a, n)
		return err
	}
	return a.withNet(ctx, &f.netFlags, args[0], args[1], []string{f.scores}, begin, func() error {
		return a.segmentImages(ctx, f, s, images, format, colors)
	})
}

// segmentFormats returns what --format of segment can be.
func segmentFormats() []string { return []string{"text", "csv", "json"} }

// segmentImages labels the pixels of images.
func (a *app) segmentImages(ctx context.Context, f *segmentFlags, s *predict.Segmenter, images []string, format string, colors *palette) (err error) {
	if n := s.Classes(); !colors.grey && n > len(colors.colors) {
		return fmt.Errorf("--palette %s has %d colours, the net %d classes", f.palette, len(colors.colors), n)
	}
	names := colors.names
	if f.labels != "" {
		if names, err = predict.ReadLabels(ctx, f.labels); err != nil {
			return err
		}
		if n := s.Classes(); n > 0 && len(names) != n {
			return fmt.Errorf("%s: the file has %d labels, the net %d classes", f.labels, len(names), n)
		}
	} else if s.Classes() != len(names) && !f.set("palette") {
		names = nil // those of VOC are not the net's
	}
	masks, err := copyPaths("--masks", f.masks, images, func(string) string { return ".png" })
	if err != nil {
		return err
	}
	overlays, err := copyPaths("--overlay", f.overlay, images, drawnEnding)
	if err != nil {
		return err
	}
	out, err := f.newOutput(a, format)
	if err != nil {
		return err
	}
	return a.eachImage(&f.imageFlags, images, f.output != "", out.ending, func(done func(error)) error {
		return s.Files(ctx, images, func(i int, image *data.Image, of *predict.Segmentation, err error) error {
			done(err)
			if err != nil {
				return nil
			}
			result := segmented{Image: images[i], Width: of.Width, Height: of.Height, Classes: sharesOf(of, names)}
			if masks != nil {
				result.Mask = masks[i]
				if err := writeImage(masks[i], colors.mask(of)); err != nil {
					return err
				}
			}
			if overlays != nil {
				if err := writeImage(overlays[i], colors.over(image, of, f.opacity)); err != nil {
					return err
				}
			}
			return out.add(&result)
		})
	})
}

// segmenter returns what runs the net on images, prepared as the net and the flags say.
func (f *segmentFlags) segmenter(a *app, n *net.Net) (*predict.Segmenter, error) {
	prepare, err := f.preparation(n)
	if err != nil {
		return nil, err
	}
	s, err := predict.NewSegmenter(n, predict.SegmentOptions{
		Preparation: prepare, Blob: f.scores, Batch: f.batch, Workers: a.workers, Observer: notesOnly{a},
	})
	return s, adviceOnMean(err)
}
