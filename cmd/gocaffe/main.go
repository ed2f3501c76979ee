// Gocaffe trains, tests and times Caffe's nets. A program with further layers
// is this file with their packages among the imports.
package main

import (
	gocaffecmd "github.com/gocaffe/gocaffe/cmd"

	_ "github.com/gocaffe/gocaffe/layers/all"
	_ "github.com/gocaffe/gocaffe/plugins/all"
)

func main() {
	gocaffecmd.Main()
}
