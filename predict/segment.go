package predict

import (
	"context"
	"fmt"
	"slices"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/parallel"
)

// A Segmentation has the class of each pixel of an image.
type Segmentation struct {
	Height, Width int
	Classes       []byte // row by row
}

// SegmentOptions control a Segmenter. The zero value is for a net made by gocaffe deploy.
type SegmentOptions struct {
	// Preparation says how an image becomes the input of the net; nil: as the net says
	// (PreparationOf). Its Height and Width become the size of the net's input: no part
	// of an image is left out.
	Preparation *Preparation

	// Blob is the name of the blob with the scores or labels; "": the only output of
	// the net.
	Blob string

	// Batch is the number of images in a pass; 0: as many as the net's input has.
	Batch int

	// Workers are the threads that find the classes of pixels; nil for one.
	Workers *parallel.Pool

	// Observer receives an event.Note for each damaged image that is read as far as it
	// goes; nil for nobody.
	Observer event.Observer
}

// maxClasses is the number of classes that a byte holds.
const maxClasses = 256

// A Segmenter finds the class of each pixel of images by a net. Like the net, it is for
// one goroutine at a time.
//
// The scores are scaled to the size of the image, linearly, and the class of a pixel is
// that with the highest score; of equal ones the first. Labels are those of the nearest
// place.
type Segmenter struct {
	feeder
	output  *blob.Blob
	name    string // of output
	workers *parallel.Pool

	columns, rows []tap
	judge         parallel.SumLoop // finds the classes of rows, and counts the pixels with NaN
	values        []float32        // of the image, channels x height x width
	result        *Segmentation
}

// A tap is where a row or column of an image is in the output of the net.
type tap struct {
	at, next int
	weight   float32 // of next
}

// NewSegmenter returns a Segmenter that runs a net with its weights. The net needs one
// Input layer with one top, N x C x H x W with 1 or 3 channels, and an output N x K x h x
// w: the scores of K classes, or with a K of 1 their labels, as of ArgMax.
func NewSegmenter(n *net.Net, o SegmentOptions) (*Segmenter, error) {
	s := &Segmenter{feeder: feeder{net: n, observer: o.Observer}, workers: o.Workers}
	if err := s.findInput(n.Inputs()); err != nil {
		return nil, err
	}
	if err := s.findOutput(o.Blob); err != nil {
		return nil, err
	}
	prepare := o.Preparation
	if prepare == nil {
		prepare = PreparationOf(n)
	}
	if prepare.Height > 0 && prepare.Width > 0 {
		s.shape[1], s.shape[2] = prepare.Height+2*prepare.Pad, prepare.Width+2*prepare.Pad
	}
	if err := s.prepareAs(prepare); err != nil {
		return nil, err
	}
	// A mean image may have made images larger than the input.
	s.shape[1], s.shape[2] = s.height+2*prepare.Pad, s.width+2*prepare.Pad
	s.crops = []data.Crop{s.centre(prepare.Pad)}
	s.judge.Body = s.judgeRows
	return s, s.setBatch(o.Batch)
}

// findOutput finds the blob with the scores or labels.
func (s *Segmenter) findOutput(name string) error {
	var err error
	if s.output, s.name, err = s.outputBlob(name, "the scores or labels of the pixels"); err != nil {
		return err
	}
	return s.checkOutput(s.input.Dim(0))
}

// checkOutput checks the shape of the output for n images.
func (s *Segmenter) checkOutput(n int) error {
	if b := s.output; b.Axes() != 4 || b.Dim(0) != n || b.Count() == 0 || b.Dim(1) > maxClasses {
		return fmt.Errorf("the output %q has the shape %v, want %d x classes x height x width, with 2 to %d classes or 1 for labels: one place at least for each of the %[3]d items of the input",
			s.name, b.Shape(), n, maxClasses)
	}
	return nil
}

// Classes returns the number of classes, or 0 if it is not known because the net has
// labels.
func (s *Segmenter) Classes() int {
	if s.output.Dim(1) == 1 {
		return 0
	}
	return s.output.Dim(1)
}

// Mode returns how images are to be decoded for the net.
func (s *Segmenter) Mode() data.Mode { return s.mode() }

// Segment returns the classes of the pixels of each image, in the size of the image. An
// image has as many channels as the input of the net: Mode says how it is decoded. Images
// are not changed.
func (s *Segmenter) Segment(ctx context.Context, images ...*data.Image) ([]*Segmentation, error) {
	results := make([]*Segmentation, 0, len(images))
	for some := range slices.Chunk(images, s.batch) {
		if err := s.fill(some, len(results)); err != nil {
			return nil, err
		}
		if _, err := s.net.Forward(ctx); err != nil {
			return nil, err
		}
		if err := s.checkOutput(len(some)); err != nil {
			return nil, err
		}
		size := s.output.CountFrom(1)
		for i, image := range some {
			s.values = s.output.Data()[i*size:][:size]
			result, err := s.segment(image)
			if err != nil {
				return nil, fmt.Errorf("image %d: %w", len(results), err)
			}
			results = append(results, result)
		}
	}
	return results, nil
}

// Files segments image files. For each file in order it calls result with the image and its
// classes, or with the error of reading the file; the others go on. It ends at the first
// error of the net, or that result returns.
func (s *Segmenter) Files(ctx context.Context, paths []string, result func(i int, image *data.Image, of *Segmentation, err error) error) error {
	return predictFiles(ctx, &s.feeder, paths, s.Segment, result)
}

// segment finds the classes of the pixels of an image.
func (s *Segmenter) segment(image *data.Image) (*Segmentation, error) {
	s.result = &Segmentation{image.Height, image.Width, make([]byte, image.Height*image.Width)}
	h, w := s.output.Dim(2), s.output.Dim(3)
	crop := s.crops[0]
	s.rows = taps(s.rows, image.Height, s.height, crop.Top, crop.Height, h)
	s.columns = taps(s.columns, image.Width, s.width, crop.Left, crop.Width, w)
	if s.output.Dim(1) == 1 {
		return s.result, s.nearest(w)
	}
	const step = 8 // rows
	if s.judge.Run(s.workers, image.Height, step) > 0 {
		return nil, fmt.Errorf("a score of %q is NaN: the weights hold NaN or are those of a net that has diverged", s.name)
	}
	return s.result, nil
}

// taps returns where the n rows of an image are among the out rows of the output. They were
// scaled to the given number, and the input has size of these from first on.
func taps(t []tap, n, scaled, first, size, out int) []tap {
	t = slices.Grow(t[:0], n)[:n]
	for i := range t {
		in := (float64(i)+0.5)*float64(scaled)/float64(n) - float64(first) // 0 is the edge of the input
		place := min(max(in*float64(out)/float64(size)-0.5, 0), float64(out-1))
		at := int(place)
		t[i] = tap{at, min(at+1, out-1), float32(place - float64(at))}
	}
	return t
}

// nearest takes the labels of the nearest places.
func (s *Segmenter) nearest(w int) error {
	for y, row := range s.rows {
		for x, column := range s.columns {
			place := row.nearest()*w + column.nearest()
			v := s.values[place]
			if !(v >= 0 && v < maxClasses) || v != float32(int(v)) {
				return fmt.Errorf("the output %q has the value %g at place %d, want labels from 0 to %d, or the scores of two classes or more", s.name, v, place, maxClasses-1)
			}
			s.result.Classes[y*s.result.Width+x] = byte(v)
		}
	}
	return nil
}

// nearest returns the nearer place.
func (t tap) nearest() int {
	if t.weight > 0.5 {
		return t.next
	}
	return t.at
}

// between returns the value between two, also if one of weight 0 is infinite.
func (t tap) between(at, next float32) float32 {
	if t.weight == 0 {
		return at
	}
	return (1-t.weight)*at + t.weight*next
}

// judgeRows finds the classes of the pixels of some rows, and returns how many have a
// score that is NaN.
func (s *Segmenter) judgeRows(from, to int) float64 {
	classes, h, w := s.output.Dim(1), s.output.Dim(2), s.output.Dim(3)
	blended := make([]float32, classes*w) // the row in the width of the output
	faults := 0
	for y := from; y < to; y++ {
		r := s.rows[y]
		for c := range classes {
			plane := s.values[c*h*w:][:h*w]
			above, below := plane[r.at*w:][:w], plane[r.next*w:][:w]
			out := blended[c*w:][:w]
			for x := range out {
				out[x] = r.between(above[x], below[x])
			}
		}
		line := s.result.Classes[y*s.result.Width:][:s.result.Width]
		for x, column := range s.columns {
			best, highest := 0, float32(0)
			for c := range classes {
				v := column.between(blended[c*w+column.at], blended[c*w+column.next])
				if v != v {
					faults++
				}
				if c == 0 || v > highest {
					best, highest = c, v
				}
			}
			line[x] = byte(best)
		}
	}
	return float64(faults)
}
