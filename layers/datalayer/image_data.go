package datalayer

import (
	"errors"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/data/imagelist"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "ImageData",
		Group: "data",
		Param: "image_data_param",
		Doc: `Images and labels from a list of PNG and JPEG files, again and again.

A line of the list is a path, a space and a label.

Tops: the images, N x C x H x W, their colours in the order blue, green, red; the labels, N.

image_data_param:
	source: the list, relative to the working directory
	root_folder (""): put in front of the paths, so it should end in a slash
	batch_size (1): N. With 1 the images may have different sizes
	new_height, new_width (0): the size that images are scaled to, both or none
	is_color (true): three channels, or one
	shuffle (false): another order each time that the list begins
	rand_skip (0): leave out up to so many images, at random, at the start
` + transformDoc + `

Solvers that train together share the images: each takes every so-manieth.

Caffe: image_data_layer.cpp.`,
		Tops:    layers.Exactly(2),
		New:     newImageData,
		Kernels: cuda.Math,
	})
}

// imageData is described by its registration.
//
// Differs from Caffe: solvers that train together share the images of one
// order; in Caffe each reads all of them, in an order of its own if shuffled.
type imageData struct {
	feeder
	param *caffepb.ImageDataParameter
}

var (
	_ layers.Layer      = (*imageData)(nil)
	_ layers.DataSource = (*imageData)(nil)
	_ layers.Closer     = (*imageData)(nil)
)

// maxImageSide bounds new_height and new_width: OpenCV's limit.
const maxImageSide = 1 << 20

func newImageData(spec *layers.Spec) (layers.Layer, error) {
	param := spec.Param.GetImageDataParam()
	switch h, w := param.GetNewHeight(), param.GetNewWidth(); {
	case param.GetSource() == "":
		return nil, spec.Errorf("image_data_param", "source is missing, want a file that lists images and labels")
	case (h == 0) != (w == 0):
		return nil, spec.Errorf("image_data_param", "new_height is %d and new_width %d, want both or none", h, w)
	case h > maxImageSide || w > maxImageSide:
		return nil, spec.Errorf("image_data_param.new_height", "new_height is %d and new_width %d, want at most %d", h, w, maxImageSide)
	}
	f, err := newFeeder(spec, "image_data_param.source", "image_data_param.batch_size", param.GetBatchSize())
	if err != nil {
		return nil, err
	}
	return &imageData{feeder: f, param: param}, nil
}

// SetUp reads the list, and the first image.
func (l *imageData) SetUp(_, top []*blob.Blob) error {
	name, observer := l.spec.Param.GetName(), l.spec.Env.Observer
	event.Send(observer, layers.ListOpening{Layer: name, Path: l.param.GetSource()})
	items, err := imagelist.Read(l.param.GetSource())
	if err != nil {
		return l.fail(err)
	}
	if len(items) == 0 {
		return l.fail(errors.New("the list " + l.param.GetSource() + " is empty"))
	}
	options := data.ImageOptions{
		Items:  items,
		Root:   l.param.GetRootFolder(),
		Height: int(l.param.GetNewHeight()),
		Width:  int(l.param.GetNewWidth()),
		Mode:   data.Color,
	}
	if !l.param.GetIsColor() {
		options.Mode = data.Gray
	}
	if l.param.GetShuffle() {
		event.Send(observer, layers.Shuffling{Layer: name})
		options.Shuffle = l.spec.Rand("shuffle").Source
	}
	event.Send(observer, layers.ListRead{Layer: name, Items: len(items)})
	sequence := l.sequence(len(items))
	if most := l.param.GetRandSkip(); most > 0 {
		var word [1]uint32
		l.spec.Rand("skip").Uint32s(word[:], 0, 0)
		sequence.Skip = int(uint64(word[0]) * uint64(most) >> 32)
		event.Send(observer, layers.Skipping{Layer: name, Items: sequence.Skip})
		if sequence.Skip >= len(items) {
			return l.spec.Errorf("image_data_param.rand_skip", "skipping %d of %d images leaves none", sequence.Skip, len(items))
		}
	}
	if err := readMean(l.spec, l.transformer); err != nil {
		return err
	}
	return l.feed(data.NewImages(options, l.transformer, sequence, l.threads()), top)
}

// Sources returns the list and the mean file.
func (l *imageData) Sources() []string { return l.files(l.param.GetSource()) }
