package c3d

import (
	"math"

	"google.golang.org/protobuf/proto"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
	_ "github.com/gocaffe/gocaffe/layers/vision" // Convolution and Deconvolution
)

const convolutionOptionsDoc = `
	num_output: the number of channels of y
	kernel_size, pad (0), stride (1): of height and width
	kernel_depth, temporal_pad (0), temporal_stride (1): of the length
	group (1): must be 1, since the fork ignores it
	filter_group (1): accepted and ignored; the fork needs less memory with it
	bias_term (true): add b
	weight_filler, bias_filler (constant 0)
`

func init() {
	for _, t := range []struct{ typ, plain, what, weights string }{
		{"Convolution3D", "Convolution",
			"Convolution of clips with learned kernels, as Convolution with three spatial axes. The size of y along each is\n" +
				"(size + 2 pad - kernel) / stride + 1, rounded down.",
			"num_output x C x kernel_depth x kernel_size x kernel_size"},
		{"Deconvolution3D", "Deconvolution",
			"Transposed convolution of clips, as Deconvolution with three spatial axes. The size of y along each is\n" +
				"stride (size - 1) + kernel - 2 pad.",
			"C x num_output x kernel_depth x kernel_size x kernel_size"},
	} {
		layers.Register(layers.Info{
			Type:  t.typ,
			Group: "vision",
			Plugin: &layers.Plugin{
				Field:   "convolution3d_param",
				Number:  6661,
				Proto:   layers.Schema(schemas, "convolution3d.proto"),
				Message: "Convolution3DParameter",
			},
			Extends: `message ConvolutionParameter {
				optional uint32 kernel_depth = 1; optional uint32 temporal_stride = 2 [default = 1];
				optional uint32 temporal_pad = 3 [default = 0]; optional uint32 filter_group = 4 [default = 1];
			}`,
			Bottoms: layers.Exactly(1),
			Tops:    layers.Exactly(1),
			New:     func(s *layers.Spec) (layers.Layer, error) { return newConvolution(s, t.plain) },
			Kernels: layers.Lookup(t.plain).Kernels,
			Doc: t.what + `

Bottom: x, N x C x length x height x width.
Top: y, N x num_output x length x height x width.
Weights: ` + t.weights + `; b, num_output elements, if bias_term is set.

As ` + t.plain + ` with three spatial axes, it runs on the host in nets on a GPU.

convolution3d_param:` + convolutionOptionsDoc + `
convolution_param:
	kernel_depth, temporal_pad, temporal_stride, filter_group and the others: as above, in nets of C3D-v1.0

Source: github.com/facebookarchive/C3D, convolution3d_layer.cpp and deconvolution3d_layer.cpp`,
		})
	}
}

// convolutionOptions are the options of C3D-v1.1.
type convolutionOptions struct {
	Outputs        uint32                   `proto:"num_output"`
	Bias           bool                     `proto:"bias_term"`
	Pad            uint32                   `proto:"pad"`
	Kernel         uint32                   `proto:"kernel_size"`
	Group          uint32                   `proto:"group"`
	Depth          uint32                   `proto:"kernel_depth"`
	Stride         uint32                   `proto:"stride"`
	TemporalStride uint32                   `proto:"temporal_stride"`
	TemporalPad    uint32                   `proto:"temporal_pad"`
	WeightFiller   *caffepb.FillerParameter `proto:"weight_filler"`
	BiasFiller     *caffepb.FillerParameter `proto:"bias_filler"`
}

// newConvolution makes a layer of a plain type: the net is one for Caffe in files that
// are written too.
func newConvolution(s *layers.Spec, plain string) (layers.Layer, error) {
	field, o := "convolution3d_param", new(convolutionOptions)
	given, err := s.OptionsIn(field, o)
	if err == nil && !given {
		field = "convolution_param"
		o, err = oldOptions(s)
	}
	switch {
	case err != nil:
		return nil, err
	case o.Kernel == 0 || o.Depth == 0:
		return nil, s.Errorf(field, "kernel_size is %d and kernel_depth %d, want both", o.Kernel, o.Depth)
	case o.Group != 1:
		return nil, s.Errorf(field+".group", "group is %d, want 1: C3D has no groups of channels", o.Group)
	}
	for _, n := range []uint32{o.Kernel, o.Depth, o.Stride, o.TemporalStride, o.Pad, o.TemporalPad} {
		if n > math.MaxInt16 {
			return nil, s.Errorf(field, "a size, stride or pad is %d, want at most %d", n, math.MaxInt16)
		}
	}
	s.Param.ProtoReflect().SetUnknown(nil) // the options of C3D
	s.Param.Type = proto.String(plain)
	s.Param.ConvolutionParam = &caffepb.ConvolutionParameter{
		NumOutput:    proto.Uint32(o.Outputs),
		BiasTerm:     proto.Bool(o.Bias),
		KernelSize:   []uint32{o.Depth, o.Kernel, o.Kernel},
		Stride:       []uint32{o.TemporalStride, o.Stride, o.Stride},
		Pad:          []uint32{o.TemporalPad, o.Pad, o.Pad},
		WeightFiller: o.WeightFiller,
		BiasFiller:   o.BiasFiller,
	}
	return layers.Lookup(plain).New(s)
}

// oldOptions returns the options of C3D-v1.0, which are in convolution_param.
func oldOptions(s *layers.Spec) (*convolutionOptions, error) {
	var added struct {
		Depth          uint32 `proto:"kernel_depth"`
		TemporalStride uint32 `proto:"temporal_stride"`
		TemporalPad    uint32 `proto:"temporal_pad"`
	}
	if _, err := s.OptionsIn("convolution_param", &added); err != nil {
		return nil, err
	}
	p := s.Param.GetConvolutionParam()
	if p == nil {
		return nil, s.Errorf("", "there is neither convolution3d_param nor convolution_param")
	}
	o := &convolutionOptions{
		Outputs: p.GetNumOutput(), Bias: p.GetBiasTerm(), Group: p.GetGroup(), WeightFiller: p.WeightFiller, BiasFiller: p.BiasFiller,
		Stride: 1, Depth: added.Depth, TemporalStride: added.TemporalStride, TemporalPad: added.TemporalPad,
	}
	for _, f := range []struct {
		name string
		from []uint32
		to   *uint32
	}{{"kernel_size", p.KernelSize, &o.Kernel}, {"stride", p.Stride, &o.Stride}, {"pad", p.Pad, &o.Pad}} {
		if len(f.from) > 1 {
			return nil, s.Errorf("convolution_param."+f.name, "%s is given %d times, want once: it is that of height and width", f.name, len(f.from))
		}
		if len(f.from) == 1 {
			*f.to = f.from[0]
		}
	}
	m := p.ProtoReflect()
	for _, name := range []string{
		"kernel_h", "kernel_w", "pad_h", "pad_w", "stride_h", "stride_w", "dilation", "axis", "force_nd_im2col", "engine",
	} {
		if m.Has(m.Descriptor().Fields().ByTextName(name)) {
			return nil, s.Errorf("convolution_param."+name, "%s is not an option of C3D: use kernel_size, pad, stride, kernel_depth, temporal_pad and temporal_stride", name)
		}
	}
	return o, nil
}
