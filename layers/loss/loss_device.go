package loss

import (
	_ "embed"

	"github.com/gocaffe/gocaffe/cuda"
)

//go:embed loss.ptx.gz
var lossPTX string

var (
	lossKernels    = cuda.NewModule(lossPTX)
	lossTop        = lossKernels.Kernel("loss_top")
	lossDifference = lossKernels.Kernel("loss_difference")
	lossLogTerms   = lossKernels.Kernel("loss_log_terms")
)
