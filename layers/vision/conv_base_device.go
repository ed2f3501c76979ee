package vision

import (
	_ "embed"
	"errors"
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed conv.ptx.gz
var convPTX string

//go:embed conv_sm80.ptx.gz
var convSM80PTX string

var (
	convKernels     = cuda.NewModule(convPTX)
	convSM80Kernels = cuda.NewModule(convSM80PTX)

	convForward = convKernel("conv_forward")
	convData    = convKernel("conv_data")
	convStrided = convKernel("conv_data_strided")
	convWeight  = convKernel("conv_weight")
)

// convKernel returns the kernels of a pass, indexed by precision and by whether a tile
// of the product has more than 64 rows.
func convKernel(name string) (k [3][2]*cuda.Kernel) {
	for i, tile := range []string{"_64", "_128"} {
		k[cuda.FP32][i] = convKernels.Kernel(name + tile)
		k[cuda.TF32][i] = convSM80Kernels.Kernel(name + tile + "_tf32")
		k[cuda.BF16][i] = convSM80Kernels.Kernel(name + tile + "_bf16")
	}
	return k
}

// convDevice is the geometry that the kernels need for a convolution of at most two
// spatial axes. A single axis is the second of two.
type convDevice struct {
	shape []int // of the bottoms that it is for

	c, h, w, o, oh, ow                   int // of a group
	kh, kw, strideH, strideW             int
	padH, padW, dilationH, dilationW     int
	groups, images                       int
	mulOut, shiftOut, mulOutW, shiftOutW uint32    // divide by oh·ow and by ow
	mulIn, shiftIn, mulInW, shiftInW     uint32    // divide by h·w and by w
	forward, backward                    blob.Blob // the taps, four ints each: see conv.h
	untold                               bool      // the geometry has changed since the last note
	told                                 string    // the text of the last note
}

// DeviceMode returns the mode that the shapes allow: layers with more than two spatial
// axes run on the host.
func (l *convBase) DeviceMode() layers.DeviceMode {
	if len(l.geometry.In) > 2 {
		return layers.OnHost
	}
	return layers.Recordable
}

// onDevice returns the geometry for the bottoms of the last Reshape.
func (l *convBase) onDevice() (*convDevice, error) {
	v, g := &l.device, &l.geometry
	if len(v.shape) == len(l.shape) && &v.shape[0] == &l.shape[0] {
		return v, nil
	}
	pair := func(values []int, absent int) (int, int) {
		switch len(values) {
		case 0:
			return absent, absent
		case 1:
			return absent, values[0]
		}
		return values[0], values[1]
	}
	v.groups, v.images = g.Group, g.Batch
	v.c, v.o = g.Channels/g.Group, g.Outputs/g.Group
	v.h, v.w = pair(g.In, 1)
	v.oh, v.ow = pair(l.conv.OutShape(), 1)
	v.kh, v.kw = pair(g.Kernel, 1)
	v.strideH, v.strideW = pair(g.Stride, 1)
	v.padH, v.padW = pair(g.Pad, 0)
	v.dilationH, v.dilationW = pair(g.Dilation, 1)
	v.mulOut, v.shiftOut = cuda.Divisor(v.oh * v.ow)
	v.mulOutW, v.shiftOutW = cuda.Divisor(v.ow)
	v.mulIn, v.shiftIn = cuda.Divisor(v.h * v.w)
	v.mulInW, v.shiftInW = cuda.Divisor(v.w)
	if err := v.makeTaps(); err != nil {
		return nil, err
	}
	v.shape, v.untold = l.shape, true
	return v, nil
}

// makeTaps fills the tables of taps.
func (v *convDevice) makeTaps() error {
	if err := v.forward.Reshape(v.c*v.kh*v.kw, 4); err != nil {
		return err
	}
	if err := v.backward.Reshape(v.o*v.kh*v.kw, 4); err != nil {
		return err
	}
	places := v.kh * v.kw
	fill := func(b *blob.Blob, at func(channel, y, x int) int, w func(channel int) int) {
		table := cuda.Ints(b.MutableData())
		for i := range len(table) / 4 {
			channel, place := i/places, i%places
			y, x := place/v.kw*v.dilationH, place%v.kw*v.dilationW
			table[4*i], table[4*i+1], table[4*i+2], table[4*i+3] = int32(at(channel, y, x)), int32(y), int32(x), int32(w(channel)+place)
		}
	}
	fill(&v.forward, func(c, y, x int) int { return (c*v.h+y)*v.w + x }, func(c int) int { return c * places })
	fill(&v.backward, func(o, _, _ int) int { return o * v.oh * v.ow }, func(o int) int { return o * v.c * places })
	return nil
}

// whole is the convolution of all groups, for cuDNN.
func (v *convDevice) whole() cuda.ConvolutionShape {
	return cuda.ConvolutionShape{N: v.images, C: v.c * v.groups, H: v.h, W: v.w, M: v.o * v.groups, OutH: v.oh, OutW: v.ow,
		KernelH: v.kh, KernelW: v.kw, PadH: v.padH, PadW: v.padW, StrideH: v.strideH, StrideW: v.strideW,
		DilationH: v.dilationH, DilationW: v.dilationW, Group: v.groups}
}

// large returns 1 if a product with the given number of rows uses the larger tiles.
func large(rows int) int {
	if rows > 64 {
		return 1
	}
	return 0
}

// grid returns the grid for a product of rows × columns in parts.
func convGrid(rows, columns, parts int) cuda.Grid {
	tile := 64 << large(rows)
	return cuda.Blocks((columns+127)/128, (rows+tile-1)/tile, parts)
}

// strided reports whether the kernel moves by more than one position.
func (v *convDevice) strided() bool { return v.strideH != 1 || v.strideW != 1 }

// errDirect is the reason of a layer that does not want cuDNN's algorithms.
var errDirect = errors.New("the engine is CAFFE")

// byDNN returns cuDNN's convolution, or nil to use gocaffe's kernels.
func (l *convBase) byDNN(d *cuda.Device, v *convDevice) *cuda.Convolution {
	var c *cuda.Convolution
	err := errDirect
	if !l.geometry.Direct {
		c, err = d.Convolution(v.whole())
	}
	if v.untold {
		l.tell(d, c, err)
	}
	return c
}

// tell sends a note that names the kernels of the passes if they have changed since the
// last note. err is the reason why they are not cuDNN's.
func (l *convBase) tell(d *cuda.Device, byDNN *cuda.Convolution, err error) {
	v, p := &l.device, d.Precision()
	v.untold = false
	data := &convData
	if v.strided() {
		data = &convStrided
	}
	text := fmt.Sprintf("kernels %s, %s, %s", convForward[p][large(v.o)].Name(), data[p][large(v.c)].Name(), convWeight[p][large(v.o)].Name())
	switch {
	case byDNN != nil:
		text = byDNN.String()
	case !errors.Is(err, cuda.ErrNoLibrary): // gocaffe device_query says why there is none
		text += fmt.Sprintf(", since %v", err)
	}
	if l.transposed {
		text = "gradient of a convolution: " + text
	}
	if text != v.told {
		v.told = text
		l.spec.Notef(event.Info, "%s", text)
	}
}

// weightOf returns the address of the kernels of a group.
func (l *convBase) weightOf(d *cuda.Device, group int, v *convDevice) cuda.Ptr {
	return l.Blobs[0].DeviceData(d).At(group * v.o * v.c * v.kh * v.kw)
}

// convolve sets y to the convolution of x, plus bias unless it is 0.
func (l *convBase) convolve(d *cuda.Device, v *convDevice, x, bias, y cuda.Ptr) {
	if c := l.byDNN(d, v); c != nil {
		c.Forward(x, l.weightOf(d, 0, v), y)
		if bias != 0 {
			d.ChannelScaleShift(v.images, v.o*v.groups, v.oh*v.ow, y, 0, bias, y)
		}
		return
	}
	for g := range v.groups {
		groupBias := bias
		if bias != 0 {
			groupBias = bias.At(g * v.o)
		}
		d.Launch(convForward[d.Precision()][large(v.o)], convGrid(v.o, v.images*v.oh*v.ow, 1),
			v.c, v.h, v.w, v.o, v.oh, v.ow, v.strideH, v.strideW, v.padH, v.padW, v.c*v.groups, v.o*v.groups,
			v.images, v.mulOut, v.shiftOut, v.mulOutW, v.shiftOutW, v.forward.DeviceData(d), v.c*v.kh*v.kw,
			x.At(g*v.c*v.h*v.w), l.weightOf(d, g, v), groupBias, y.At(g*v.o*v.oh*v.ow))
	}
}

// convolveBack sets dx to the gradient of the convolution's x, given that of y.
func (l *convBase) convolveBack(d *cuda.Device, v *convDevice, dy, dx cuda.Ptr) {
	if c := l.byDNN(d, v); c != nil {
		c.BackwardData(l.weightOf(d, 0, v), dy, dx)
		return
	}
	kernels := &convData
	if v.strided() {
		kernels = &convStrided
	}
	for g := range v.groups {
		d.Launch(kernels[d.Precision()][large(v.c)], convGrid(v.c, v.images*v.h*v.w, 1),
			v.c, v.h, v.w, v.o, v.oh, v.ow, v.strideH, v.strideW, v.padH, v.padW, v.c*v.groups, v.o*v.groups,
			v.images, v.mulIn, v.shiftIn, v.mulInW, v.shiftInW, v.backward.DeviceData(d), v.o*v.kh*v.kw,
			dy.At(g*v.o*v.oh*v.ow), l.weightOf(d, g, v), v.kh*v.kw, dx.At(g*v.c*v.h*v.w))
	}
}

// addWeightDiff adds the gradient of the kernels to their diff, given the convolution's
// x and the gradient of its y.
func (l *convBase) addWeightDiff(d *cuda.Device, v *convDevice, x, dy cuda.Ptr) {
	dw := l.Blobs[0].MutableDeviceDiff(d)
	if c := l.byDNN(d, v); c != nil {
		c.BackwardWeights(x, dy, dw)
		return
	}
	for g := range v.groups {
		weightDevice(d, v, x.At(g*v.c*v.h*v.w), dy.At(g*v.o*v.oh*v.ow), dw.At(g*v.o*v.c*v.kh*v.kw))
	}
}

// weightDevice adds to the diff of a group's kernels. The sum over all positions in all
// images is split into parts; the sizes alone determine how.
func weightDevice(d *cuda.Device, v *convDevice, x, dy, dw cuda.Ptr) {
	const enough, least = 512, 512 // blocks that keep a device busy; terms from which on a part pays off
	taps, terms := v.c*v.kh*v.kw, v.images*v.oh*v.ow
	tile := 64 << large(v.o)
	tiles := (taps + 127) / 128 * ((v.o + tile - 1) / tile)
	parts := max(1, min(enough/tiles, terms/least))
	per := ((terms+parts-1)/parts + 7) / 8 * 8
	parts = max(1, (terms+per-1)/max(1, per))
	to := dw
	if parts > 1 {
		to = d.Scratch(parts * v.o * taps)
	}
	d.Launch(convWeight[d.Precision()][large(v.o)], convGrid(v.o, taps, parts),
		v.c, v.h, v.w, v.o, v.oh, v.ow, v.strideH, v.strideW, v.padH, v.padW, v.c*v.groups, v.o*v.groups,
		v.images, v.mulOut, v.shiftOut, v.mulOutW, v.shiftOutW, v.forward.DeviceData(d), taps,
		x, dy, per, to)
	if parts > 1 {
		d.SumParts(parts, v.o*taps, to, 1, dw)
	}
}
