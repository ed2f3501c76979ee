// Package cascade provides the layers of MS-CNN and Cascade R-CNN that Caffe and
// package rcnn lack, such as ROIAlign.
//
//	import _ "github.com/gocaffe/gocaffe/plugins/cascade"
//
// The layers behave like the code of github.com/zhaoweicai/cascade-rcnn. The papers are
// Cai et al., "A Unified Multi-scale Deep Convolutional Neural Network for Fast Object
// Detection" (ECCV 2016), and Cai and Vasconcelos, "Cascade R-CNN: Delving into High
// Quality Object Detection" (CVPR 2018).
package cascade

import "embed"

//go:embed *.proto
var schemas embed.FS
