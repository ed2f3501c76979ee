package segmentation

import (
	"context"
	"errors"
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:     "Interp",
		Dialects: nil,
		Group:    "vision",
		Plugin: &layers.Plugin{
			Field:   "interp_param",
			Number:  143,
			Proto:   layers.Schema(schemas, "interp.proto"),
			Message: "InterpParameter",
		},
		Bottoms: layers.Between(1, 2),
		Tops:    layers.Exactly(1),
		New:     newInterp,
		Kernels: interpKernels,
		Doc: `Change the size of planes by bilinear interpolation, corner to corner:

	y[i,j] = x at row i (h-1)/(H-1) and column j (w-1)/(W-1)

where h x w is the size of x without what is cut off, and H x W that of y.

Bottoms: x, N x C x height x width; with use_blob_size, a blob whose last two axes are H x W; its gradient is 0.
Top: y, N x C x H x W, with the H below and W likewise.

interp_param:
	height, width (0): H and W, if both are set and zoom_factor and shrink_factor are not set alone
	zoom_factor (1): H = h + (h-1)(zoom_factor-1)
	shrink_factor (1): H = (h-1)/shrink_factor + 1. With zoom_factor too, it comes first; height and width
		come before both together.
	use_blob_size (false): the second bottom has H and W, whatever the other options say (soeaver/caffe-model)
	pad_beg, pad_end (0): 0 or less; so many rows and columns are cut off at the beginning and the end

Source: github.com/hszhao/PSPNet, interp_layer.cpp and util/interp.cpp`,
	})
}

// interp implements the layer type; its registration describes it.
type interp struct {
	layers.OnRecordableDevice
	spec    *layers.Spec
	options interpOptions
	sized   bool // height and width are set
	zooms   bool // zoom_factor is set
	shrinks bool // shrink_factor is set

	planes, height, width int // of the bottom
	offset                int // of the first element that is not cut off
	h, w, outH, outW      int
	rows, columns         []sample
	forward, backward     parallel.Loop[interpArgs]
}

type interpArgs struct{ x, y []float32 }

type interpOptions struct {
	Height       int  `proto:"height"`
	Width        int  `proto:"width"`
	ZoomFactor   int  `proto:"zoom_factor"`
	ShrinkFactor int  `proto:"shrink_factor"`
	PadBeg       int  `proto:"pad_beg"`
	PadEnd       int  `proto:"pad_end"`
	OfBlob       bool `proto:"use_blob_size"`
}

// A sample is where a row or column of the top lies in the bottom.
type sample struct {
	at, next int     // two neighbours, which are one at the end
	weight   float32 // of next
}

var (
	_ layers.Layer          = (*interp)(nil)
	_ layers.BackwardReader = (*interp)(nil)
)

func newInterp(s *layers.Spec) (layers.Layer, error) {
	l := &interp{spec: s}
	o := &l.options
	if err := s.Options(o); err != nil {
		return nil, err
	}
	for _, f := range []struct {
		name         string
		value, least int
	}{{"height", o.Height, 0}, {"width", o.Width, 0}, {"zoom_factor", o.ZoomFactor, 1}, {"shrink_factor", o.ShrinkFactor, 1}} {
		if f.value < f.least || s.HasOption(f.name) && f.value < 1 {
			return nil, s.Errorf("interp_param."+f.name, "%s is %d, want 1 or more", f.name, f.value)
		}
	}
	for _, f := range []struct {
		name  string
		value int
	}{{"pad_beg", o.PadBeg}, {"pad_end", o.PadEnd}} {
		if f.value > 0 {
			return nil, s.Errorf("interp_param."+f.name, "%s is %d, want 0 or less: only cutting off is supported, as in the layer's source", f.name, f.value)
		}
	}
	l.sized = s.HasOption("height") && s.HasOption("width")
	l.zooms, l.shrinks = s.HasOption("zoom_factor"), s.HasOption("shrink_factor")
	switch bottoms := len(s.Param.GetBottom()); {
	case o.OfBlob && bottoms != 2:
		return nil, s.Errorf("interp_param.use_blob_size", "use_blob_size is true and there is one bottom, want a second one, which has the size")
	case !o.OfBlob && bottoms != 1:
		return nil, s.ErrorAt("bottom", 1, errors.New("there are two bottoms, want one; use_blob_size: true takes the size of the second"))
	case !o.OfBlob && !l.sized && !l.zooms && !l.shrinks:
		return nil, s.Errorf("interp_param", "the size is missing: set height and width, zoom_factor, shrink_factor or use_blob_size")
	}
	l.forward.Body = func(a *interpArgs, _, i, j int) { l.rowsForward(a, i, j) }
	l.backward.Body = func(a *interpArgs, _, i, j int) { l.planesBackward(a, i, j) }
	return l, nil
}

// BackwardReads returns that Backward reads neither bottom nor top.
func (l *interp) BackwardReads() (bottom, top bool) { return false, false }

// SetUp does nothing.
func (l *interp) SetUp(_, _ []*blob.Blob) error { return nil }

// size returns the size of the top along an axis. set is the option's size.
func (l *interp) size(in, set int) int {
	o := &l.options
	zoom := func(n int) int { return n + (n-1)*(o.ZoomFactor-1) }
	shrink := func(n int) int { return (n-1)/o.ShrinkFactor + 1 }
	switch {
	case l.shrinks && !l.zooms:
		return shrink(in)
	case l.zooms && !l.shrinks:
		return zoom(in)
	case l.sized:
		return set
	}
	return zoom(shrink(in))
}

// Reshape finds the sizes and where the elements of the top lie.
func (l *interp) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	b, o := bottom[0], &l.options
	if b.Axes() != 4 {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("the bottom has shape %v, want 4 axes", b.Shape()))
	}
	l.planes, l.height, l.width = b.CountRange(0, 2), b.Dim(2), b.Dim(3)
	l.h, l.w = l.height+o.PadBeg+o.PadEnd, l.width+o.PadBeg+o.PadEnd
	if l.h < 1 || l.w < 1 {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("the bottom has planes of %d x %d, which pad_beg %d and pad_end %d leave nothing of", l.height, l.width, o.PadBeg, o.PadEnd))
	}
	l.outH, l.outW = l.size(l.h, o.Height), l.size(l.w, o.Width)
	if o.OfBlob {
		like := bottom[1]
		if like.Axes() < 2 || like.CountFrom(like.Axes()-2) == 0 {
			return l.spec.ErrorAt("bottom", 1, fmt.Errorf("the bottom has shape %v, want height and width at its end", like.Shape()))
		}
		l.outH, l.outW = like.Dim(-2), like.Dim(-1)
	}
	l.offset = -o.PadBeg*l.width - o.PadBeg
	if err := top[0].Reshape(b.Dim(0), b.Dim(1), l.outH, l.outW); err != nil {
		return l.spec.ErrorAt("interp_param", 0, err)
	}
	l.rows, l.columns = samples(l.rows, l.h, l.outH), samples(l.columns, l.w, l.outW)
	return nil
}

// ratio returns the step in the bottom for one in the top.
func ratio(in, out int) float32 {
	if out < 2 {
		return 0
	}
	return float32(in-1) / float32(out-1)
}

// samples returns where the out elements of an axis lie among in elements.
func samples(s []sample, in, out int) []sample {
	s = layers.Resize(s, out)
	step := ratio(in, out)
	for i := range s {
		at := step * float32(i)
		n := min(int(at), in-1)
		s[i] = sample{n, min(n+1, in-1), at - float32(n)}
	}
	return s
}

// Forward computes the top.
func (l *interp) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	l.forward.Run(l.spec.Env.Workers, l.planes*l.outH, parallel.Step(l.outW), interpArgs{bottom[0].Data(), top[0].MutableData()})
	return nil
}

// rowsForward computes the rows from from to to-1 of all planes of the top.
func (l *interp) rowsForward(a *interpArgs, from, to int) {
	for i := from; i < to; i++ {
		x, r := a.x[i/l.outH*l.height*l.width:][l.offset:], l.rows[i%l.outH]
		upper, lower, row := x[r.at*l.width:], x[r.next*l.width:], a.y[i*l.outW:]
		for j, c := range l.columns {
			row[j] = (1-r.weight)*((1-c.weight)*upper[c.at]+c.weight*upper[c.next]) +
				r.weight*((1-c.weight)*lower[c.at]+c.weight*lower[c.next])
		}
	}
}

// Backward computes the diffs of the bottoms.
func (l *interp) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[0] {
		l.backward.Run(l.spec.Env.Workers, l.planes, 1, interpArgs{bottom[0].MutableDiff(), top[0].Diff()})
	}
	if len(bottom) > 1 && propagateDown[1] {
		clear(bottom[1].MutableDiff())
	}
	return nil
}

func (l *interp) planesBackward(a *interpArgs, from, to int) {
	for p := from; p < to; p++ {
		plane := a.x[p*l.height*l.width:][:l.height*l.width]
		clear(plane)
		dx, dy := plane[l.offset:], a.y[p*l.outH*l.outW:]
		for i, r := range l.rows {
			upper, lower, row := dx[r.at*l.width:], dx[r.next*l.width:], dy[i*l.outW:]
			for j, c := range l.columns {
				v := row[j]
				upper[c.at] += (1 - r.weight) * (1 - c.weight) * v
				upper[c.next] += (1 - r.weight) * c.weight * v
				lower[c.at] += r.weight * (1 - c.weight) * v
				lower[c.next] += r.weight * c.weight * v
			}
		}
	}
}
