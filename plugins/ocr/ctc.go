package ocr

import (
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
)

// sequences is the part of CTCLoss and CTCGreedyDecoder that they have in common: n
// sequences of at most t steps, with scores of classes in each.
type sequences struct {
	spec    *layers.Spec
	field   string // the layer's options
	option  int    // blank_index
	t, n, c int
	blank   int
}

// reshape checks the bottoms: scores, markers and perhaps labels.
func (s *sequences) reshape(bottom []*blob.Blob) error {
	x := bottom[0]
	if x.Axes() < 3 || x.CountFrom(3) != 1 || x.Count() == 0 {
		return s.spec.ErrorAt("bottom", 0, fmt.Errorf("bottom 0 has shape %v, want steps x sequences x classes, none of them 0", x.Shape()))
	}
	s.t, s.n, s.c = x.Dim(0), x.Dim(1), x.Dim(2)
	for i, what := range []string{"the markers", "the labels"}[:len(bottom)-1] {
		if b := bottom[1+i]; b.Axes() < 2 || b.Dim(0) != s.t || b.Dim(1) != s.n || b.CountFrom(2) != 1 {
			return s.spec.ErrorAt("bottom", 1+i, fmt.Errorf("bottom %d, %s, has shape %v, want [%d %d]", 1+i, what, b.Shape(), s.t, s.n))
		}
	}
	if s.option >= s.c {
		return s.spec.Errorf(s.field+".blank_index", "blank_index is %d, want less than %d, the number of classes", s.option, s.c)
	}
	s.blank = s.option
	if s.blank < 0 {
		s.blank = s.c - 1
	}
	return nil
}

// length returns the number of steps of sequence i: it ends before the first marker 0
// after step 0.
func (s *sequences) length(markers []float32, i int) int {
	for t := 1; t < s.t; t++ {
		if int(markers[t*s.n+i]+0.5) == 0 {
			return t
		}
	}
	return s.t
}

// labels returns the number of labels of sequence i: they end before the first negative
// number.
func (s *sequences) labels(labels []float32, i int) int {
	for t := range s.t {
		if labels[t*s.n+i] < 0 {
			return t
		}
	}
	return s.t
}
