package kernel

import (
	"fmt"

	"github.com/gocaffe/gocaffe/internal/kernel/norm"
	"github.com/gocaffe/gocaffe/internal/kernel/pool"
	"github.com/gocaffe/gocaffe/parallel"
)

// PoolParams is the geometry of a two-dimensional pooling, as in Caffe's
// pooling_layer.cpp: it turns images of shape (Planes,H,W) into images of shape
// (Planes,OutH,OutW), where Planes counts all channels of all items. Windows end
// at the right and bottom edges of the padded image; for an average the padding
// within the window counts as zeros. A window that covers nothing but padding is
// allowed: its maximum is -MaxFloat32 with a mask of -1, its average is 0.
type PoolParams struct {
	Planes, H, W, OutH, OutW, KernelH, KernelW, PadH, PadW, StrideH, StrideW int
}

// MaxPoolForward sets y to the largest element of each window and mask to its
// index within the plane: of equal ones the first, -1 if there is none. x is
// (Planes,H,W); y and mask are (Planes,OutH,OutW). A nil mask, for passes without a
// gradient, is left out.
func MaxPoolForward(p *parallel.Pool, g PoolParams, x, y []float32, mask []int32) {
	pool.MaxForward(p, pool.Params(g), pool.Input{}, x, y, mask)
}

// MaxPoolForwardMap is MaxPoolForward of the map m of x, as if that were computed before; a nil m
// leaves x as it is. An item of x has the given number of channels, each a plane.
func MaxPoolForwardMap(p *parallel.Pool, g PoolParams, m *ChannelMap, channels int, x, y []float32, mask []int32) {
	pool.MaxForward(p, pool.Params(g), poolInput(g.Planes, m, channels), x, y, mask)
}

// MaxPoolBackward sets dx to the gradient of MaxPoolForward: each dy is added to
// the element that its mask points to. A mask outside the plane points to none.
// mask and dy are (Planes,OutH,OutW), dx is (Planes,H,W).
func MaxPoolBackward(p *parallel.Pool, g PoolParams, mask []int32, dy, dx []float32) {
	pool.MaxBackward(p, pool.Params(g), mask, dy, dx)
}

// AvePoolForward sets y to the mean of each window. x is (Planes,H,W), y is
// (Planes,OutH,OutW).
func AvePoolForward(p *parallel.Pool, g PoolParams, x, y []float32) {
	pool.AveForward(p, pool.Params(g), pool.Input{}, x, y)
}

// AvePoolForwardMap is AvePoolForward of the map m of x, as if that were computed before; a nil m
// leaves x as it is. An item of x has the given number of channels, each a plane.
func AvePoolForwardMap(p *parallel.Pool, g PoolParams, m *ChannelMap, channels int, x, y []float32) {
	pool.AveForward(p, pool.Params(g), poolInput(g.Planes, m, channels), x, y)
}

// poolInput returns the map m of planes as the input of a pass, or none if m is nil.
func poolInput(planes int, m *ChannelMap, channels int) pool.Input {
	if m == nil {
		return pool.Input{}
	}
	if planes > 0 && channels < 1 {
		panic(fmt.Sprintf("kernel: a map of %d channels for %d planes", channels, planes))
	}
	return pool.Input{Map: (*norm.ChannelMap)(m), Channels: channels}
}

// AvePoolBackward sets dx to the gradient of AvePoolForward: each dy is divided
// equally among the elements of its window. dy is (Planes,OutH,OutW), dx is
// (Planes,H,W).
func AvePoolBackward(p *parallel.Pool, g PoolParams, dy, dx []float32) {
	pool.AveBackward(p, pool.Params(g), dy, dx)
}
