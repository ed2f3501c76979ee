package cascade

import (
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/feed"
)

func init() {
	layers.Register(layers.Info{
		Type:  "EvalData",
		Group: "data",
		Plugin: &layers.Plugin{
			Field:   "eval_data_param",
			Number:  152,
			Proto:   layers.Schema(schemas, "eval_data.proto"),
			Message: "EvalDataParameter",
		},
		Tops:    layers.Between(2, 3),
		New:     newEvalData,
		Kernels: cuda.Math,
		Doc: `Images with the boxes of their objects from a file of windows, in its order, again and again, for the test of a
detector. Images are scaled, both sides to the nearest multiple of 32, and the boxes with them.

` + windowsDoc + `
Tops: the images, N x 3 x H x W, with the channels blue, green, red; the boxes, G x 8 x 1 x 1: number of the image in
the batch, x1, y1, x2, y2, class, ignore, difficult, or a row of -1 if there are none; optionally height and width of
the images, N x 2 x 1 x 1.

eval_data_param:
	source: the window file, relative to the working directory
	root_folder (""): prefix of the paths; should end in a slash
	batch_size: N; 1 for images of different sizes, without resize_height and resize_width
	resize_height, resize_width: the size that images are scaled to
	short_size, long_size: if these are not given, images are scaled so that the shorter side is short_size, and sides
	    longer than long_size are shortened to it, which changes the aspect. Without any, images keep their size
	scale (1): not used, as in the fork: transform_param has its own

transform_param: value = (pixel - mean_value) * scale
	mean_value: one, or one for each channel; scale (1); force_color is always so
	mirror, crop_size, mean_file, pad, force_gray: an error

Source: github.com/zhaoweicai/cascade-rcnn, eval_data_layer.cpp`,
	})
}

// evalData implements the layer type; its registration describes it.
type evalData struct {
	*feed.Feeder
	images evalImages
}

// evalImages is the feed.Dataset.
type evalImages struct {
	*windows
	options evalDataOptions
}

type evalDataOptions struct {
	Source string `proto:"source"`
	Batch  int    `proto:"batch_size"`
	Width  int    `proto:"resize_width"`
	Height int    `proto:"resize_height"`
	Short  int    `proto:"short_size"`
	Long   int    `proto:"long_size"`
	Root   string `proto:"root_folder"`
}

var (
	_ layers.Layer       = (*evalData)(nil)
	_ layers.DeviceLayer = (*evalData)(nil)
	_ layers.DataSource  = (*evalData)(nil)
	_ layers.Closer      = (*evalData)(nil)
	_ layers.Imitator    = (*evalData)(nil)
	_ feed.Keyed         = (*evalImages)(nil)
)

func newEvalData(s *layers.Spec) (layers.Layer, error) {
	const field = "eval_data_param"
	l := &evalData{}
	o := &l.images.options
	err := s.Options(o)
	if err != nil {
		return nil, err
	}
	switch {
	case (o.Width > 0) != (o.Height > 0):
		return nil, s.Errorf(field, "resize_height is %d and resize_width %d, want both or none", o.Height, o.Width)
	case (o.Short > 0) != (o.Long > 0):
		return nil, s.Errorf(field, "short_size is %d and long_size %d, want both or none", o.Short, o.Long)
	case o.Batch > 1 && o.Width == 0:
		return nil, s.Errorf(field+".batch_size", "batch_size is %d, want 1 for images of different sizes, or resize_height and resize_width", o.Batch)
	}
	l.images.windows, l.Feeder, err = newWindows(s, field, o.Source, o.Root, o.Batch, false)
	return l, err
}

// SetUp reads the file of windows and starts to read.
func (l *evalData) SetUp(_, top []*blob.Blob) error {
	if err := l.images.read(); err != nil {
		return l.Fail(err)
	}
	return l.Start(&l.images, feed.Order{}, top)
}

// Sources returns the window file.
func (l *evalData) Sources() []string { return []string{l.images.source} }

// Imitate returns a box of class 1 for each of n images, and their sizes.
func (l *evalData) Imitate(i, n int) (shape []int, values []float32) {
	if i == 1 {
		return imitatedBoxes(n)
	}
	height, width := l.images.options.size(480, 640)
	for range n {
		values = append(values, float32(height), float32(width))
	}
	return []int{n, 2, 1, 1}, values
}

// NewReader returns a reader of images.
func (e *evalImages) NewReader() feed.Reader {
	return &evalReader{windowReader{windows: e.windows}, &e.options}
}

// size returns the size that an image is scaled to.
func (o *evalDataOptions) size(h, w int) (height, width int) {
	height, width = h, w
	switch {
	case o.Width > 0:
		height, width = o.Height, o.Width
	case o.Short > 0:
		scale := float32(o.Short) / float32(min(w, h))
		height, width = min(round(float32(h)*scale), o.Long), min(round(float32(w)*scale), o.Long)
	}
	return round(float32(height)/32) * 32, round(float32(width)/32) * 32
}

type evalReader struct {
	windowReader
	options *evalDataOptions
}

var _ feed.Finisher = (*evalReader)(nil)

// Read writes the image of an item and its size, and keeps its boxes for Finish.
func (r *evalReader) Read(it *feed.Item) error {
	if err := r.load(it.Record); err != nil {
		return err
	}
	height, width := r.options.size(r.image.Height, r.image.Width)
	if height == 0 || width == 0 {
		return fmt.Errorf("the image is %d x %d (height x width), which is 0 in multiples of 32", r.image.Height, r.image.Width)
	}
	if err := r.resize(height, width); err != nil {
		return err
	}
	dst, err := it.Top(0, 3, height, width)
	if err != nil {
		return err
	}
	r.write(dst, height, width, data.Crop{Height: height, Width: width}, 0, 0)
	r.keep(it.Index)
	if it.Batch.Tops() < 3 {
		return nil
	}
	size, err := it.Top(2, 2, 1, 1)
	if err == nil {
		size[0], size[1] = float32(height), float32(width)
	}
	return err
}

// Finish writes the boxes of a batch.
func (r *evalReader) Finish(b *feed.Batch) error { return r.finish(b, 1) }
