package ssd

import (
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/boxes"
	"github.com/gocaffe/gocaffe/parallel"
)

// predictions describes what DetectionOutput and MultiBoxLoss read: locations N x (P L
// 4), confidences N x (P C), and priors 1 x 2 x 4P, for N images, P priors, C classes,
// and L = 1 or C locations of each prior.
type predictions struct {
	spec     *layers.Spec
	classes  int // C
	lists    int // L
	code     boxes.Code
	variance bool // whether the code uses variances

	n, p int
}

// newPredictions reads the options that both types have.
func newPredictions(s *layers.Spec, message string, classes int, share bool, code string, encoded bool) (predictions, error) {
	if classes < 1 || classes > 1<<20 {
		if !s.HasOption("num_classes") {
			return predictions{}, s.Errorf(message, "%s.num_classes is not set", message)
		}
		return predictions{}, s.Errorf(message+".num_classes", "num_classes is %d, want 1 to %d", classes, 1<<20)
	}
	p := predictions{spec: s, classes: classes, lists: 1, variance: !encoded}
	if !share {
		p.lists = classes
	}
	p.code = map[string]boxes.Code{"CORNER": boxes.Corner, "CENTER_SIZE": boxes.CenterSize, "CORNER_SIZE": boxes.CornerSize}[code]
	return p, nil
}

// reshape takes the sizes of the three bottoms and checks that they match.
func (p *predictions) reshape(bottom []*blob.Blob) error {
	for i, b := range bottom[:3] {
		if b.Axes() < 2 {
			return p.spec.ErrorAt("bottom", i, fmt.Errorf("bottom %d has shape %v, want at least 2 axes", i, b.Shape()))
		}
	}
	prior := bottom[2]
	if prior.Axes() < 3 || prior.Dim(0) != 1 || prior.Dim(1) != 2 || prior.CountFrom(2)%4 != 0 || prior.Count() == 0 {
		return p.spec.ErrorAt("bottom", 2, fmt.Errorf("priors have shape %v, want 1 x 2 x 4P for P boxes", prior.Shape()))
	}
	p.n, p.p = bottom[0].Dim(0), prior.CountFrom(2)/4
	if n := bottom[1].Dim(0); n != p.n {
		return p.spec.ErrorAt("bottom", 1, fmt.Errorf("there are confidences of %d images and locations of %d", n, p.n))
	}
	for i, want := range []int{p.p * p.lists * 4, p.p * p.classes} {
		if got := bottom[i].CountFrom(1); got != want {
			return p.spec.ErrorAt("bottom", i, fmt.Errorf("bottom %d has shape %v and so %d elements of an image, want %d for %d priors and %d classes",
				i, bottom[i].Shape(), got, want, p.p, p.classes))
		}
	}
	return nil
}

// check returns an error about a prior that the code cannot decode.
func (p *predictions) check(priors []float32) error {
	for i := range p.p {
		if err := p.code.CheckPrior(boxes.From(priors[4*i:])); err != nil {
			return p.spec.ErrorAt("bottom", 2, fmt.Errorf("prior %d: %w", i, err))
		}
	}
	return nil
}

// prior returns prior i with the variances of the code.
func (p *predictions) prior(priors []float32, i int) (boxes.Box, [4]float32) {
	v := boxes.NoVariance
	if p.variance {
		v = [4]float32(priors[4*(p.p+i):])
	}
	return boxes.From(priors[4*i:]), v
}

// decodeArgs are the arguments of decodeLoop.
type decodeArgs struct {
	*predictions
	locations, priors []float32
	skip              int         // list that is not needed, -1 for none
	decoded           []boxes.Box // (n,lists,p)
}

// decodeLoop decodes the boxes of prior i/n of image i%n.
var decodeLoop = parallel.Loop[decodeArgs]{Body: func(a *decodeArgs, _, from, to int) {
	for i := from; i < to; i++ {
		image, k := i/a.p, i%a.p
		prior, variance := a.prior(a.priors, k)
		for list := range a.lists {
			if list != a.skip {
				a.decoded[(image*a.lists+list)*a.p+k] = a.code.Decode(prior, variance, [4]float32(a.locations[(i*a.lists+list)*4:]))
			}
		}
	}
}}

// decode sets decoded to the boxes of all images.
func (p *predictions) decode(a decodeArgs) error {
	if err := p.check(a.priors); err != nil {
		return err
	}
	a.predictions = p
	decodeLoop.Run(p.spec.Env.Workers, p.n*p.p, 1+512/p.lists, a)
	return nil
}
