package layers

import (
	_ "embed"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
)

//go:embed lossnorm.ptx.gz
var lossNormPTX string

var lossNormMean = cuda.NewModule(lossNormPTX).Kernel("loss_norm_mean")

// DeviceNormalizer returns what Normalizer does, or 0 if that depends on the number of
// places that count, which only the device knows.
func (n LossNorm) DeviceNormalizer(outer, inner int) float32 {
	if n.mode == caffepb.LossParameter_VALID {
		return 0
	}
	return n.Normalizer(outer, inner, 0)
}

// MeanDevice sets loss to the sum of n terms divided by a normalizer of
// DeviceNormalizer. If that is 0, they are divided by the int at valid, or by 1 if it is
// less.
func MeanDevice(d *cuda.Device, n int, terms cuda.Ptr, normalizer float32, valid, loss cuda.Ptr) {
	d.ChannelSum(1, 1, n, terms, 0, loss)
	d.Launch(lossNormMean, cuda.Each(1), loss, normalizer, valid)
}
