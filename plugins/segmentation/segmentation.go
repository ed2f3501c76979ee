// Package segmentation implements the layers of nets that label every pixel: SegNet's,
// ENet's, PSPNet's and DeepLab's. Linking the package is all it takes:
//
//	import _ "github.com/gocaffe/gocaffe/plugins/segmentation"
package segmentation

import "embed"

//go:embed *.proto
var schemas embed.FS
