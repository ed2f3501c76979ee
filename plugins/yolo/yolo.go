// Package yolo implements layers of YOLO nets, as MobileNet-YOLO has them. Linking the
// package is all it takes:
//
//	import _ "github.com/gocaffe/gocaffe/plugins/yolo"
package yolo

import "embed"

//go:embed *.proto
var schemas embed.FS
