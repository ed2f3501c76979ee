package activation

import (
	_ "embed"

	"github.com/gocaffe/gocaffe/cuda"
)

//go:embed tanh.ptx.gz
var tanhPTX string

var tanhKernels = cuda.NewModule(tanhPTX)
