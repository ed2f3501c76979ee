package layers

import (
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
)

//go:embed lossweights.ptx.gz
var lossWeightsPTX string

var lossWeightsApply = cuda.NewModule(lossWeightsPTX).Kernel("loss_weights_apply")

// ReadDevice takes the third bottom, if there is one, at the start of a pass on a device.
func (w *LossWeights) ReadDevice(bottom []*blob.Blob) {
	if w != nil && w.per > 0 {
		w.bottom = bottom[2]
	}
}

// ApplyDevice multiplies n terms or gradients v on a device, which are (outer, groups,
// classes, inner), with their weights. class is the address of the classes of the outer
// x inner labels; if it is 0, v has a label for each number, and axis classes says which
// class it is.
func (w *LossWeights) ApplyDevice(d *cuda.Device, class cuda.Ptr, groups, classes, inner, n int, v cuda.Ptr) {
	if w == nil {
		return
	}
	var classWeights, itemWeights cuda.Ptr
	if w.classes != nil {
		classWeights = w.device.DeviceData(d)
	}
	if w.per > 0 {
		itemWeights = w.bottom.DeviceData(d)
	}
	d.Launch(lossWeightsApply, cuda.Each(n), v, class, classWeights, itemWeights, max(1, w.per), groups, classes, inner, n)
}
