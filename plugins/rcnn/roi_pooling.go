package rcnn

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
		Type:  "ROIPooling",
		Group: "vision",
		Plugin: &layers.Plugin{
			Field:   "roi_pooling_param",
			Number:  8266711,
			Proto:   layers.Schema(schemas, "roi_pooling.proto"),
			Message: "ROIPoolingParameter",
		},
		Bottoms: layers.Exactly(2),
		Tops:    layers.Exactly(1),
		New:     newROIPooling,
		Kernels: roiPoolingKernels,
		Doc: `Maxima of regions of interest (ROIs) in maps of features. Each region is divided into as many bins
whatever its size:

	y[r,c,i,j] = max of x[image(r),c,h,w] over the h, w in bin i, j of ROI r

Coordinates are rounded after scaling (halves away from 0), and both ends belong to the region: its width is
round(x2 s) - round(x1 s) + 1, at least 1, and likewise its height. Bin j of pooled_w is from column
floor(j width / pooled_w) to before column ceil((j + 1) width / pooled_w) of the region, so bins may
overlap. A bin outside of the map is 0. The first of equal maxima gets the gradient. A region that ends before it
begins is pooled as a single pixel and has no gradient.

Bottoms: x, N x C x H x W; the ROIs, R x 5: image (0 to N - 1), x1, y1, x2, y2 in pixels of the image. Their gradient
is 0.
Top: y, R x C x pooled_h x pooled_w.

roi_pooling_param:
	pooled_h, pooled_w: number of bins, must be set
	spatial_scale (1): s, the size of the map relative to that of the image: 0.0625 for VGG-16's conv5_3
	pad_ratio (0): the region is first enlarged by so much of its width (x2 - x1 + 1) at the left and at the right, and
	    likewise of its height; of MS-CNN and Cascade R-CNN

Source: github.com/rbgirshick/caffe-fast-rcnn (branch faster-rcnn), roi_pooling_layer.cu; pad_ratio:
github.com/zhaoweicai/cascade-rcnn, roi_pooling_layer.cu`,
	})
}

// roiPooling implements the layer type; its registration describes it.
type roiPooling struct {
	layers.OnRecordableDevice
	spec    *layers.Spec
	options roiPoolingOptions
	rois    boxes.ROIs

	regions    int
	c, h, w    int
	ph, pw     int
	sources    []int32 // place in its plane of each element of the top, or -1: where its gradient goes
	spans      []roiSpan
	forward    parallel.Loop[roiPoolingArgs]
	backward   parallel.Loop[roiPoolingArgs]
	kept, span blob.Blob // sources and spans on a device, as ints
}

type roiPoolingArgs struct {
	x, y []float32
}

type roiPoolingOptions struct {
	PooledH      uint32  `proto:"pooled_h"`
	PooledW      uint32  `proto:"pooled_w"`
	SpatialScale float32 `proto:"spatial_scale"`
	PadRatio     float32 `proto:"pad_ratio"`
}

// A roiSpan is a ROI in pixels of the map, with both ends.
type roiSpan struct{ image, x1, y1, x2, y2 int }

var (
	_ layers.Layer          = (*roiPooling)(nil)
	_ layers.BackwardForcer = (*roiPooling)(nil)
	_ layers.BackwardReader = (*roiPooling)(nil)
)

func newROIPooling(s *layers.Spec) (layers.Layer, error) {
	l := &roiPooling{spec: s, rois: boxes.NewROIs(s, 1, "images of bottom 0")}
	o := &l.options
	if err := s.Options(o); err != nil {
		return nil, err
	}
	if err := boxes.CheckScale(s, "roi_pooling_param", o.SpatialScale); err != nil {
		return nil, err
	}
	if err := boxes.CheckPad(s, "roi_pooling_param", o.PadRatio); err != nil {
		return nil, err
	}
	if err := boxes.CheckPooled(s, "roi_pooling_param", o.PooledH, o.PooledW); err != nil {
		return nil, err
	}
	l.ph, l.pw = int(o.PooledH), int(o.PooledW)
	l.forward.Body = func(a *roiPoolingArgs, _, i, j int) {
		for p := i; p < j; p++ {
			l.pool(a, p)
		}
	}
	l.backward.Body = func(a *roiPoolingArgs, _, i, j int) {
		for c := i; c < j; c++ {
			l.scatter(a, c)
		}
	}
	return l, nil
}

// AllowForceBackward returns false for the ROIs.
func (l *roiPooling) AllowForceBackward(i int) bool { return i == 0 }

// BackwardReads returns that Backward reads neither bottoms nor top.
func (l *roiPooling) BackwardReads() (bottom, top bool) { return false, false }

// SetUp does nothing.
func (l *roiPooling) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape finds the sizes.
func (l *roiPooling) Reshape(bottom, top []*blob.Blob) (err error) {
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
	if err := top[0].Reshape(l.regions, l.c, l.ph, l.pw); err != nil {
		return l.spec.ErrorAt("roi_pooling_param", 0, err)
	}
	if err := l.kept.Reshape(top[0].Count()); err != nil {
		return l.spec.ErrorAt("roi_pooling_param", 0, err)
	}
	return l.span.Reshape(4 * l.regions)
}

// Forward computes the top.
func (l *roiPooling) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	images, _, err := l.rois.Read(bottom[1])
	if err != nil {
		return err
	}
	l.spans = layers.Resize(l.spans, l.regions)
	s, pad, roi := l.options.SpatialScale, l.options.PadRatio, bottom[1].Data()
	for r := range l.spans {
		p := boxes.From(roi[5*r+1:]).Pad(pad)
		l.spans[r] = roiSpan{int(images[r]), pixel(p.XMin, s), pixel(p.YMin, s), pixel(p.XMax, s), pixel(p.YMax, s)}
	}
	l.sources = layers.Resize(l.sources, top[0].Count())
	l.forward.Run(l.spec.Env.Workers, l.regions*l.c, 1, roiPoolingArgs{bottom[0].Data(), top[0].MutableData()})
	return nil
}

// pixel returns the pixel of the map at a coordinate. Those that are far outside of any
// map are limited.
func pixel(v, scale float32) int {
	const far = 1e9
	v = round(v * scale)
	switch {
	case !(v > -far):
		return -far
	case v > far:
		return far
	}
	return int(v)
}

// pool computes plane p of the top.
func (l *roiPooling) pool(a *roiPoolingArgs, p int) {
	r, c := l.spans[p/l.c], p%l.c
	plane := a.x[(r.image*l.c+c)*l.h*l.w:][:l.h*l.w]
	ph, pw := l.ph, l.pw
	y, sources := a.y[p*ph*pw:][:ph*pw], l.sources[p*ph*pw:][:ph*pw]
	for i := range ph {
		h0, h1 := roiBin(i, ph, r.y1, r.y2, l.h)
		for j := range pw {
			w0, w1 := roiBin(j, pw, r.x1, r.x2, l.w)
			most, at := float32(-math.MaxFloat32), -1
			if h0 >= h1 || w0 >= w1 {
				most = 0
			}
			for h := h0; h < h1; h++ {
				for w := w0; w < w1; w++ {
					if v := plane[h*l.w+w]; v > most {
						most, at = v, h*l.w+w
					}
				}
			}
			if at >= 0 && (at/l.w < r.y1 || at/l.w > r.y2 || at%l.w < r.x1 || at%l.w > r.x2) {
				at = -1 // the bins of an inverted ROI, or rounded ones, may go beyond it
			}
			y[i*pw+j], sources[i*pw+j] = most, int32(at)
		}
	}
}

// roiBin returns the pixels from first to before end of bin k of n, of a ROI from
// pixel from to pixel to in a map of so many.
func roiBin(k, n, from, to, size int) (first, end int) {
	width := float32(max(to-from+1, 1)) / float32(n)
	first = int(math.Floor(float64(float32(k)*width))) + from
	end = int(math.Ceil(float64(float32(k+1)*width))) + from
	return min(max(first, 0), size), min(max(end, 0), size)
}

// Backward computes the diff of the first bottom.
func (l *roiPooling) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	clearDiffs(propagateDown, bottom, 1)
	if !propagateDown[0] {
		return nil
	}
	dx := bottom[0].MutableDiff()
	clear(dx)
	l.backward.Run(l.spec.Env.Workers, l.c, 1, roiPoolingArgs{dx, top[0].Diff()})
	return nil
}

// scatter adds the gradient of channel c of all ROIs to that of the bottom.
func (l *roiPooling) scatter(a *roiPoolingArgs, c int) {
	bins := l.ph * l.pw
	for r, span := range l.spans {
		plane := a.x[(span.image*l.c+c)*l.h*l.w:][:l.h*l.w]
		first := (r*l.c + c) * bins
		dy := a.y[first:][:bins]
		for k, at := range l.sources[first:][:bins] {
			if at >= 0 {
				plane[at] += dy[k]
			}
		}
	}
}
