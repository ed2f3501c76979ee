package cascade

import (
	"context"
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/boxes"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:  "ROIAlign",
		Group: "vision",
		Plugin: &layers.Plugin{
			Field:   "roi_pooling_param",
			Number:  147,
			Proto:   layers.Schema(schemas, "roi_pooling.proto"),
			Message: "ROIPoolingParameter",
		},
		Bottoms: layers.Exactly(2),
		Tops:    layers.Exactly(1),
		New:     newROIAlign,
		Kernels: roiAlignKernels,
		Doc: `Values of maps at the points of a grid in regions of interest (ROIs). A region is divided into
pooled_h x pooled_w bins of equal size; the points are their corners:

	y[r,c,i,j] = value of x[image(r),c] at row  a + i (b - a) / pooled_h, where a = (y1 - pad) s - 0.5 and
	             b = (y2 + pad) s - 0.5, and likewise the column, by bilinear interpolation

where pad = pad_ratio (y2 - y1 + 1). Points up to half a pixel outside of the map have the value of its edge. Those
further outside are 0 and have no gradient, nor have those of a region without a positive width and height.

It is another layer than the ROIAlign of Mask R-CNN, which has the means of bins.

Bottoms: x, N x C x H x W; the ROIs, R x 5: image (0 to N - 1), x1, y1, x2, y2 in pixels of the image. Their gradient
is 0.
Top: y, R x C x (pooled_h + 1) x (pooled_w + 1).

roi_pooling_param:
	pooled_h, pooled_w: number of bins, must be set
	spatial_scale (1): s, the size of the map relative to that of the image
	pad_ratio (0): what the region is enlarged by on each side, relative to its size

Source: github.com/zhaoweicai/cascade-rcnn, roi_align_layer.cu`,
	})
}

// roiAlign implements the layer type; its registration describes it.
type roiAlign struct {
	layers.OnRecordableDevice
	spec    *layers.Spec
	options roiAlignOptions
	rois    boxes.ROIs

	regions, c, h, w int
	gh, gw           int // points of a region
	images           []int32
	points           []point // of each region: rows, then columns
	forward          parallel.Loop[roiAlignArgs]
	backward         parallel.Loop[roiAlignArgs]
	onDevice         blob.Blob // points on a device
}

type roiAlignArgs struct {
	x, y []float32
}

type roiAlignOptions struct {
	PooledH      uint32  `proto:"pooled_h"`
	PooledW      uint32  `proto:"pooled_w"`
	SpatialScale float32 `proto:"spatial_scale"`
	PadRatio     float32 `proto:"pad_ratio"`
}

// A point is a row or a column of the grid: the pixels before and after it, first
// negative if it is outside of the map, and how far it is from the first.
type point struct {
	first, next int
	part        float32
}

var (
	_ layers.Layer          = (*roiAlign)(nil)
	_ layers.BackwardForcer = (*roiAlign)(nil)
	_ layers.BackwardReader = (*roiAlign)(nil)
)

func newROIAlign(s *layers.Spec) (layers.Layer, error) {
	l := &roiAlign{spec: s, rois: boxes.NewROIs(s, 1, "images of bottom 0")}
	o := &l.options
	if err := s.Options(o); err != nil {
		return nil, err
	}
	const field = "roi_pooling_param"
	if err := boxes.CheckScale(s, field, o.SpatialScale); err != nil {
		return nil, err
	}
	if err := boxes.CheckPooled(s, field, o.PooledH, o.PooledW); err != nil {
		return nil, err
	}
	if err := boxes.CheckPad(s, field, o.PadRatio); err != nil {
		return nil, err
	}
	l.gh, l.gw = int(o.PooledH)+1, int(o.PooledW)+1
	l.forward.Body = func(a *roiAlignArgs, _, i, j int) {
		for p := i; p < j; p++ {
			l.interpolate(a, p)
		}
	}
	l.backward.Body = func(a *roiAlignArgs, _, i, j int) {
		for c := i; c < j; c++ {
			l.spread(a, c)
		}
	}
	return l, nil
}

// AllowForceBackward returns false for the ROIs.
func (l *roiAlign) AllowForceBackward(i int) bool { return i == 0 }

// BackwardReads returns that Backward reads neither bottoms nor top.
func (l *roiAlign) BackwardReads() (bottom, top bool) { return false, false }

// SetUp does nothing.
func (l *roiAlign) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape finds the sizes.
func (l *roiAlign) Reshape(bottom, top []*blob.Blob) (err error) {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x := bottom[0]
	if x.Axes() != 4 {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("bottom 0 has shape %v, want 4 axes", x.Shape()))
	}
	if l.regions, err = l.rois.Reshape(bottom[1], x.Dim(0)); err != nil {
		return err
	}
	l.c, l.h, l.w = x.Dim(1), x.Dim(2), x.Dim(3)
	if err := top[0].Reshape(l.regions, l.c, l.gh, l.gw); err != nil {
		return l.spec.ErrorAt("roi_pooling_param", 0, err)
	}
	return l.onDevice.Reshape(l.regions, l.gh+l.gw, 3)
}

// Forward computes the top.
func (l *roiAlign) Forward(_ context.Context, bottom, top []*blob.Blob) (err error) {
	if l.images, _, err = l.rois.Read(bottom[1]); err != nil {
		return err
	}
	l.points = layers.Resize(l.points, l.regions*(l.gh+l.gw))
	s, roi := l.options.SpatialScale, bottom[1].Data()
	for r := range l.regions {
		p := boxes.From(roi[5*r+1:]).Pad(l.options.PadRatio)
		x0, x1 := float32(p.XMin*s)-0.5, float32(p.XMax*s)-0.5
		y0, y1 := float32(p.YMin*s)-0.5, float32(p.YMax*s)-0.5
		at := l.points[r*(l.gh+l.gw):][:l.gh+l.gw]
		positive := x1-x0 > 0 && y1-y0 > 0
		for i := range l.gh {
			at[i] = pointAt(i, l.gh-1, y0, y1, l.h, positive)
		}
		for i := range l.gw {
			at[l.gh+i] = pointAt(i, l.gw-1, x0, x1, l.w, positive)
		}
	}
	l.forward.Run(l.spec.Env.Workers, l.regions*l.c, 1, roiAlignArgs{bottom[0].Data(), top[0].MutableData()})
	return nil
}

// pointAt returns point k of a region of n bins from one coordinate to another, in a
// map of that size. All points of a region without positive sides are outside.
func pointAt(k, n int, from, to float32, size int, positive bool) point {
	// A conversion forbids a fused multiply-add.
	v := from + float32(float32(k)*float32((to-from)/float32(n)))
	if !positive || size < 1 || !(v >= -0.5 && float64(v) <= float64(size)-0.5) { // NaN is outside
		return point{first: -1}
	}
	first := int(math.Floor(float64(v)))
	last := size - 1
	p := point{first: max(first, 0), next: min(first+1, last)}
	p.part = min(max(v, 0), float32(last)) - float32(p.first)
	return p
}

// interpolate computes plane p of the top.
func (l *roiAlign) interpolate(a *roiAlignArgs, p int) {
	r, c := p/l.c, p%l.c
	at := l.points[r*(l.gh+l.gw):][:l.gh+l.gw]
	plane := a.x[(int(l.images[r])*l.c+c)*l.h*l.w:][:l.h*l.w]
	y := a.y[p*l.gh*l.gw:][:l.gh*l.gw]
	for i, row := range at[:l.gh] {
		for j, column := range at[l.gh:] {
			y[i*l.gw+j] = 0
			if row.first >= 0 && column.first >= 0 {
				x, w := corners(row, column, l.w), weights(row, column)
				y[i*l.gw+j] = float32(w[0]*plane[x[0]]) + float32(w[1]*plane[x[1]]) + float32(w[2]*plane[x[2]]) + float32(w[3]*plane[x[3]])
			}
		}
	}
}

// corners returns the places in a plane of that width of the four pixels around a point.
func corners(row, column point, width int) [4]int {
	return [4]int{row.first*width + column.first, row.first*width + column.next, row.next*width + column.first, row.next*width + column.next}
}

// weights returns what the four pixels around a point count.
func weights(row, column point) [4]float32 {
	h, w := 1-row.part, 1-column.part
	return [4]float32{w * h, column.part * h, w * row.part, column.part * row.part}
}

// Backward computes the diff of the first bottom.
func (l *roiAlign) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[1] {
		clear(bottom[1].MutableDiff()) // a Python layer may compute ROIs from what has a gradient
	}
	if !propagateDown[0] {
		return nil
	}
	dx := bottom[0].MutableDiff()
	clear(dx)
	l.backward.Run(l.spec.Env.Workers, l.c, 1, roiAlignArgs{dx, top[0].Diff()})
	return nil
}

// spread adds the gradient of channel c of all ROIs to that of the bottom.
func (l *roiAlign) spread(a *roiAlignArgs, c int) {
	for r, image := range l.images[:l.regions] {
		at := l.points[r*(l.gh+l.gw):][:l.gh+l.gw]
		plane := a.x[(int(image)*l.c+c)*l.h*l.w:][:l.h*l.w]
		dy := a.y[(r*l.c+c)*l.gh*l.gw:][:l.gh*l.gw]
		for i, row := range at[:l.gh] {
			for j, column := range at[l.gh:] {
				if row.first < 0 || column.first < 0 {
					continue
				}
				d, x, w := dy[i*l.gw+j], corners(row, column, l.w), weights(row, column)
				for k := range x {
					plane[x[k]] += float32(w[k] * d)
				}
			}
		}
	}
}
