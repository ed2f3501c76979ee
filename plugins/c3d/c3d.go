// Package c3d provides the layers of C3D, a fork of Caffe for videos: convolution,
// deconvolution and pooling of N x C x length x height x width, and VideoData, which reads
// clips. Linking the package is all it takes:
//
//	import _ "github.com/gocaffe/gocaffe/plugins/c3d"
//
// The forks are github.com/facebookarchive/C3D, C3D-v1.0 and C3D-v1.1; the paper is Tran
// et al., "Learning Spatiotemporal Features with 3D Convolutional Networks" (ICCV 2015).
package c3d

import "embed"

//go:embed *.proto
var schemas embed.FS
