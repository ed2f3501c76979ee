package deploy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
)

// shapeInputs sets the batch size of the file's Input layers, and the shape of
// those without one to that of the options.
func (d *deployer) shapeInputs() error {
	for _, l := range d.file.Param.Layer {
		if l.GetType() != "Input" {
			continue
		}
		if len(l.GetInputParam().GetShape()) == 0 {
			if d.opts.Shape == nil {
				return &ShapeError{d.errorAt(l, "", 0, "the Input layer has no shape")}
			}
			d.shaped = true
			l.InputParam = new(caffepb.InputParameter)
			for j := range l.Top {
				shape := []int{max(d.opts.Batch, 1)}
				if j == 0 {
					shape = append(shape, d.opts.Shape...)
				}
				l.InputParam.Shape = append(l.InputParam.Shape, protoShape(shape))
			}
			continue
		}
		for _, shape := range l.InputParam.Shape {
			if d.opts.Batch > 0 && len(shape.Dim) > 0 {
				shape.Dim[0] = int64(d.opts.Batch)
			}
		}
	}
	return nil
}

func protoShape(shape []int) *caffepb.BlobShape {
	p := new(caffepb.BlobShape)
	for _, n := range shape {
		p.Dim = append(p.Dim, int64(n))
	}
	return p
}

// shapeOf derives the shape of a data layer's data from its options, without
// its source: from crop_size or new_height, and from the channels of the mean
// or is_color. It returns nil if they do not determine it.
func shapeOf(l *caffepb.LayerParameter) []int {
	var channels int
	h, w := int(l.GetTransformParam().GetCropSize()), int(l.GetTransformParam().GetCropSize())
	switch l.GetType() {
	case "ImageData":
		channels = 3
		if !l.GetImageDataParam().GetIsColor() {
			channels = 1
		}
		if h == 0 {
			pad := 2 * int(l.GetTransformParam().GetPad())
			h, w = int(l.GetImageDataParam().GetNewHeight()), int(l.GetImageDataParam().GetNewWidth())
			if l.GetTransformParam().GetMinSide() > 0 {
				h, w = 0, 0 // left to the size of the images
			}
			if h > 0 && w > 0 {
				h, w = h+pad, w+pad
			}
		}
	case "Data":
		channels = len(l.GetTransformParam().GetMeanValue())
		if mean := l.GetTransformParam().GetMeanFile(); mean != "" {
			if b, err := prototxt.ReadBlobProto(mean); err == nil {
				channels = meanChannels(b)
			}
		} else if channels == 1 {
			channels = 0 // one value is for any number of channels
		}
	}
	if channels == 0 || h == 0 || w == 0 {
		return nil
	}
	return []int{channels, h, w}
}

// meanChannels returns the number of channels of a mean image, whose shape is
// 1, channels, height, width or, in newer files, without the 1.
func meanChannels(b *caffepb.BlobProto) int {
	if b.Shape == nil {
		return int(b.GetChannels())
	}
	if dims := b.Shape.Dim; len(dims) >= 3 {
		return int(dims[len(dims)-3])
	}
	return 0
}

// shapes returns the shapes of the tops of a data layer in the deployed net.
func (d *deployer) shapes(n *node) [][]int {
	shapes := make([][]int, len(n.layer.Tops))
	for j, top := range n.layer.Tops {
		shapes[j] = slices.Clone(top.Shape())
		if n.readsAhead() && len(shapes[j]) > 0 {
			shapes[j][0] = max(d.opts.Batch, 1)
		} else if d.opts.Batch > 0 && len(shapes[j]) > 0 {
			shapes[j][0] = d.opts.Batch
		}
	}
	return shapes
}

// input returns the Input layer that replaces a data layer, with the tops that
// the deployed net needs, or nil if it needs none.
func (d *deployer) input(n *node) *caffepb.LayerParameter {
	l := &caffepb.LayerParameter{Name: n.param.Name, Type: proto.String("Input"), InputParam: new(caffepb.InputParameter)}
	for j, shape := range d.shapes(n) {
		name := n.layer.TopNames[j]
		if !d.needed[name] {
			continue
		}
		l.Top = append(l.Top, name)
		l.InputParam.Shape = append(l.InputParam.Shape, protoShape(shape))
		in := Input{Name: name, Shape: shape}
		if j == 0 {
			in.Preparation = preparation(n.param)
			keepPreparation(l, n.param)
		}
		d.result.Inputs = append(d.result.Inputs, in)
	}
	if len(l.Top) == 0 {
		d.result.LeftOut = append(d.result.LeftOut, title(n.param))
		return nil
	}
	return l
}

// keepPreparation gives an Input layer the fields by which a program that prepares images
// knows what the data layer did (predict.PreparationOf). Caffe ignores them there.
func keepPreparation(to, from *caffepb.LayerParameter) {
	t := from.GetTransformParam()
	own := &caffepb.TransformationParameter{MeanValue: t.GetMeanValue()}
	if t.GetMeanFile() != "" {
		own.MeanFile = t.MeanFile
	}
	if t.GetScale() != 1 && t != nil {
		own.Scale = t.Scale
	}
	if t.GetPad() > 0 {
		own.Pad = t.Pad
	}
	if proto.Size(own) > 0 {
		to.TransformParam = own
	}
	if p := from.GetImageDataParam(); p.GetNewHeight() > 0 {
		to.ImageDataParam = &caffepb.ImageDataParameter{NewHeight: p.NewHeight, NewWidth: p.NewWidth}
	}
}

// preparation describes what a data layer does to the data in phase TEST, in
// order.
func preparation(l *caffepb.LayerParameter) string {
	var steps []string
	if p := l.GetImageDataParam(); p.GetNewHeight() > 0 {
		steps = append(steps, fmt.Sprintf("scale to %d x %d (height x width)", p.GetNewHeight(), p.GetNewWidth()))
	}
	t := l.GetTransformParam()
	if side := t.GetMinSide(); side > 0 {
		steps = append(steps, fmt.Sprintf("scale the shorter side to %d", side))
	}
	if t.GetMeanFile() != "" {
		steps = append(steps, "subtract the mean image "+t.GetMeanFile())
	}
	if values := t.GetMeanValue(); len(values) > 0 {
		words := make([]string, len(values))
		for i, v := range values {
			words[i] = fmt.Sprint(v)
		}
		steps = append(steps, "subtract "+strings.Join(words, ", "))
	}
	if t.GetPad() > 0 {
		steps = append(steps, fmt.Sprintf("put %d zeros around", t.GetPad()))
	}
	if size := t.GetCropSize(); size > 0 {
		steps = append(steps, fmt.Sprintf("take %d x %d from the centre", size, size))
	}
	if scale := t.GetScale(); scale != 1 && t != nil {
		steps = append(steps, fmt.Sprintf("multiply by %g", scale))
	}
	return strings.Join(steps, ", ")
}
