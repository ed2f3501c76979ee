package netdraw

import (
	"fmt"
	"strings"

	"github.com/gocaffe/gocaffe/caffepb"
)

// Kernel describes the main options of a layer in few characters, as Caffe's
// summarize.py does: kernel, stride and padding of convolutions and pooling,
// "7x7/2+3", and the number of outputs and groups, "64/2".
func Kernel(l *caffepb.LayerParameter) string {
	switch {
	case l.ConvolutionParam != nil:
		return window(convolutionWindow(l.ConvolutionParam)) + outputs(l.ConvolutionParam)
	case l.PoolingParam != nil:
		p := l.PoolingParam
		method := p.GetPool().String()
		if p.GetGlobalPooling() {
			return method + " global"
		}
		return method + " " + window(poolingWindow(p))
	case l.InnerProductParam != nil:
		return fmt.Sprint(l.InnerProductParam.GetNumOutput())
	case l.EmbedParam != nil:
		return fmt.Sprint(l.EmbedParam.GetNumOutput())
	case l.RecurrentParam != nil:
		return fmt.Sprint(l.RecurrentParam.GetNumOutput())
	case l.LrnParam != nil:
		return fmt.Sprint(l.LrnParam.GetLocalSize())
	case l.DropoutParam != nil:
		return fmt.Sprint(l.DropoutParam.GetDropoutRatio())
	case l.EltwiseParam != nil:
		return l.EltwiseParam.GetOperation().String()
	case l.PythonParam != nil:
		return l.PythonParam.GetModule() + "." + l.PythonParam.GetLayer()
	}
	return ""
}

// outputs describes num_output and group of a convolution.
func outputs(p *caffepb.ConvolutionParameter) string {
	s := ""
	if p.NumOutput != nil {
		s = fmt.Sprintf(" %d", p.GetNumOutput())
		if p.GetGroup() != 1 {
			s += fmt.Sprintf("/%d", p.GetGroup())
		}
	}
	return s
}

// convolutionWindow returns the kernel, stride and padding for each axis, as far as
// they are given.
func convolutionWindow(p *caffepb.ConvolutionParameter) (kernel, stride, pad []uint32) {
	kernel, stride, pad = p.GetKernelSize(), p.GetStride(), p.GetPad()
	if p.KernelH != nil || p.KernelW != nil {
		kernel = []uint32{p.GetKernelH(), p.GetKernelW()}
	}
	if p.StrideH != nil || p.StrideW != nil {
		stride = []uint32{p.GetStrideH(), p.GetStrideW()}
	}
	if p.PadH != nil || p.PadW != nil {
		pad = []uint32{p.GetPadH(), p.GetPadW()}
	}
	return kernel, stride, pad
}

func poolingWindow(p *caffepb.PoolingParameter) (kernel, stride, pad []uint32) {
	kernel, stride, pad = []uint32{p.GetKernelSize()}, []uint32{p.GetStride()}, []uint32{p.GetPad()}
	if p.KernelSize == nil {
		kernel = []uint32{p.GetKernelH(), p.GetKernelW()}
	}
	if p.Stride == nil && (p.StrideH != nil || p.StrideW != nil) {
		stride = []uint32{p.GetStrideH(), p.GetStrideW()}
	}
	if p.Pad == nil && (p.PadH != nil || p.PadW != nil) {
		pad = []uint32{p.GetPadH(), p.GetPadW()}
	}
	return kernel, stride, pad
}

// window formats a kernel as "3x3", with "/2" for a stride other than 1 and "+1" for
// padding.
func window(kernel, stride, pad []uint32) string {
	if len(kernel) == 1 {
		kernel = []uint32{kernel[0], kernel[0]}
	}
	s := sizes(kernel)
	if text := sizes(same(stride)); text != "" && text != "1" {
		s += "/" + text
	}
	if text := sizes(same(pad)); text != "" && text != "0" {
		s += "+" + text
	}
	return s
}

// same returns one number if all are equal.
func same(v []uint32) []uint32 {
	for _, x := range v {
		if x != v[0] {
			return v
		}
	}
	return v[:min(len(v), 1)]
}

func sizes(v []uint32) string {
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(v), "[]"), " ", "x")
}

// Multipliers describes the learning rates and decays of a layer's weights as far as
// one is not 1: "1,2 D1,0".
func Multipliers(l *caffepb.LayerParameter) string {
	var rates, decays []string
	other := [2]bool{}
	for _, p := range l.Param {
		rates = append(rates, fmt.Sprint(p.GetLrMult()))
		decays = append(decays, fmt.Sprint(p.GetDecayMult()))
		other[0] = other[0] || p.GetLrMult() != 1
		other[1] = other[1] || p.GetDecayMult() != 1
	}
	var words []string
	if other[0] {
		words = append(words, strings.Join(rates, ","))
	}
	if other[1] {
		words = append(words, "D"+strings.Join(decays, ","))
	}
	return strings.Join(words, " ")
}
