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
		Type:  "PSROIPooling",
		Group: "vision",
		Plugin: &layers.Plugin{
			Field:   "psroi_pooling_param",
			Number:  10001,
			Proto:   layers.Schema(schemas, "psroi_pooling.proto"),
			Message: "PSROIPoolingParameter",
		},
		Bottoms: layers.Exactly(2),
		Tops:    layers.Exactly(1),
		New:     newPSROIPooling,
		Kernels: psroiPoolingKernels,
		Doc: `Means of regions of interest (ROIs) in maps of features, where each bin of a region has a map of its own
(position-sensitive pooling). With G x G bins:

	y[r,d,i,j] = mean of x[image(r),(d G + i) G + j,h,w] over the h, w in bin i, j of ROI r

A region is from round(x1) s to (round(x2) + 1) s, halves rounded away from 0, and at least 0.1 wide, and likewise
high. With start and width of the region, bin j is from column floor(start + j width / G) to before column
ceil(start + (j + 1) width / G), in the map. A bin outside of the map is 0 and has no gradient.

Bottoms: x, N x (output_dim G^2) x H x W; the ROIs, R x 5: image (0 to N - 1), x1, y1, x2, y2 in pixels of the image.
Their gradient is 0.
Top: y, R x output_dim x G x G.

psroi_pooling_param:
	spatial_scale: s, the size of the map relative to that of the image
	output_dim: channels of the top, such as the number of classes
	group_size: G

Source: github.com/daijifeng001/caffe-rfcn (branch r-fcn), psroi_pooling_layer.cu`,
	})
}

// psroiPooling implements the layer type; its registration describes it.
type psroiPooling struct {
	layers.OnRecordableDevice
	spec    *layers.Spec
	options psroiPoolingOptions
	rois    boxes.ROIs

	regions, c, h, w int
	bins             []psroiBins // of each ROI
	forward          parallel.Loop[psroiPoolingArgs]
	backward         parallel.Loop[psroiPoolingArgs]
	onDevice         blob.Blob // bins on a device, without the images
}

type psroiPoolingArgs struct {
	x, y []float32
}

type psroiPoolingOptions struct {
	SpatialScale float32 `proto:"spatial_scale"`
	OutputDim    int     `proto:"output_dim"`
	GroupSize    int     `proto:"group_size"`
}

// A psroiBins is where the bins of a ROI begin in the map and how large they are.
type psroiBins struct {
	image               int
	x, y, width, height float32
}

var (
	_ layers.Layer          = (*psroiPooling)(nil)
	_ layers.BackwardForcer = (*psroiPooling)(nil)
	_ layers.BackwardReader = (*psroiPooling)(nil)
)

func newPSROIPooling(s *layers.Spec) (layers.Layer, error) {
	l := &psroiPooling{spec: s, rois: boxes.NewROIs(s, 1, "images of bottom 0")}
	o := &l.options
	if err := s.Options(o); err != nil {
		return nil, err
	}
	if err := boxes.CheckScale(s, "psroi_pooling_param", o.SpatialScale); err != nil {
		return nil, err
	}
	for name, value := range map[string]int{"output_dim": o.OutputDim, "group_size": o.GroupSize} {
		if value < 1 || value > math.MaxInt16 {
			return nil, s.Errorf("psroi_pooling_param."+name, "%s is %d, want 1 to %d", name, value, math.MaxInt16)
		}
	}
	l.forward.Body = func(a *psroiPoolingArgs, _, i, j int) {
		for p := i; p < j; p++ {
			l.pool(a, p)
		}
	}
	l.backward.Body = func(a *psroiPoolingArgs, _, i, j int) {
		for c := i; c < j; c++ {
			l.spread(a, c)
		}
	}
	return l, nil
}

// AllowForceBackward returns false for the ROIs.
func (l *psroiPooling) AllowForceBackward(i int) bool { return i == 0 }

// BackwardReads returns that Backward reads neither bottoms nor top.
func (l *psroiPooling) BackwardReads() (bottom, top bool) { return false, false }

// SetUp does nothing.
func (l *psroiPooling) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape finds the sizes.
func (l *psroiPooling) Reshape(bottom, top []*blob.Blob) (err error) {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x, o := bottom[0], &l.options
	if x.Axes() != 4 {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("bottom 0 has shape %v, want 4 axes", x.Shape()))
	}
	l.c, l.h, l.w = o.OutputDim*o.GroupSize*o.GroupSize, x.Dim(2), x.Dim(3)
	if x.Dim(1) != l.c {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("bottom 0 has %d channels, want output_dim group_size^2 = %d", x.Dim(1), l.c))
	}
	if l.regions, err = l.rois.Reshape(bottom[1], x.Dim(0)); err != nil {
		return err
	}
	if err := top[0].Reshape(l.regions, o.OutputDim, o.GroupSize, o.GroupSize); err != nil {
		return l.spec.ErrorAt("psroi_pooling_param", 0, err)
	}
	return l.onDevice.Reshape(4 * l.regions)
}

// Forward computes the top.
func (l *psroiPooling) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	images, _, err := l.rois.Read(bottom[1])
	if err != nil {
		return err
	}
	l.bins = layers.Resize(l.bins, l.regions)
	s, roi := l.options.SpatialScale, bottom[1].Data()
	group := float32(l.options.GroupSize)
	for r := range l.bins {
		p := roi[5*r:]
		x, y := round(p[1])*s, round(p[2])*s
		l.bins[r] = psroiBins{int(images[r]), x, y, psroiSize(p[3], x, s) / group, psroiSize(p[4], y, s) / group}
	}
	l.forward.Run(l.spec.Env.Workers, l.regions*l.options.OutputDim, 1, psroiPoolingArgs{bottom[0].Data(), top[0].MutableData()})
	return nil
}

// psroiSize returns the size of a region from a place in the map to a coordinate.
func psroiSize(to, from, scale float32) float32 {
	end := (round(to) + 1) * scale
	if size := end - from; size > 0.1 {
		return size
	}
	return 0.1
}

// psroiBin returns the pixels from first to before end of bin k.
func psroiBin(k int, start, width float32, size int) (first, end int) {
	// A conversion forbids a fused multiply-add.
	from := float32(float32(k)*width) + start
	to := float32(float32(k+1)*width) + start
	return clip(float32(math.Floor(float64(from))), size), clip(float32(math.Ceil(float64(to))), size)
}

// pool computes plane p of the top.
func (l *psroiPooling) pool(a *psroiPoolingArgs, p int) {
	r, d, group := &l.bins[p/l.options.OutputDim], p%l.options.OutputDim, l.options.GroupSize
	for i := range group {
		h0, h1 := psroiBin(i, r.y, r.height, l.h)
		for j := range group {
			w0, w1 := psroiBin(j, r.x, r.width, l.w)
			plane := a.x[(r.image*l.c+(d*group+i)*group+j)*l.h*l.w:][:l.h*l.w]
			var mean float32
			if h0 < h1 && w0 < w1 {
				for h := h0; h < h1; h++ {
					for _, v := range plane[h*l.w+w0 : h*l.w+w1] {
						mean += v
					}
				}
				mean /= float32((h1 - h0) * (w1 - w0))
			}
			a.y[(p*group+i)*group+j] = mean
		}
	}
}

// Backward computes the diff of the first bottom.
func (l *psroiPooling) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	clearDiffs(propagateDown, bottom, 1)
	if !propagateDown[0] {
		return nil
	}
	dx := bottom[0].MutableDiff()
	clear(dx)
	l.backward.Run(l.spec.Env.Workers, l.c, 1, psroiPoolingArgs{dx, top[0].Diff()})
	return nil
}

// spread adds the gradient of the bin of channel c of all ROIs to that of the bottom.
func (l *psroiPooling) spread(a *psroiPoolingArgs, c int) {
	group := l.options.GroupSize
	i, j := c/group%group, c%group
	for k := range l.bins {
		r := &l.bins[k]
		h0, h1 := psroiBin(i, r.y, r.height, l.h)
		w0, w1 := psroiBin(j, r.x, r.width, l.w)
		if h0 >= h1 || w0 >= w1 {
			continue
		}
		part := a.y[k*l.c+c] / float32((h1-h0)*(w1-w0))
		plane := a.x[(r.image*l.c+c)*l.h*l.w:][:l.h*l.w]
		for h := h0; h < h1; h++ {
			row := plane[h*l.w+w0 : h*l.w+w1]
			for w := range row {
				row[w] += part
			}
		}
	}
}
