// Package ssd provides the layers of SSD that Caffe lacks: Permute, Normalize,
// PriorBox, DetectionOutput, MultiBoxLoss, SmoothL1Loss, DetectionEvaluate and
// AnnotatedData.
//
//	import _ "github.com/gocaffe/gocaffe/plugins/ssd"
//
// The layers behave like the CPU code of github.com/weiliu89/caffe, branch ssd. The
// paper is Liu et al., "SSD: Single Shot MultiBox Detector" (ECCV 2016).
package ssd

import (
	"embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed *.proto
var schemas embed.FS

// plane returns the height and the width of a blob of at most four axes. Missing axes
// have size 1.
func plane(s *layers.Spec, bottom []*blob.Blob, i int) (h, w int, err error) {
	b := bottom[i]
	if b.Axes() > 4 {
		return 0, 0, s.Errorf("bottom", "bottom %d has shape %v, want at most 4 axes", i, b.Shape())
	}
	h, w = 1, 1
	if b.Axes() > 2 {
		h = b.Dim(2)
	}
	if b.Axes() > 3 {
		w = b.Dim(3)
	}
	return h, w, nil
}
