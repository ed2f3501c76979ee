package gocaffecmd

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/gocaffe/gocaffe/internal/atomicfile"
	"github.com/gocaffe/gocaffe/internal/chart"
	"github.com/gocaffe/gocaffe/internal/picture"
	"github.com/spf13/cobra"
)

// plotFlags are the flags of plot.
type plotFlags struct {
	y    []string
	x    string
	log  bool
	out  string
	size string
}

func (a *app) plotCommand() *cobra.Command {
	f := plotFlags{x: "iterations"}
	cmd := &cobra.Command{
		Use:   "plot LOG... [--output FILE.svg|FILE.png]",
		Short: "Plot the course of one or several trainings",
		Long: `Plot curves from logs of training, of Caffe or gocaffe: in the terminal, or with
--output to a file. Without --y, they show the loss and, if the logs have any, the
accuracies. --y selects others, one diagram each:

	loss      loss of training, as displayed, and of each test net
	accuracy  outputs that are no losses, with values from 0 to 1
	lr        learning rate
	NAME      an output of this name

train- or test- before a name shows one of the two: --y test-loss,lr.

A resumed run in a log continues the curves of the run before it.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, paths []string) error { return a.plot(paths, &f) },
	}
	cmd.Flags().StringSliceVar(&f.y, "y", nil, "what to show, separated by commas")
	cmd.Flags().StringVar(&f.x, "x", f.x, "horizontal axis: iterations or seconds")
	cmd.Flags().BoolVar(&f.log, "log-scale", false, "show losses and learning rates on logarithmic scales")
	cmd.Flags().StringVarP(&f.out, "output", "o", "", "write a picture to this file, SVG or PNG by its ending")
	cmd.Flags().StringVar(&f.size, "size", "", "size of the picture in points, 1/72 inch: WIDTHxHEIGHT (default: 720x300 for each diagram)")
	return cmd
}

// plot shows the logs, or writes a picture of them.
func (a *app) plot(paths []string, f *plotFlags) error {
	if f.x != "iterations" && f.x != "seconds" {
		return fmt.Errorf("--x is %q, want iterations or seconds", f.x)
	}
	var trainings []chart.Training
	for i, name := range shortNames(paths) {
		log, err := readLog(paths[i])
		if err != nil {
			return err
		}
		parts := log.Trainings()
		for k, part := range parts {
			t := chart.Training{Name: name, Log: part}
			if len(parts) > 1 {
				t.Name = fmt.Sprintf("%s, training %d", name, k+1)
			}
			if len(part.Train)+len(part.Test) > 0 {
				trainings = append(trainings, t)
			}
		}
	}
	c, err := chart.Course(trainings, chart.Options{Y: f.y, Seconds: f.x == "seconds", Log: f.log})
	if err != nil {
		return err
	}
	if f.out == "" {
		return c.Text(a.stdout, 80, 16)
	}
	width, height := 720.0, 300*float64(len(c.Panels))
	if f.size != "" {
		if width, height, err = pictureSize(f.size); err != nil {
			return err
		}
	}
	return writePicture(f.out, width, height, func(p *picture.Picture) { c.Draw(p, width, height) })
}

// pictureSize parses the value of --size.
func pictureSize(text string) (width, height float64, err error) {
	var rest string
	n, _ := fmt.Sscanf(strings.ToLower(text)+" ", "%fx%f%s", &width, &height, &rest) // the third is an error if all is well
	if n != 2 || !(width >= 200 && height >= 150 && width <= 20000 && height <= 20000) {
		return 0, 0, fmt.Errorf("--size is %q, want WIDTHxHEIGHT from 200x150 to 20000x20000", text)
	}
	return width, height, nil
}

// writePicture writes a picture to a file whose ending says what it is.
func writePicture(path string, width, height float64, draw func(*picture.Picture)) error {
	format := strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), ".")
	if format != "svg" && format != "png" {
		return fmt.Errorf("%s: unknown ending %q, want .svg or .png", path, filepath.Ext(path))
	}
	err := atomicfile.Write(path, func(w io.Writer) error { return picture.Write(w, format, width, height, draw) })
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// shortNames returns the names of files without the folders that all of them are in.
func shortNames(paths []string) []string {
	names := make([]string, len(paths))
	split := make([][]string, len(paths))
	for i, p := range paths {
		split[i] = strings.Split(filepath.ToSlash(filepath.Clean(p)), "/")
	}
	common := len(split[0]) - 1
	for _, s := range split {
		common = min(common, len(s)-1)
		for common > 0 && strings.Join(s[:common], "/") != strings.Join(split[0][:common], "/") {
			common--
		}
	}
	for i, s := range split {
		names[i] = strings.Join(s[common:], "/")
	}
	return names
}
