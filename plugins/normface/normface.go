// Package normface provides the layers of NormFace's nets that Caffe lacks:
// Normalize, InnerDistance, GeneralContrastiveLoss, GeneralTripletLoss,
// LabelSpecificAdd, LabelSpecificRescale and Flip. NormFace's options for Caffe's
// own layers are built in.
//
//	import _ "github.com/gocaffe/gocaffe/plugins/normface"
//
// The layers behave like the CPU code of github.com/happynear/caffe-windows,
// branch ms. The paper is Wang, Xiang, Cheng, Yuille, "NormFace: L2 Hypersphere
// Embedding for Face Verification" (ACM Multimedia 2017).
package normface

import (
	"embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed *.proto
var schemas embed.FS

// legacy returns the four sizes of a blob of at most four axes. Missing axes have
// size 1.
func legacy(s *layers.Spec, b *blob.Blob) (n, c, h, w int, err error) {
	size := [4]int{1, 1, 1, 1}
	if b.Axes() > len(size) {
		return 0, 0, 0, 0, s.Errorf("bottom", "bottom has shape %v, want at most 4 axes", b.Shape())
	}
	copy(size[:], b.Shape())
	return size[0], size[1], size[2], size[3], nil
}
