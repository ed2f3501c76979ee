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

// blocksForRows reports whether it pays off to use a block for each row of channels.
func blocksForRows(channels, inner int) bool { return inner == 1 && channels >= 64 }

// Softmax sets y to exp(x)/Σ exp(x), where the sum is over the channels. x and y
// are (outer,channels,inner). y may be x.
func (d *Device) Softmax(outer, channels, inner int, x, y Ptr) {
	if channels == 0 || inner == 0 {
		return
	}
	if blocksForRows(channels, inner) {
		d.Launch(softmaxRows, Blocks(outer, 1, 1), x, y, channels)
		return
	}
	d.Launch(softmaxPlaces, Each(outer*inner), x, y, channels, inner, outer*inner)
}

// SoftmaxBackward sets dx to the gradient of Softmax, (dy - Σ dy y) y, where the
// sum is over the channels. y is the output of Softmax; y, dy and dx are
// (outer,channels,inner). dx may be dy.
func (d *Device) SoftmaxBackward(outer, channels, inner int, y, dy, dx Ptr) {
	if channels == 0 || inner == 0 {
		return
	}
	if blocksForRows(channels, inner) {
		d.Launch(softmaxRowsBackward, Blocks(outer, 1, 1), y, dy, dx, channels)
		return
	}
	d.Launch(softmaxPlacesBackward, Each(outer*inner), y, dy, dx, channels, inner, outer*inner)
}
