package loss

import (
	_ "embed"

	"github.com/gocaffe/gocaffe/cuda"
)

//go:embed loss.ptx.gz
var lossPTX string

var (
	lossKernels    = cuda.NewModule(lossPTX)
	lossDifference = lossKernels.Kernel("loss_difference")
)
