// Package all links the layers of every plugin of this repository into a
// program:
//
//	import _ "github.com/gocaffe/gocaffe/plugins/all"
package all

import (
	_ "github.com/gocaffe/gocaffe/plugins/asoftmax"
	_ "github.com/gocaffe/gocaffe/plugins/bn"
	_ "github.com/gocaffe/gocaffe/plugins/c3d"
	_ "github.com/gocaffe/gocaffe/plugins/cascade"
	_ "github.com/gocaffe/gocaffe/plugins/centerloss"
	_ "github.com/gocaffe/gocaffe/plugins/emsoftmax"
	_ "github.com/gocaffe/gocaffe/plugins/lsoftmax"
	_ "github.com/gocaffe/gocaffe/plugins/mobile"
	_ "github.com/gocaffe/gocaffe/plugins/normface"
	_ "github.com/gocaffe/gocaffe/plugins/nvcaffe"
	_ "github.com/gocaffe/gocaffe/plugins/ocr"
	_ "github.com/gocaffe/gocaffe/plugins/rcnn"
	_ "github.com/gocaffe/gocaffe/plugins/segmentation"
	_ "github.com/gocaffe/gocaffe/plugins/senet"
	_ "github.com/gocaffe/gocaffe/plugins/ssd"
	_ "github.com/gocaffe/gocaffe/plugins/yolo"
)
