// Package predict runs a net for inference on images: it scales them, takes the part
// in the centre or ten parts, subtracts the mean, and returns the scores of each
// image. It does what Caffe's programs for this do, classify.py and
// cpp_classification, and what the data layer did in training, as gocaffe deploy
// writes it into the deployed net. A Detector finds objects, a Segmenter labels pixels.
package predict

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/net"
)

// Options control a Predictor. The zero value is for a net made by gocaffe deploy.
type Options struct {
	// Preparation says how an image becomes the input of the net; nil: as the net
	// says (PreparationOf).
	Preparation *Preparation

	// Oversample averages the scores of ten parts of each image: the four corners, the
	// centre, and these five mirrored, as caffe.io.oversample of pycaffe.
	Oversample bool

	// Batch is the number of images in a pass, or with Oversample of parts; 0: as many
	// as the net's input has.
	Batch int

	// Scores is the name of the blob with the scores; "": the only output of the net.
	Scores string

	// Observer receives an event.Note for each damaged image that is read as far as it
	// goes; nil for nobody.
	Observer event.Observer
}

// A Predictor runs a net on images. Like the net, it is for one goroutine at a time.
type Predictor struct {
	feeder
	output        *blob.Blob
	probabilities bool
}

// New returns a Predictor that runs a net with its weights. The net needs one Input
// layer with one top, N x C x H x W with 1 or 3 channels, and scores N x K, or
// N x K x 1 x 1.
func New(n *net.Net, o Options) (*Predictor, error) {
	p := &Predictor{feeder: feeder{net: n, observer: o.Observer}}
	if err := p.findInput(n.Inputs()); err != nil {
		return nil, err
	}
	if err := p.findScores(o.Scores); err != nil {
		return nil, err
	}
	prepare := o.Preparation
	if prepare == nil {
		prepare = PreparationOf(n)
	}
	if err := p.prepareAs(prepare); err != nil {
		return nil, err
	}
	if o.Oversample {
		if prepare.Pad > 0 {
			return nil, fmt.Errorf("ten parts of an image cannot be taken with padding, of %d pixels here", prepare.Pad)
		}
		p.crops = p.tenCrops()
	}
	if err := p.setBatch(o.Batch); err != nil {
		return nil, err
	}
	return p, nil
}

// findScores finds the blob with the scores.
func (p *Predictor) findScores(name string) error {
	var err error
	if p.output, name, err = p.outputBlob(name, "the scores"); err != nil {
		return err
	}
	if p.output.Axes() < 2 || p.output.Dim(0) != p.input.Dim(0) || p.output.Dim(1) == 0 || p.output.CountFrom(2) != 1 {
		return fmt.Errorf("the scores %q have the shape %v, want %d x classes: one score of each class for each of the %d items of the input",
			name, p.output.Shape(), p.input.Dim(0), p.input.Dim(0))
	}
	for _, l := range p.net.Layers() {
		if slices.Contains(l.TopNames, name) {
			p.probabilities = l.Type == "Softmax" || l.Type == "Sigmoid"
		}
	}
	return nil
}

// Classes returns the number of scores of an image.
func (p *Predictor) Classes() int { return p.output.Dim(1) }

// Probabilities reports whether the scores are probabilities, by the layer that
// computes them: Softmax or Sigmoid.
func (p *Predictor) Probabilities() bool { return p.probabilities }

// Mode returns how images are to be decoded for the net.
func (p *Predictor) Mode() data.Mode { return p.mode() }

// Predict returns the scores of each image. An image has as many channels as the
// input of the net: Mode says how it is decoded. Images are not changed.
func (p *Predictor) Predict(ctx context.Context, images ...*data.Image) ([][]float32, error) {
	scores := make([][]float32, 0, len(images))
	for some := range slices.Chunk(images, p.batch) {
		if err := p.fill(some, len(scores)); err != nil {
			return nil, err
		}
		if _, err := p.net.Forward(ctx); err != nil {
			return nil, err
		}
		own := p.output.CountFrom(1) * len(p.crops)
		for i := range some {
			mean, err := p.mean(p.output.Data()[i*own:][:own])
			if err != nil {
				return nil, fmt.Errorf("image %d: %w", len(scores), err)
			}
			scores = append(scores, mean)
		}
	}
	return scores, nil
}

// mean returns the mean of the scores of the parts of an image.
func (p *Predictor) mean(of []float32) ([]float32, error) {
	classes := len(of) / len(p.crops)
	mean := make([]float32, classes)
	for k := range mean {
		sum := 0.0
		for i := k; i < len(of); i += classes {
			sum += float64(of[i])
		}
		if mean[k] = float32(sum / float64(len(p.crops))); mean[k] != mean[k] {
			return nil, errors.New("a score is NaN: the weights hold NaN or are those of a net that has diverged")
		}
	}
	return mean, nil
}

// Top returns the classes of the k highest scores, the highest first; of equal ones
// the first class comes first.
func Top(scores []float32, k int) []int {
	classes := make([]int, len(scores))
	for i := range classes {
		classes[i] = i
	}
	slices.SortStableFunc(classes, func(a, b int) int {
		switch {
		case scores[a] > scores[b]:
			return -1
		case scores[a] < scores[b]:
			return 1
		}
		return 0
	})
	return classes[:max(0, min(k, len(classes)))]
}
