package segmentation

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/feed"
)

func init() {
	layers.Register(layers.Info{
		Type:    "ImageSegData",
		Group:   "data",
		Param:   "image_data_param",
		Extends: layers.Schema(schemas, "image_seg_data.proto"),
		Tops:    layers.Between(2, 3),
		New:     newImageSegData,
		Kernels: cuda.Math,
		Doc: `Images with a label for each of their pixels, from a list of image files, again and again.

Each line of the list is the path of an image, a space and what label_type says: the path of its label image, whose
grey values are the labels; or one label, 0 to 255, for all of its pixels; or nothing. Paths have no spaces.

Tops: the images, N x C x H x W, with the channels blue, green, red; the labels, N x 1 x H x W; optionally the height
and the width of each image, N x 1 x 1 x 2, at most H and W, before scale_factors.

image_data_param:
	source: the list, relative to the working directory
	root_folder (""): prefix of both paths; should end in a slash
	batch_size (1): N; images of different sizes need 1, or a crop
	new_height, new_width (0): size to scale images to, both or none; labels to the nearest
	is_color (true): three channels; otherwise one
	shuffle (false): shuffle the list anew in each epoch
	rand_skip (0): skip a random number of images at the start, less than this
	label_type (IMAGE): PIXEL: lines have label images. IMAGE: labels. NONE: nothing, and all labels are ignore_label
	ignore_label (255): the label of pixels beside the image, 0 to 255
	scale, mirror, crop_size, mean_file, label_dim: an error; use transform_param

transform_param:
	scale (1), mean_value (one, or one for each channel): the value of a pixel is (pixel - mean) * scale; labels stay
	    as they are
	scale_factors (none): factors of the size, of which one is drawn for each image, in both phases; needs a crop
	crop_size (0), or crop_height and crop_width (0): crop a part of this size, at random in training, else in the
	    centre. A smaller image has pixels of the mean below and to the right of it.
	mirror (false): flip half of the images, chosen at random, left to right, in both phases
	distort_param and the other options that change colours: as of Data
	mean_file: an error, as in the source

data_param.prefetch (4): number of batches held in memory; all but the current one are read ahead

Differs from the source: new_height and new_width scale label images to the nearest; the source mixes the numbers of
classes there.

Source: github.com/hszhao/PSPNet, image_seg_data_layer.cpp and data_transformer.cpp`,
	})
}

// imageSegData implements the layer type; its registration describes it.
type imageSegData struct {
	*pairs
	labels    segLabelOptions
	transform segTransformOptions
	mirror    bool
}

type segLabelOptions struct {
	Ignore int    `proto:"ignore_label"`
	Type   string `proto:"label_type"`
}

type segTransformOptions struct {
	Factors    []float32 `proto:"scale_factors"`
	CropHeight int       `proto:"crop_height"`
	CropWidth  int       `proto:"crop_width"`
}

var (
	_ layers.Layer       = (*imageSegData)(nil)
	_ layers.DeviceLayer = (*imageSegData)(nil)
	_ layers.DataSource  = (*imageSegData)(nil)
	_ layers.Closer      = (*imageSegData)(nil)
	_ layers.Labeler     = (*imageSegData)(nil)
)

func newImageSegData(s *layers.Spec) (layers.Layer, error) {
	const field = "image_data_param"
	common, err := newPairs(s, field)
	if err != nil {
		return nil, err
	}
	l := &imageSegData{pairs: common, mirror: s.Param.GetTransformParam().GetMirror()}
	if _, err := s.OptionsIn(field, &l.labels); err != nil {
		return nil, err
	}
	o := &l.transform
	if _, err := s.OptionsIn("transform_param", o); err != nil {
		return nil, err
	}
	old := s.Param.GetImageDataParam()
	for _, option := range []struct {
		name string
		set  bool
	}{
		{"scale", old.Scale != nil}, {"mirror", old.Mirror != nil}, {"crop_size", old.CropSize != nil},
		{"mean_file", old.MeanFile != nil}, {"label_dim", old.LabelDim != nil},
	} {
		if option.set {
			return nil, s.Errorf(field+"."+option.name, "%s has no effect here in ImageSegData: use transform_param", option.name)
		}
	}
	size := int(s.Param.GetTransformParam().GetCropSize())
	switch {
	case l.labels.Ignore < 0 || l.labels.Ignore > maxLabel:
		return nil, s.Errorf(field+".ignore_label", "ignore_label is %d, want 0 to %d", l.labels.Ignore, maxLabel)
	case s.Param.GetTransformParam().GetMeanFile() != "":
		return nil, s.Errorf("transform_param.mean_file", "ImageSegData has no mean_file, as in its source: use mean_value")
	case size > 0 && (o.CropHeight > 0 || o.CropWidth > 0):
		return nil, s.Errorf("transform_param.crop_size", "want crop_size, or both crop_height and crop_width")
	case (o.CropHeight == 0) != (o.CropWidth == 0):
		return nil, s.Errorf("transform_param", "crop_height is %d and crop_width %d, want both or none", o.CropHeight, o.CropWidth)
	case size > 0:
		o.CropHeight, o.CropWidth = size, size
	}
	if o.CropHeight > 0 {
		if err := data.CheckSize(o.CropHeight, o.CropWidth); err != nil {
			return nil, s.Errorf("transform_param", "the crop: %w", err)
		}
	} else if len(o.Factors) > 0 {
		return nil, s.Errorf("transform_param.scale_factors", "scale_factors needs crop_size, or crop_height and crop_width")
	}
	for i, f := range o.Factors {
		if !(f > 0 && f <= maxFactor) {
			return nil, s.ErrorAt("transform_param.scale_factors", i, fmt.Errorf("scale_factors is %g, want more than 0, and at most %d", f, maxFactor))
		}
	}
	return l, nil
}

const (
	maxLabel  = 255 // labels are bytes
	maxFactor = 100 // of a size
)

// Labels returns the shape of the labels of an image, or of its size.
func (l *imageSegData) Labels(i int, item []int) []int {
	n := len(item)
	switch {
	case i == 2:
		return []int{1, 1, 2}
	case n < 2:
		return nil
	}
	return []int{1, item[n-2], item[n-1]}
}

// SetUp reads the list and the first pair.
func (l *imageSegData) SetUp(_, top []*blob.Blob) error {
	reader := func() feed.Reader { return &segReader{pairReader{pairs: l.pairs}, l, data.Image{Channels: 1}} }
	if err := l.setUp(reader, l.labels.Type == "NONE", top); err != nil {
		return err
	}
	if l.labels.Type == "PIXEL" {
		l.warnOfPalette(l.options.Root)
	}
	return nil
}

// segReader makes items of pairs.
type segReader struct {
	pairReader
	layer   *imageSegData
	nothing data.Image // without pixels
}

// Read writes an image and its labels, and its size.
func (r *segReader) Read(it *feed.Item) error {
	o := &r.layer.transform
	if err := r.readImage(it, r.pairs.options.Root); err != nil {
		return err
	}
	if err := r.readLabels(it); err != nil {
		return err
	}
	height, width := r.image.Height, r.image.Width
	if n := len(o.Factors); n > 0 {
		f := o.Factors[it.Rand.IntN(n)]
		h, w := int(float32(height)*f), int(float32(width)*f)
		if err := data.CheckSize(h, w); err != nil {
			return fmt.Errorf("the image, scaled by %g: %w", f, err)
		}
		r.scale(&r.image, h, w, data.Linear)
		r.scale(&r.labels, h, w, data.Nearest)
	}
	part := r.part(it)
	r.cut(&r.labels, part, byte(r.layer.labels.Ignore))
	if err := r.write(it, part); err != nil {
		return err
	}
	if err := r.writeLabels(it); err != nil || it.Batch.Tops() == 2 {
		return err
	}
	dim, err := it.Top(2, 1, 1, 2)
	if err != nil {
		return err
	}
	dim[0], dim[1] = float32(min(height, part.Height)), float32(min(width, part.Width))
	return nil
}

// readLabels reads or makes the labels of an image.
func (r *segReader) readLabels(it *feed.Item) error {
	o, text := &r.layer.labels, r.pairs.list.Items[it.Record].Other
	label := o.Ignore
	switch o.Type {
	case "PIXEL":
		if err := r.read(&r.labels, it.Record, r.pairs.options.Root+text, data.Gray); err != nil {
			return err
		}
		if r.pairs.options.NewHeight > 0 {
			r.scale(&r.labels, r.pairs.options.NewHeight, r.pairs.options.NewWidth, data.Nearest)
		}
		return r.sameSize(r.image.Height, r.image.Width)
	case "IMAGE":
		var err error
		if label, err = strconv.Atoi(text); err != nil || label < 0 || label > maxLabel {
			return errors.New("the label is " + strconv.Quote(text) + ", want a whole number from 0 to 255; label_type: PIXEL is for lists of label images")
		}
	}
	r.labels.Cut(&r.nothing, data.Crop{Height: r.image.Height, Width: r.image.Width}, byte(label))
	return nil
}

// part returns the part of the image that is cropped. Beside the image there may be room
// below and to the right.
func (r *segReader) part(it *feed.Item) data.Crop {
	o := &r.layer.transform
	part := data.Crop{Height: r.image.Height, Width: r.image.Width}
	if o.CropHeight > 0 {
		part.Height, part.Width = o.CropHeight, o.CropWidth
		top, left := max(0, r.image.Height-part.Height), max(0, r.image.Width-part.Width)
		if r.pairs.spec.Env.Phase == caffepb.Phase_TRAIN {
			part.Top, part.Left = it.Rand.IntN(top+1), it.Rand.IntN(left+1)
		} else {
			part.Top, part.Left = top/2, left/2
		}
	}
	part.Mirrored = r.layer.mirror && it.Rand.IntN(2) == 1
	return part
}
