package c3d

import (
	"context"
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Pooling3D",
		Group: "vision",
		Plugin: &layers.Plugin{
			Field:   "pooling3d_param",
			Number:  6662,
			Proto:   layers.Schema(schemas, "pooling3d.proto"),
			Message: "Pooling3DParameter",
		},
		Extends: "message PoolingParameter { optional uint32 kernel_depth = 1; optional uint32 temporal_stride = 2 [default = 1]; }",
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New:     newPooling,
		Kernels: poolingKernels,
		Doc: `The maximum or the mean of each window of a clip.

The size of y is (size + 2 pad - kernel_size) / stride + 1 along height and width and (length - kernel_depth) /
temporal_stride + 1 along the length, rounded up. Windows are clipped at the end of the padded clip. The mean is over the
part of a window in the padded clip, where the padding counts as 0. The first of equal maxima gets the gradient.

Bottom: x, N x C x length x height x width.
Top: y, N x C x length x height x width.

pooling3d_param:
	pool (MAX): MAX or AVE; as in C3D, there is no STOCHASTIC
	kernel_size, stride (1): of height and width
	pad (0): of height and width, for AVE
	kernel_depth, temporal_stride (1): of the length

pooling_param:
	kernel_depth, temporal_stride and the others: as above, in nets of C3D-v1.0

Source: github.com/facebookarchive/C3D, pool3d_layer.cpp. Differs from it: there, all of equal maxima get the whole
gradient.`,
	})
}

// pooling implements the layer type; its registration describes it.
type pooling struct {
	layers.OnRecordableDevice
	spec *layers.Spec
	window
	ave bool

	planes   int // items times channels
	in, out  [3]int
	mask     []int32 // the place of each maximum in its volume
	onDevice blob.Blob
	forward  parallel.Loop[poolingArgs]
	backward parallel.Loop[poolingArgs]
}

// window is the size of windows and what is between them: of the length, the height and
// the width.
type window struct{ kernel, stride, pad [3]int }

type poolingArgs struct{ bottom, top []float32 }

var (
	_ layers.Layer          = (*pooling)(nil)
	_ layers.BackwardReader = (*pooling)(nil)
)

// poolingOptions are the options of C3D-v1.1.
type poolingOptions struct {
	Pool           string `proto:"pool"`
	Kernel         uint32 `proto:"kernel_size"`
	Stride         uint32 `proto:"stride"`
	Pad            uint32 `proto:"pad"`
	Depth          uint32 `proto:"kernel_depth"`
	TemporalStride uint32 `proto:"temporal_stride"`
}

func newPooling(s *layers.Spec) (layers.Layer, error) {
	field, o := "pooling3d_param", new(poolingOptions)
	given, err := s.OptionsIn(field, o)
	if err == nil && !given {
		field = "pooling_param"
		o, err = oldPooling(s)
	}
	switch {
	case err != nil:
		return nil, err
	case o.Kernel == 0 || o.Depth == 0:
		return nil, s.Errorf(field, "kernel_size is %d and kernel_depth %d, want both", o.Kernel, o.Depth)
	case o.Stride == 0 || o.TemporalStride == 0:
		return nil, s.Errorf(field, "stride is %d and temporal_stride %d, want 1 or more", o.Stride, o.TemporalStride)
	case max(o.Kernel, o.Depth, o.Stride, o.TemporalStride) > math.MaxInt16:
		return nil, s.Errorf(field, "a size or stride is above %d", math.MaxInt16)
	case o.Pool == "STOCHASTIC":
		return nil, s.Errorf(field+".pool", "C3D has no STOCHASTIC pooling, want MAX or AVE")
	case o.Pad != 0 && o.Pool != "AVE":
		return nil, s.Errorf(field+".pad", "pad is %d, want 0 with pool %s: only AVE has padding", o.Pad, o.Pool)
	case o.Pad >= o.Kernel:
		return nil, s.Errorf(field+".pad", "pad %d is not below kernel_size %d", o.Pad, o.Kernel)
	}
	kernel, stride, pad := int(o.Kernel), int(o.Stride), int(o.Pad)
	l := &pooling{spec: s, ave: o.Pool == "AVE", window: window{
		kernel: [3]int{int(o.Depth), kernel, kernel},
		stride: [3]int{int(o.TemporalStride), stride, stride},
		pad:    [3]int{0, pad, pad},
	}}
	l.forward.Body = func(a *poolingArgs, _, i, j int) { l.forwardPlanes(a, i, j) }
	l.backward.Body = func(a *poolingArgs, _, i, j int) { l.backwardPlanes(a, i, j) }
	return l, nil
}

// oldPooling returns the options of C3D-v1.0, which are in pooling_param.
func oldPooling(s *layers.Spec) (*poolingOptions, error) {
	o := new(poolingOptions)
	if _, err := s.OptionsIn("pooling_param", o); err != nil {
		return nil, err
	}
	m := s.Param.GetPoolingParam().ProtoReflect()
	for _, name := range []string{"kernel_h", "kernel_w", "pad_h", "pad_w", "stride_h", "stride_w", "global_pooling", "round_mode", "engine"} {
		if s.Param.PoolingParam != nil && m.Has(m.Descriptor().Fields().ByTextName(name)) {
			return nil, s.Errorf("pooling_param."+name, "%s is not an option of C3D: use kernel_size, stride, kernel_depth and temporal_stride", name)
		}
	}
	if s.Param.GetPoolingParam().GetPool() == caffepb.PoolingParameter_STOCHASTIC {
		o.Pool = "STOCHASTIC"
	}
	return o, nil
}

// BackwardReads returns that Backward reads no data.
func (l *pooling) BackwardReads() (bottom, top bool) { return false, false }

// SetUp does nothing.
func (l *pooling) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape sets the shape of the top.
func (l *pooling) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x := bottom[0]
	if x.Axes() != 5 {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("the bottom has shape %v, want 5 axes: items, channels, length, height and width", x.Shape()))
	}
	l.planes = x.Dim(0) * x.Dim(1)
	for i := range l.in {
		l.in[i] = x.Dim(2 + i)
		over := l.in[i] + 2*l.pad[i] - l.kernel[i]
		n := over / l.stride[i]
		if over > n*l.stride[i] {
			n++
		}
		l.out[i] = n + 1
		if l.in[i] == 0 || l.out[i] < 1 || n*l.stride[i]-l.pad[i] >= l.in[i] {
			return l.spec.ErrorAt("bottom", 0, fmt.Errorf(
				"the bottom has shape %v: no window of %d, stride %d, fits on axis %d", x.Shape(), l.kernel[i], l.stride[i], 2+i))
		}
	}
	if err := top[0].Reshape(x.Dim(0), x.Dim(1), l.out[0], l.out[1], l.out[2]); err != nil {
		return l.spec.ErrorAt("top", 0, err)
	}
	if err := l.onDevice.ReshapeLike(top[0]); err != nil {
		return l.spec.ErrorAt("top", 0, err)
	}
	return nil
}

// Forward computes the top.
func (l *pooling) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	if n := top[0].Count(); !l.ave && len(l.mask) < n {
		l.mask = make([]int32, n)
	}
	l.forward.Run(l.spec.Env.Workers, l.planes, 1, poolingArgs{bottom[0].Data(), top[0].MutableData()})
	return nil
}

// Backward computes the diff of the bottom.
func (l *pooling) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[0] {
		l.backward.Run(l.spec.Env.Workers, l.planes, 1, poolingArgs{bottom[0].MutableDiff(), top[0].Diff()})
	}
	return nil
}

// span returns the part of window i that is on axis k of the clip, and how long the
// window is in the padded clip.
func (l *pooling) span(k, i int) (from, to, size int) {
	from = i*l.stride[k] - l.pad[k]
	to = min(from+l.kernel[k], l.in[k]+l.pad[k])
	size = to - from
	return max(from, 0), min(to, l.in[k]), size
}

// each calls f for each window, with its number in the volume, the places where it
// begins and ends, and its size in the padded clip.
func (l *pooling) each(f func(at int, from, to [3]int, size int)) {
	at := 0
	var from, to [3]int
	for t := range l.out[0] {
		var length, height, width int
		from[0], to[0], length = l.span(0, t)
		for y := range l.out[1] {
			from[1], to[1], height = l.span(1, y)
			for x := range l.out[2] {
				from[2], to[2], width = l.span(2, x)
				f(at, from, to, length*height*width)
				at++
			}
		}
	}
}

func (l *pooling) volumes() (in, out int) {
	return l.in[0] * l.in[1] * l.in[2], l.out[0] * l.out[1] * l.out[2]
}

func (l *pooling) forwardPlanes(a *poolingArgs, i, j int) {
	in, out := l.volumes()
	for p := i; p < j; p++ {
		x, y := a.bottom[p*in:][:in], a.top[p*out:][:out]
		l.each(func(at int, from, to [3]int, size int) {
			first := (from[0]*l.in[1]+from[1])*l.in[2] + from[2]
			sum, best, place := float32(0), x[first], first
			for t := from[0]; t < to[0]; t++ {
				for h := from[1]; h < to[1]; h++ {
					row := (t*l.in[1] + h) * l.in[2]
					for k := row + from[2]; k < row+to[2]; k++ {
						v := x[k]
						sum += v
						if v > best {
							best, place = v, k
						}
					}
				}
			}
			if l.ave {
				y[at] = sum / float32(size)
				return
			}
			y[at], l.mask[p*out+at] = best, int32(place)
		})
	}
}

func (l *pooling) backwardPlanes(a *poolingArgs, i, j int) {
	in, out := l.volumes()
	for p := i; p < j; p++ {
		dx, dy := a.bottom[p*in:][:in], a.top[p*out:][:out]
		clear(dx)
		if !l.ave {
			for at, v := range dy {
				dx[l.mask[p*out+at]] += v
			}
			continue
		}
		l.each(func(at int, from, to [3]int, size int) {
			v := dy[at] / float32(size)
			for t := from[0]; t < to[0]; t++ {
				for h := from[1]; h < to[1]; h++ {
					row := (t*l.in[1] + h) * l.in[2]
					for k := row + from[2]; k < row+to[2]; k++ {
						dx[k] += v
					}
				}
			}
		})
	}
}
