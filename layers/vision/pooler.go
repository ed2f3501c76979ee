package vision

import (
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

// pooler pools the windows of images. Pooling has one, SPP one for each level.
type pooler struct {
	spec   *layers.Spec
	method caffepb.PoolingParameter_PoolMethod
	floor  bool        // round_mode
	rand   layers.Rand // for STOCHASTIC
	masked bool        // there is a backward pass or a top for the mask

	before layers.Deferrer   // whose map forward computes of x; nil for none
	input  kernel.ChannelMap // that map

	g        kernel.PoolParams
	channels int     // of an item
	mask     []int32 // position in its image of each maximum or sampled element; nil if nothing reads it

	onDevice blob.Blob // the mask on a device, as ints
}

// newPooler returns a pooler for one of the three methods. Each pooler of a layer must
// have its own purpose.
func newPooler(s *layers.Spec, method caffepb.PoolingParameter_PoolMethod, purpose string) pooler {
	masked := !s.Env.Inference || len(s.Param.GetTop()) > 1
	return pooler{spec: s, method: method, rand: s.Rand(purpose), masked: masked}
}

// draws reports whether elements are sampled at random: STOCHASTIC in training.
func (l *pooler) draws() bool {
	return l.method == caffepb.PoolingParameter_STOCHASTIC && l.spec.Env.Phase == caffepb.Phase_TRAIN
}

// weighs reports whether the elements of a window are their own weights: STOCHASTIC in
// TEST.
func (l *pooler) weighs() bool {
	return l.method == caffepb.PoolingParameter_STOCHASTIC && l.spec.Env.Phase == caffepb.Phase_TEST
}

// measure computes the number of windows in x, given their size.
func (l *pooler) measure(x *blob.Blob) error {
	if x.Axes() != 4 {
		return l.spec.Errorf("bottom", "bottom has shape %v, want 4 axes: items, channels, height, width", x.Shape())
	}
	g := &l.g
	g.Planes, g.H, g.W, l.channels = x.CountRange(0, 2), x.Dim(2), x.Dim(3), x.Dim(1)
	g.OutH, g.OutW = l.outSize(g.H, g.KernelH, g.PadH, g.StrideH), l.outSize(g.W, g.KernelW, g.PadW, g.StrideW)
	if g.OutH < 1 || g.OutW < 1 || g.H < 1 || g.W < 1 {
		return l.spec.Errorf("bottom", "bottom has shape %v, too small for windows of %d x %d with pad %d, %d",
			x.Shape(), g.KernelH, g.KernelW, g.PadH, g.PadW)
	}
	return nil
}

// outSize returns the number of windows along an axis.
func (l *pooler) outSize(size, kernel, pad, stride int) int {
	if stride == 0 {
		return 0 // an image without pixels
	}
	room := float64(size + 2*pad - kernel)
	n := int(math.Ceil(room/float64(stride))) + 1
	if l.floor {
		n = int(math.Floor(room/float64(stride))) + 1
	}
	if (l.g.PadH > 0 || l.g.PadW > 0) && (n-1)*stride >= size+pad {
		n--
	}
	return n
}

// forward computes y from x.
func (l *pooler) forward(x, y []float32) {
	w := l.spec.Env.Workers
	if l.method == caffepb.PoolingParameter_MAX && l.masked || l.draws() {
		l.mask = layers.Resize(l.mask, len(y))
	}
	var input *kernel.ChannelMap
	if l.before != nil {
		l.input = l.before.DeferredMap()
		input = &l.input
	}
	switch {
	case l.method == caffepb.PoolingParameter_MAX:
		kernel.MaxPoolForwardMap(w, l.g, input, l.channels, x, y, l.mask)
	case l.method == caffepb.PoolingParameter_AVE:
		kernel.AvePoolForwardMap(w, l.g, input, l.channels, x, y)
	case l.draws():
		kernel.PhiloxUniform(w, l.rand.Key(), l.spec.Env.Stream(), 0, 0, 1, y)
		drawLoop.Run(w, l.g.Planes, planesPerPart(&l.g), stochastic{g: &l.g, x: x, y: y, mask: l.mask})
	default:
		weighLoop.Run(w, l.g.Planes, planesPerPart(&l.g), stochastic{g: &l.g, x: x, y: y})
	}
}

// backward computes dx from the diff of y and, if the pooler weighs, from the data of x
// and y.
func (l *pooler) backward(x, y *blob.Blob, dx []float32) {
	w, dy := l.spec.Env.Workers, y.Diff()
	switch {
	case l.method == caffepb.PoolingParameter_AVE:
		kernel.AvePoolBackward(w, l.g, dy, dx)
	case l.weighs():
		weighBackLoop.Run(w, l.g.Planes, planesPerPart(&l.g), stochastic{g: &l.g, x: x.Data(), y: y.Data(), dy: dy, dx: dx})
	default:
		kernel.MaxPoolBackward(w, l.g, l.mask, dy, dx)
	}
}
