package normface

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
)

var (
	_ layers.Deployer = (*normalize)(nil)
	_ layers.Deployer = (*flip)(nil)
)

// Deploy returns Caffe's LRN with a region of all channels, whose formula
//
//	y = x / (k + alpha/local_size sum of x^2)^beta
//
// is that of L2 with k = 1e-6, beta = 1/2 and alpha = local_size, after a Reshape to the
// four axes that it needs.
func (l *normalize) Deploy(param *caffepb.LayerParameter) ([]*caffepb.LayerParameter, error) {
	if l.options.Type != "L2" {
		return nil, fmt.Errorf("stock Caffe has no layer for normalize_type %s", l.options.Type)
	}
	if len(param.GetTop()) > 1 {
		return nil, fmt.Errorf("stock Caffe has no layer for %q, the lengths of the features", param.GetTop()[1])
	}
	if param.GetTop()[0] == param.GetBottom()[0] {
		return nil, fmt.Errorf("it works in place, which stock Caffe's LRN cannot: give its top a name of its own")
	}
	size := uint32(2*l.c - 1)
	lrn := &caffepb.LayerParameter{
		Name:   param.Name,
		Type:   proto.String("LRN"),
		Bottom: param.GetBottom(),
		Top:    param.GetTop(),
		LrnParam: &caffepb.LRNParameter{
			LocalSize: proto.Uint32(size), Alpha: proto.Float32(float32(size)), Beta: proto.Float32(0.5), K: proto.Float32(1e-6),
		},
	}
	if l.axes == 4 {
		return []*caffepb.LayerParameter{lrn}, nil
	}
	shape := &caffepb.BlobShape{Dim: []int64{0, 0, 0, 0}}
	for i := l.axes; i < 4; i++ {
		shape.Dim[i] = 1
	}
	top := param.GetTop()[0]
	reshape := &caffepb.LayerParameter{
		Name:         proto.String(param.GetName() + "_reshape"),
		Type:         proto.String("Reshape"),
		Bottom:       param.GetBottom(),
		Top:          []string{top + "_axes"},
		ReshapeParam: &caffepb.ReshapeParameter{Shape: shape},
	}
	lrn.Bottom = reshape.Top
	return []*caffepb.LayerParameter{reshape, lrn}, nil
}

// Deploy returns, for each direction, Caffe's Slice, which takes the image apart into
// columns or rows, and Concat, which puts them together in reverse.
func (l *flip) Deploy(param *caffepb.LayerParameter) ([]*caffepb.LayerParameter, error) {
	var out []*caffepb.LayerParameter
	from := param.GetBottom()[0]
	step := func(what string, axis int32, size int, last bool) {
		if size == 1 && !last {
			return
		}
		name := fmt.Sprintf("%s_%s", param.GetName(), what)
		slice := &caffepb.LayerParameter{
			Name:       proto.String(name),
			Type:       proto.String("Slice"),
			Bottom:     []string{from},
			SliceParam: &caffepb.SliceParameter{Axis: proto.Int32(axis)},
		}
		concat := &caffepb.LayerParameter{
			Name:        proto.String(param.GetName()),
			Type:        proto.String("Concat"),
			Top:         param.GetTop(),
			ConcatParam: &caffepb.ConcatParameter{Axis: proto.Int32(axis)},
		}
		for i := range size {
			slice.Top = append(slice.Top, fmt.Sprintf("%s%d", name, i))
			concat.Bottom = append(concat.Bottom, fmt.Sprintf("%s%d", name, size-1-i))
		}
		if !last {
			concat.Name = proto.String(name + "_reversed")
			concat.Top = []string{name + "_reversed"}
		}
		from = concat.Top[0]
		out = append(out, slice, concat)
	}
	switch {
	case l.options.Height && l.options.Width:
		step("row", 2, l.h, false)
		step("column", 3, l.w, true)
	case l.options.Height:
		step("row", 2, l.h, true)
	case l.options.Width:
		step("column", 3, l.w, true)
	default: // a Concat of one bottom is a copy
		out = append(out, &caffepb.LayerParameter{Name: param.Name, Type: proto.String("Concat"), Bottom: param.GetBottom(), Top: param.GetTop()})
	}
	return out, nil
}
