// Package rcnn provides the layers of the R-CNN family that Caffe lacks: ROIPooling,
// SmoothL1Loss and Proposal of Fast and Faster R-CNN, PSROIPooling and BoxAnnotatorOHEM
// of R-FCN, and the classes of py-faster-rcnn that nets name in layers of type Python.
//
//	import _ "github.com/gocaffe/gocaffe/plugins/rcnn"
//
// The layers behave like the code of github.com/rbgirshick/caffe-fast-rcnn, branch
// faster-rcnn, of github.com/rbgirshick/py-faster-rcnn and of
// github.com/daijifeng001/caffe-rfcn, branch r-fcn. The papers are
// Girshick, "Fast R-CNN" (ICCV 2015), Ren et al., "Faster R-CNN" (NIPS 2015), and Dai et
// al., "R-FCN" (NIPS 2016).
package rcnn

import (
	"embed"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
)

//go:embed *.proto
var schemas embed.FS

// round returns the nearest whole number, of two the one further from 0.
func round(v float32) float32 { return float32(math.Round(float64(v))) }

// clip returns v as a number from 0 to limit. NaN is 0.
func clip(v float32, limit int) int {
	switch {
	case !(v > 0):
		return 0
	case v > float32(limit):
		return limit
	}
	return int(v)
}

// clearDiffs sets the diffs of the bottoms to 0 that are asked for though they have no
// gradient, from bottom first on: a Python layer may compute ROIs from what has one.
func clearDiffs(propagateDown []bool, bottom []*blob.Blob, first int) {
	for i := first; i < len(bottom); i++ {
		if propagateDown[i] {
			clear(bottom[i].MutableDiff())
		}
	}
}

// clearDiffsDevice does what clearDiffs does on a device.
func clearDiffsDevice(d *cuda.Device, propagateDown []bool, bottom []*blob.Blob, first int) {
	for i := first; i < len(bottom); i++ {
		if propagateDown[i] {
			d.Zero(bottom[i].Count(), bottom[i].MutableDeviceDiff(d))
		}
	}
}
