package activation

import (
	_ "embed"

	"github.com/gocaffe/gocaffe/cuda"
)

//go:embed sigmoid.ptx.gz
var sigmoidPTX string

var sigmoidKernels = cuda.NewModule(sigmoidPTX)
