package segmentation

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
		Type:  "DenseImageData",
		Group: "data",
		Plugin: &layers.Plugin{
			Field:   "dense_image_data_param",
			Number:  138,
			Proto:   layers.Schema(schemas, "dense_image_data.proto"),
			Message: "DenseImageDataParameter",
		},
		Tops:    layers.Exactly(2),
		New:     newDenseImageData,
		Kernels: cuda.Math,
		Doc: `Images with a label for each of their pixels, from a list of image files, again and again.

Each line of the list is the path of an image, a space and the path of its label image, whose grey values are the
labels; or several such pairs. Paths have no spaces.

Tops: the images, N x C x H x W, with the channels blue, green, red; the labels, N x 1 x H x W.

dense_image_data_param:
	source: the list, relative to the working directory
	root_folder (""): prefix of both paths; should end in a slash
	root_folder_image, root_folder_label (""): prefixes of the first and of the second path, in its place; ENet's
	batch_size: N; images of different sizes need 1, or a crop
	new_height, new_width (0): size to scale images to, both or none; labels to the nearest
	is_color (true): three channels; otherwise one
	shuffle (false): shuffle the list anew in each epoch
	rand_skip (0): skip a random number of images at the start, less than this
	mirror (false): flip half of the images, chosen at random, left to right, in both phases
	crop_height, crop_width (0): crop a part of this size, both or none, at random in both phases
	label_divide_factor (1): labels are H/n x W/n for an n other than 1, without a crop; ENet's
	mean_file: accepted and ignored, as in the source

transform_param:
	scale (1), mean_value (one, or one for each channel), mean_file (of the size that is left after the crop): the
	    value of a pixel is (pixel - mean) * scale; labels stay as they are
	distort_param and the other options that change colours: as of Data
	mirror, crop_size: an error; use those of dense_image_data_param

data_param.prefetch (4): number of batches held in memory; all but the current one are read ahead

Source: github.com/alexgkendall/caffe-segnet (branch segnet-cleaned), dense_image_data_layer.cpp`,
	})
}

// denseImageData implements the layer type; its registration describes it.
type denseImageData struct {
	*pairs
	own denseOptions
}

type denseOptions struct {
	Mirror     bool   `proto:"mirror"`
	CropHeight int    `proto:"crop_height"`
	CropWidth  int    `proto:"crop_width"`
	Divide     int    `proto:"label_divide_factor"`
	RootImage  string `proto:"root_folder_image"`
	RootLabel  string `proto:"root_folder_label"`
}

var (
	_ layers.Layer       = (*denseImageData)(nil)
	_ layers.DeviceLayer = (*denseImageData)(nil)
	_ layers.DataSource  = (*denseImageData)(nil)
	_ layers.Closer      = (*denseImageData)(nil)
	_ layers.Labeler     = (*denseImageData)(nil)
)

func newDenseImageData(s *layers.Spec) (layers.Layer, error) {
	const field = "dense_image_data_param"
	common, err := newPairs(s, field)
	if err != nil {
		return nil, err
	}
	l := &denseImageData{pairs: common}
	o, t := &l.own, s.Param.GetTransformParam()
	if err := s.Options(o); err != nil {
		return nil, err
	}
	for _, option := range []struct {
		name string
		set  bool
	}{{"mirror", t.GetMirror()}, {"crop_size", t.GetCropSize() > 0}} {
		if option.set {
			return nil, s.Errorf("transform_param."+option.name, "%s does not move the labels: use mirror, crop_height and crop_width of %s", option.name, field)
		}
	}
	switch {
	case (o.CropHeight == 0) != (o.CropWidth == 0):
		return nil, s.Errorf(field, "crop_height is %d and crop_width %d, want both or none", o.CropHeight, o.CropWidth)
	case o.Divide < 1:
		return nil, s.Errorf(field+".label_divide_factor", "label_divide_factor is %d, want 1 or more", o.Divide)
	case o.Divide > 1 && o.CropHeight > 0:
		return nil, s.Errorf(field+".label_divide_factor", "label_divide_factor is %d, want 1 with crop_height", o.Divide)
	case common.options.Root != "" && (o.RootImage != "" || o.RootLabel != ""):
		return nil, s.Errorf(field+".root_folder", "root_folder stands for both root_folder_image and root_folder_label, which are set too")
	case common.options.Root != "":
		o.RootImage, o.RootLabel = common.options.Root, common.options.Root
	}
	return l, nil
}

// Labels returns the shape of the labels of an image.
func (l *denseImageData) Labels(_ int, item []int) []int {
	if len(item) < 2 {
		return nil
	}
	n := len(item)
	return []int{1, item[n-2] / l.own.Divide, item[n-1] / l.own.Divide}
}

// SetUp reads the list and the first pair.
func (l *denseImageData) SetUp(_, top []*blob.Blob) error {
	reader := func() feed.Reader { return &denseReader{pairReader{pairs: l.pairs}, &l.own} }
	if err := l.setUp(reader, false, top); err != nil {
		return err
	}
	l.warnOfPalette(l.own.RootLabel)
	return nil
}

// denseReader makes items of pairs.
type denseReader struct {
	pairReader
	own *denseOptions
}

// Read writes an image and its labels.
func (r *denseReader) Read(it *feed.Item) error {
	o := r.own
	if err := r.readImage(it, o.RootImage); err != nil {
		return err
	}
	if err := r.read(&r.labels, it.Record, o.RootLabel+r.pairs.list.Items[it.Record].Other, data.Gray); err != nil {
		return err
	}
	h, w := r.image.Height/o.Divide, r.image.Width/o.Divide
	if h == 0 || w == 0 {
		return fmt.Errorf("the image is %d x %d (height x width), which label_divide_factor %d leaves nothing of", r.image.Height, r.image.Width, o.Divide)
	}
	if r.pairs.options.NewHeight > 0 {
		r.scale(&r.labels, h, w, data.Nearest)
	}
	if err := r.sameSize(h, w); err != nil {
		return err
	}
	part := data.Crop{Height: r.image.Height, Width: r.image.Width, Mirrored: o.Mirror && it.Rand.IntN(2) == 1}
	ofLabels := data.Crop{Height: h, Width: w, Mirrored: part.Mirrored}
	if o.CropHeight > 0 {
		if o.CropHeight > h || o.CropWidth > w {
			return fmt.Errorf("the image is %d x %d (height x width), less than its crop of %d x %d", h, w, o.CropHeight, o.CropWidth)
		}
		part.Height, part.Width = o.CropHeight, o.CropWidth
		part.Top, part.Left = it.Rand.IntN(h-part.Height+1), it.Rand.IntN(w-part.Width+1)
		ofLabels = part
	}
	// A mean image is subtracted from what is left, as in the source.
	r.cut(&r.image, part, 0)
	r.cut(&r.labels, ofLabels, 0)
	if err := r.write(it, data.Crop{Height: r.image.Height, Width: r.image.Width}); err != nil {
		return err
	}
	return r.writeLabels(it)
}
