// Package mobile implements the layers of forks for small nets: MobileNet, ShuffleNet and
// their like. Linking the package is all it takes:
//
//	import _ "github.com/gocaffe/gocaffe/plugins/mobile"
package mobile

import (
	"embed"
	"strings"

	"github.com/gocaffe/gocaffe/layers"
	_ "github.com/gocaffe/gocaffe/layers/vision" // Convolution
	"google.golang.org/protobuf/proto"
)

//go:embed *.proto
var schemas embed.FS

func init() {
	layers.Alias("DepthwiseConvolution", "Convolution")
	convolution := layers.Lookup("Convolution")
	_, options, _ := strings.Cut(convolution.Doc, "convolution_param:\n")
	options, _, _ = strings.Cut(options, "\n\n")
	layers.Register(layers.Info{
		Type:  "ConvolutionDepthwise",
		Group: "vision",
		Param: "convolution_param",
		Doc: `Convolution of each channel with a filter of its own: Convolution whose group is the number of channels.

Bottoms, tops and weights are those of Convolution. num_output must be the number of channels of the bottom,
and group may be left out.

convolution_param:
` + options + `

Source: conv_dw_layer.cpp of many forks, such as github.com/farmingyard/ShuffleNet. Differs from it:
num_output must be given, and be right.`,
		Bottoms: layers.AtLeast(1),
		Tops:    layers.AtLeast(1), SameCount: true,
		New:     newDepthwise,
		Kernels: convolution.Kernels,
	})
}

// newDepthwise makes a Convolution: it is one in files that are written too.
func newDepthwise(s *layers.Spec) (layers.Layer, error) {
	p := s.Param.GetConvolutionParam()
	n := p.GetNumOutput()
	switch {
	case n == 0:
		return nil, s.Errorf("convolution_param", "num_output is missing, want the number of channels")
	case p.Group != nil && p.GetGroup() != 1 && p.GetGroup() != n:
		return nil, s.Errorf("convolution_param.group", "group is %d, want num_output, which is %d, or none", p.GetGroup(), n)
	}
	s.Param.Type = proto.String("Convolution")
	p.Group = proto.Uint32(n)
	return layers.Lookup("Convolution").New(s)
}
