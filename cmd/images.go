package gocaffecmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/internal/readfile"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/predict"
	"github.com/spf13/cobra"
)

// imageFlags are the flags of commands that run a net on images.
type imageFlags struct {
	netFlags
	set func(flag string) bool // whether the command line has it

	meanFile        string
	meanValues      []float32
	channelMean     bool
	scale, rawScale float64
	swap            []int
	imagesDim       string
	list, root      string

	empty []error // of method images: folders and patterns without images
}

// registerImages adds the flags to a command: those of the images, and of how they
// become the input of the net, with the names of Caffe's classify.py.
func (f *imageFlags) registerImages(cmd *cobra.Command) {
	f.set = func(flag string) bool { return cmd.Flags().Changed(flag) }
	flags := cmd.Flags()
	flags.StringVar(&f.meanFile, "mean-file", "", "subtract this mean: a .binaryproto or .npy file")
	flags.Float32SliceVar(&f.meanValues, "mean-value", nil, "subtract these `means` of the channels of the net, or one for all")
	flags.BoolVar(&f.channelMean, "channel-mean", false, "subtract the mean of each channel of --mean-file")
	flags.Float64Var(&f.scale, "scale", 1, "multiply values by this, after the mean is subtracted")
	flags.Float64Var(&f.scale, "input-scale", 1, "same as --scale")
	flags.Float64Var(&f.rawScale, "raw-scale", 255, "value of the brightest pixel, before the mean is subtracted")
	flags.IntSliceVar(&f.swap, "channel-swap", []int{2, 1, 0}, "channels of the net, as `numbers` of those in red, green, blue")
	flags.StringVar(&f.imagesDim, "images-dim", "", "scale images to this size, `H,W` (default: the mean's, or that of the net's input)")
	flags.StringVar(&f.list, "list", "", "file with the paths of images, one a line; a label after a path is ignored")
	flags.StringVar(&f.root, "root", "", "folder of the paths in --list")
}

// preparation returns how images become the input of the net, as the net and the flags
// say.
func (f *imageFlags) preparation(n *net.Net) (*predict.Preparation, error) {
	prepare := predict.PreparationOf(n)
	if f.set("mean-file") || f.set("mean-value") { // in place of the net's
		prepare.MeanFile, prepare.MeanValues = f.meanFile, f.meanValues
	}
	prepare.ChannelMean = f.channelMean
	if f.scale == 0 || f.rawScale == 0 {
		return nil, errors.New("--scale and --raw-scale cannot be 0: all images would be the same")
	}
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
	return prepare, nil
}

// adviceOnMean adds to the error about a mean image of another size what helps.
func adviceOnMean(err error) error {
	var size *predict.MeanError
	if errors.As(err, &size) {
		return fmt.Errorf("%w; give --images-dim %d,%d, or --channel-mean", err, size.Mean[1], size.Mean[2])
	}
	return err
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

// An ending ends the output of a command.
type ending struct {
	commit func() error // completes the output
	abort  func()       // removes files that are not complete
}

// noEnding is that of output which is complete after each image.
var noEnding = ending{func() error { return nil }, func() {}}

// eachImage runs a net on images: run calls done for each image, with the error of
// reading it or nil. Such errors, and those in f.empty, are logged, the others go on. The
// output is completed, or removed after an error of run.
func (a *app) eachImage(f *imageFlags, images []string, toFile bool, out ending, run func(done func(error)) error) error {
	defer out.abort()
	for _, err := range f.empty {
		a.glog.log(event.Error, event.Caller(0), err.Error())
	}
	bad := 0
	bar := newProgressLine(nil, "image", 0, len(images))
	if toFile { // otherwise the terminal shows the results
		bar = a.bar(len(images), "image")
	}
	defer bar.Clear()
	err := run(func(err error) {
		if err != nil {
			bad++
			bar.Clear()
			a.glog.log(event.Error, event.Caller(0), err.Error())
		}
		bar.Add(1)
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
	if n := len(f.empty); n > 0 {
		return fmt.Errorf("%d of the folders and patterns had no images", n)
	}
	return nil
}

// inferenceNet builds a net that runs forward only, and loads its weights. The outputs and
// the blobs in keep can be read.
func (a *app) inferenceNet(f *netFlags, model, weights string, keep ...string) (*net.Net, error) {
	file, err := net.Read(model)
	if err != nil {
		return nil, err
	}
	a.notes(file.Notes)
	opts := net.Options{
		State:         netState(file.Param, caffepb.Phase_TEST, f.level, f.stages()),
		Workers:       a.workers,
		Device:        f.device,
		Engine:        f.engine,
		Precision:     f.onCPU,
		Observer:      event.Multi(notesOnly{a}, programOutput{a}),
		Memory:        new(net.Memory),
		ForwardOnly:   true,
		Inference:     !f.noFold,
		PackedWeights: f.packedWeights(),
		Keep:          keep,
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
	weightsRead()
	a.warnUnloaded(n, weights)
	return n, nil
}

// withNet calls run with a net for inference that is loaded: begin makes what runs it,
// and its errors get the name of the model's file. Besides the outputs the blobs in keep can
// be read.
func (a *app) withNet(ctx context.Context, f *netFlags, model, weights string, keep []string, begin func(*net.Net) error, run func() error) (err error) {
	if f.device, err = f.openDevice(); err != nil {
		return err
	}
	defer a.closeDevice(f.device)
	var n *net.Net
	err = a.loading(ctx, func() (err error) {
		if n, err = a.inferenceNet(f, model, weights, keep...); err != nil {
			return err
		}
		if err = begin(n); err != nil {
			err = fmt.Errorf("%s: %w", model, err)
		}
		return err
	})
	if n != nil && !a.abandoned {
		defer n.Close()
	}
	if err != nil {
		return err
	}
	return run()
}

// notesOnly shows warnings of nets, not Caffe's log.
type notesOnly struct{ app *app }

// Observe shows a warning.
func (o notesOnly) Observe(e any) {
	if note, ok := e.(*event.Note); ok && note.Level != event.Info {
		o.app.glog.log(note.Level, note.Source, note.Text)
	}
}

// imageEndings are the endings of the files that are taken of a folder.
var imageEndings = []string{".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".pbm", ".pgm", ".ppm", ".pnm"}

// images returns the paths that the arguments of a command and --list name, in their
// order. Folders and patterns without images become f.empty. It checks --batch too.
func (f *imageFlags) images(ctx context.Context, command string, args []string) ([]string, error) {
	if f.batch < 0 {
		return nil, fmt.Errorf("--batch is %d, want a positive number, or 0 for the batch size of the net's input", f.batch)
	}
	var paths []string
	for _, arg := range args {
		some, err := imagesOf(arg)
		if err != nil {
			f.empty = append(f.empty, err)
		}
		paths = append(paths, some...)
	}
	if f.list != "" {
		some, err := listedImages(ctx, f.list, f.root)
		if err != nil {
			return nil, err
		}
		paths = append(paths, some...)
	} else if f.root != "" {
		return nil, errors.New("--root is for the paths of --list, which is not given")
	}
	if len(paths) == 0 && f.empty != nil {
		return nil, errors.Join(f.empty...)
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s: there are no images: want files, folders, patterns, or --list FILE", command)
	}
	return paths, nil
}

// imagesOf returns the images that an argument names: a file, those in a folder, or
// those that match a pattern.
func imagesOf(arg string) ([]string, error) {
	info, err := os.Stat(arg)
	switch {
	case err == nil && info.IsDir():
		return imagesIn(arg)
	case err == nil || !strings.ContainsAny(arg, "*?["):
		return []string{arg}, nil // what is wrong with a file is said when it is read
	}
	paths, err := filepath.Glob(arg)
	if err != nil {
		return nil, fmt.Errorf("the pattern %q: %w", arg, err)
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("no file matches %q", arg)
	}
	return paths, nil
}

// imagesIn returns the image files in a folder, by their names.
func imagesIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		if !e.IsDir() && slices.Contains(imageEndings, strings.ToLower(filepath.Ext(e.Name()))) {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s: the folder has no images (files that end in %s)", dir, strings.Join(imageEndings, ", "))
	}
	return paths, nil
}

// listedImages returns the paths of a list, joined to the folder root. A number after a
// path is a label, as in the lists of gocaffe convert, unless the file is called so.
func listedImages(ctx context.Context, list, root string) ([]string, error) {
	text, err := readfile.Text(ctx, list)
	if err != nil {
		return nil, err
	}
	var paths []string
	for line := range strings.Lines(strings.TrimPrefix(string(text), "\ufeff")) {
		line = strings.TrimRight(line, " \t\r\n")
		if line == "" {
			continue
		}
		path := filepath.Join(root, line)
		if at := strings.LastIndexAny(line, " \t"); at > 0 {
			_, notNumber := strconv.ParseFloat(line[at+1:], 64)
			if _, err := os.Stat(path); notNumber == nil && errors.Is(err, fs.ErrNotExist) {
				path = filepath.Join(root, strings.TrimRight(line[:at], " \t"))
			}
		}
		paths = append(paths, path)
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s: the list has no images", list)
	}
	return paths, nil
}
