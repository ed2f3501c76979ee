package gocaffecmd

import (
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/gocaffe/gocaffe/predict"
)

// A segmented image is an object of the JSON output.
type segmented struct {
	Image   string       `json:"image"`
	Width   int          `json:"width"`
	Height  int          `json:"height"`
	Mask    string       `json:"mask,omitempty"`
	Classes []classShare `json:"classes"`
}

// A classShare is how many pixels of an image have a class.
type classShare struct {
	Class  int     `json:"class"`
	Label  string  `json:"label,omitempty"`
	Pixels int     `json:"pixels"`
	Share  float64 `json:"share"` // of all pixels
}

// sharesOf returns the classes in an image, the largest share first.
func sharesOf(s *predict.Segmentation, names []string) []classShare {
	var pixels [256]int
	for _, class := range s.Classes {
		pixels[class]++
	}
	shares := []classShare{}
	for class, n := range pixels {
		if n == 0 {
			continue
		}
		share := classShare{Class: class, Pixels: n, Share: float64(n) / float64(len(s.Classes))}
		if class < len(names) {
			share.Label = names[class]
		}
		shares = append(shares, share)
	}
	slices.SortStableFunc(shares, func(a, b classShare) int { return b.Pixels - a.Pixels })
	return shares
}

// A segmentOutput writes the classes in each image.
type segmentOutput struct {
	add func(*segmented) error
	ending
}

// newOutput begins the output.
func (f *segmentFlags) newOutput(a *app, format string) (*segmentOutput, error) {
	if format == "text" {
		return &segmentOutput{func(s *segmented) error { return writeSegmented(a.stdout, s) }, noEnding}, nil
	}
	rows, end, err := a.rowsTo(f.output, format, []string{"image", "class", "label", "pixels", "share"})
	if err != nil {
		return nil, err
	}
	return &segmentOutput{func(s *segmented) error {
		if format == "json" {
			return rows.add(nil, s)
		}
		for _, c := range s.Classes {
			if err := rows.add([]string{s.Image, strconv.Itoa(c.Class), c.Label, strconv.Itoa(c.Pixels), sixDigits(c.Share)}, nil); err != nil {
				return err
			}
		}
		return nil
	}, end}, nil
}

// writeSegmented writes the classes in an image as text, in 80 columns but for long paths.
func writeSegmented(out io.Writer, s *segmented) error {
	if _, err := fmt.Fprintln(out, s.Image); err != nil {
		return err
	}
	for _, c := range s.Classes {
		if _, err := fmt.Fprintln(out, withLabel(fmt.Sprintf("  %6.2f %%  %3d", 100*c.Share, c.Class), c.Label)); err != nil {
			return err
		}
	}
	return nil
}
