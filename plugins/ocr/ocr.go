// Package ocr implements layers of nets that find and read text: those of CTPN, and the
// loss and the decoder of connectionist temporal classification. Linking the package is
// all it takes:
//
//	import _ "github.com/gocaffe/gocaffe/plugins/ocr"
package ocr

import "embed"

//go:embed *.proto
var schemas embed.FS
