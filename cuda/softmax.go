package cuda

import _ "embed"

//go:embed kernel/softmax.ptx.gz
var softmaxPTX string

var (
	softmaxModule         = NewModule(softmaxPTX)
	softmaxRows           = softmaxModule.Kernel("softmax_rows")
	softmaxRowsBackward   = softmaxModule.Kernel("softmax_rows_backward")
	softmaxPlaces         = softmaxModule.Kernel("softmax_places")
	softmaxPlacesBackward = softmaxModule.Kernel("softmax_places_backward")
)

// blocksForRows tells whether a row of classes is worth a block.
func blocksForRows(classes, inner int) bool { return inner == 1 && classes >= 64 }

// Softmax sets y to exp(x)/Σ exp(x) over the classes of arrays of outer × classes
// × inner numbers. y may be x.
func (d *Device) Softmax(x, y Ptr, outer, classes, inner int) {
	if classes == 0 || inner == 0 {
		return
	}
	if blocksForRows(classes, inner) {
		d.Launch(softmaxRows, Blocks(outer, 1, 1), x, y, classes)
		return
	}
	d.Launch(softmaxPlaces, Each(outer*inner), x, y, classes, inner, outer*inner)
}

// SoftmaxBackward sets dx to (dy - Σ dy·y)·y, with the sum over the classes. dx may
// be dy.
func (d *Device) SoftmaxBackward(y, dy, dx Ptr, outer, classes, inner int) {
	if classes == 0 || inner == 0 {
		return
	}
	if blocksForRows(classes, inner) {
		d.Launch(softmaxRowsBackward, Blocks(outer, 1, 1), y, dy, dx, classes)
		return
	}
	d.Launch(softmaxPlacesBackward, Each(outer*inner), y, dy, dx, classes, inner, outer*inner)
}
