// Package yolo implements layers of YOLO nets, as MobileNet-YOLO has them. Linking the
// package is all it takes:
//
//	import _ "github.com/gocaffe/gocaffe/plugins/yolo"
package yolo

import "embed"

//go:embed *.proto
var schemas embed.FS

// schema returns the text of a .proto file of this package.
func schema(name string) string {
	text, err := schemas.ReadFile(name)
	if err != nil {
		panic("yolo: " + err.Error())
	}
	return string(text)
}
