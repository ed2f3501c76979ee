package datalayer

import (
	"context"
	"errors"
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/data/imagelist"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/feed"
)

func init() {
	layers.Register(layers.Info{
		Type:  "ImageData",
		Group: "data",
		Param: "image_data_param",
		Doc: `Images and labels from a list of image files (JPEG, PNG, BMP, TIFF, WebP, PNM), again and again.

Each line of the list is a path, a space and a label, or several labels with spaces between them.
Labels may be any numbers.

Tops: the images, N x C x H x W, with the channels blue, green, red; the labels, N. With label_dim: L
the second top is N x L. With more tops each of them has one of the labels.

image_data_param:
	source: the list, relative to the working directory
	root_folder (""): prefix of the paths; should end in a slash
	batch_size (1): N; images of different sizes need 1
	new_height, new_width (0): size to scale images to, both or none
	is_color (true): three channels; otherwise one
	shuffle (false): shuffle the list anew in each epoch
	label_dim (1): L, the number of labels on each line; not in Caffe but in forks
	rand_skip (0): skip a random number of images at the start, less than this
	scale, mean_file, crop_size, mirror: moved to transform_param; read in files of the oldest formats only
` + transformDoc + `

Solvers that train together share the images: of n solvers, each takes every nth.

Caffe: image_data_layer.cpp.`,
		Tops:    layers.AtLeast(2),
		New:     newImageData,
		Kernels: cuda.Math,
	})
}

// imageData implements the layer type; its registration describes it.
//
// Differs from Caffe: solvers that train together share the images; in Caffe each
// reads all of them, in an order of its own if shuffled.
type imageData struct {
	*feed.Feeder
	spec        *layers.Spec
	param       *caffepb.ImageDataParameter
	labels      int // on each line of the list
	transformer *data.Transformer
}

var (
	_ layers.Layer       = (*imageData)(nil)
	_ layers.DeviceLayer = (*imageData)(nil)
	_ layers.DataSource  = (*imageData)(nil)
	_ layers.Closer      = (*imageData)(nil)
	_ layers.Labeler     = (*imageData)(nil)
)

func newImageData(spec *layers.Spec) (layers.Layer, error) {
	param := spec.Param.GetImageDataParam()
	switch h, w := param.GetNewHeight(), param.GetNewWidth(); {
	case param.GetSource() == "":
		return nil, spec.Errorf("image_data_param", "source is missing, want a file that lists images and labels")
	case (h == 0) != (w == 0):
		return nil, spec.Errorf("image_data_param", "new_height is %d and new_width %d, want both or none", h, w)
	case h > 0:
		if err := data.CheckSize(int(h), int(w)); err != nil {
			return nil, spec.Errorf("image_data_param.new_height", "new_height and new_width: %w", err)
		}
	}
	labels := int(param.GetLabelDim())
	switch tops := len(spec.Param.GetTop()) - 1; {
	case labels == 0:
		return nil, spec.Errorf("image_data_param.label_dim", "label_dim is 0, want at least 1")
	case tops > 1 && param.LabelDim != nil && labels != tops:
		return nil, spec.Errorf("image_data_param.label_dim", "label_dim is %d, and there are %d tops for labels, want one top or %[1]d", labels, tops)
	case tops > 1:
		labels = tops
	}
	f, err := feed.New(spec, "image_data_param", int(param.GetBatchSize()))
	if err != nil {
		return nil, err
	}
	t, err := feed.NewTransformer(spec)
	if err != nil {
		return nil, err
	}
	return &imageData{Feeder: f, spec: spec, param: param, labels: labels, transformer: t}, nil
}

// Labels returns how many labels the only top for labels has.
func (l *imageData) Labels(int, []int) []int {
	if len(l.spec.Param.GetTop()) == 2 && l.labels > 1 {
		return []int{l.labels}
	}
	return nil
}

// SetUp reads the list and the first image.
func (l *imageData) SetUp(_, top []*blob.Blob) error {
	event.Send(l.spec.Env.Observer, layers.ListOpening{Layer: l.spec.Param.GetName(), Type: l.spec.Param.GetType(), Path: l.param.GetSource()})
	list, err := imagelist.Read(context.Background(), l.param.GetSource(), imagelist.Options{
		Labels: l.labels, Float: true, Hint: "label_dim, or a top for each label, says how many",
	})
	if err != nil {
		return l.Fail(err)
	}
	if len(list.Items) == 0 {
		return l.Fail(errors.New("the list " + l.param.GetSource() + " is empty"))
	}
	order, err := feed.ListOrder(l.spec, len(list.Items), l.param.GetShuffle(), l.param.GetRandSkip(), "image_data_param.rand_skip")
	if err != nil {
		return err
	}
	if err := feed.ReadMean(l.spec, l.transformer); err != nil {
		return err
	}
	return l.Start(&images{list, l.param, l.transformer}, order, top)
}

// Sources returns the list and the mean file.
func (l *imageData) Sources() []string { return feed.Sources(l.spec, l.param.GetSource()) }

// images is a feed.Dataset of the images of a list.
type images struct {
	list        *imagelist.List
	param       *caffepb.ImageDataParameter
	transformer *data.Transformer
}

func (s *images) Len() int { return len(s.list.Items) }

// Name returns the list and its line.
func (s *images) Name(i int) string { return s.list.Place(i) }

// Key returns the path of image i as the list has it.
func (s *images) Key(i int) string { return s.list.Items[i].Path }

func (s *images) NewReader() feed.Reader { return &imageReader{images: s} }

type imageReader struct {
	*images
	pixels data.Pixels
}

// Read writes the image and its label.
func (r *imageReader) Read(it *feed.Item) error {
	mode := data.Color
	if !r.param.GetIsColor() {
		mode = data.Gray
	}
	path := r.param.GetRootFolder() + r.list.Items[it.Record].Path
	if err := r.pixels.ReadFile(path, mode, int(r.param.GetNewHeight()), int(r.param.GetNewWidth())); err != nil {
		return r.list.Explain(it.Record, err)
	}
	if err := writeImage(it, r.transformer, &r.pixels, r.list.Labels(it.Record)...); err != nil {
		return fmt.Errorf("%q: %w", path, err)
	}
	return nil
}
