// Package all links every built-in layer type into a program:
//
//	import _ "github.com/gocaffe/gocaffe/layers/all"
package all

import (
	_ "github.com/gocaffe/gocaffe/layers/activation"
	_ "github.com/gocaffe/gocaffe/layers/common"
	_ "github.com/gocaffe/gocaffe/layers/datalayer"
	_ "github.com/gocaffe/gocaffe/layers/loss"
	_ "github.com/gocaffe/gocaffe/layers/python"
	_ "github.com/gocaffe/gocaffe/layers/recurrent"
	_ "github.com/gocaffe/gocaffe/layers/utility"
	_ "github.com/gocaffe/gocaffe/layers/vision"
)
