// Package all links every plugin that comes with gocaffe into a program:
//
//	import _ "github.com/gocaffe/gocaffe/plugins/all"
package all
