package segmentation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/color"
	"image/png"

	"google.golang.org/protobuf/proto"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/data/imagelist"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/feed"
)

// pairs is the common part of DenseImageData and ImageSegData, which read a list of
// images and their labels.
type pairs struct {
	*feed.Feeder
	spec        *layers.Spec
	field       string // with the options
	options     listOptions
	transformer *data.Transformer
	list        *imagelist.List
}

// listOptions are the options that both have, in a field of their own.
type listOptions struct {
	Source    string `proto:"source"`
	BatchSize int    `proto:"batch_size"`
	RandSkip  uint32 `proto:"rand_skip"`
	Shuffle   bool   `proto:"shuffle"`
	NewHeight int    `proto:"new_height"`
	NewWidth  int    `proto:"new_width"`
	Color     bool   `proto:"is_color"`
	Root      string `proto:"root_folder"`
}

// newPairs reads the options in the given field, and transform_param but for its crop and
// mirror, which each layer does in its own way.
func newPairs(s *layers.Spec, field string) (*pairs, error) {
	l := &pairs{spec: s, field: field}
	o := &l.options
	if _, err := s.OptionsIn(field, o); err != nil {
		return nil, err
	}
	t := s.Param.GetTransformParam()
	moving := data.MovesPixels(t)
	switch {
	case o.Source == "":
		return nil, s.Errorf(field, "source is missing, want a file that lists images and their labels")
	case (o.NewHeight == 0) != (o.NewWidth == 0):
		return nil, s.Errorf(field, "new_height is %d and new_width %d, want both or none", o.NewHeight, o.NewWidth)
	case moving != "":
		return nil, s.Errorf("transform_param."+moving, "%s does not move the labels", moving)
	case t.GetPad() > 0:
		return nil, s.Errorf("transform_param.pad", "pad does not move the labels")
	case t.GetForceColor() || t.GetForceGray():
		return nil, s.Errorf("transform_param", "force_color and force_gray are for databases: %s has is_color", field)
	case o.NewHeight > 0:
		if err := data.CheckSize(o.NewHeight, o.NewWidth); err != nil {
			return nil, s.Errorf(field+".new_height", "new_height and new_width: %w", err)
		}
	}
	var err error
	if l.Feeder, err = feed.New(s, field, o.BatchSize); err != nil {
		return nil, err
	}
	if t != nil {
		t = proto.Clone(t).(*caffepb.TransformationParameter)
		t.CropSize, t.Mirror = nil, nil
	}
	l.transformer, err = feed.NewTransformerFor(s, t)
	return l, err
}

// setUp reads the list and starts to read the pairs. alone says that the lines have
// nothing but images.
func (l *pairs) setUp(reader func() feed.Reader, alone bool, top []*blob.Blob) error {
	o := &l.options
	event.Send(l.spec.Env.Observer, layers.ListOpening{Layer: l.spec.Param.GetName(), Type: l.spec.Param.GetType(), Path: o.Source})
	var err error
	if l.list, err = imagelist.ReadPairs(context.Background(), o.Source, alone); err != nil {
		return l.Fail(err)
	}
	if len(l.list.Items) == 0 {
		return l.Fail(errors.New("the list " + o.Source + " is empty"))
	}
	order, err := feed.ListOrder(l.spec, len(l.list.Items), o.Shuffle, o.RandSkip, l.field+".rand_skip")
	if err != nil {
		return err
	}
	if err := feed.ReadMean(l.spec, l.transformer); err != nil {
		return err
	}
	return l.Start(&pairSet{l.list, reader}, order, top)
}

// Sources returns the list and the mean file.
func (l *pairs) Sources() []string { return feed.Sources(l.spec, l.options.Source) }

// warnOfPalette warns if the first label image has a palette, whose colours become grey
// values that are not the numbers of the classes.
func (l *pairs) warnOfPalette(root string) {
	path := root + l.list.Items[0].Other
	file, err := imagelist.ReadFile(path, nil)
	if err != nil {
		return // when it is read, there is an error
	}
	config, err := png.DecodeConfig(bytes.NewReader(file))
	palette, ok := config.ColorModel.(color.Palette)
	if err != nil || !ok {
		return
	}
	for i, c := range palette {
		if grey, _ := color.GrayModel.Convert(c).(color.Gray); int(grey.Y) != i {
			l.spec.Notef(event.Warning, "the label image %q has a palette: as in Caffe, its labels are the brightness of the colours, "+
				"not their numbers; store the numbers as grey values", path)
			return
		}
	}
}

// pairSet is the feed.Dataset of a list.
type pairSet struct {
	list   *imagelist.List
	reader func() feed.Reader
}

func (s *pairSet) Len() int { return len(s.list.Items) }

// Name returns the list and its line.
func (s *pairSet) Name(i int) string { return s.list.Place(i) }

// Key returns the path of image i as the list has it.
func (s *pairSet) Key(i int) string { return s.list.Items[i].Path }

func (s *pairSet) NewReader() feed.Reader { return s.reader() }

// A pairReader reads images and labels.
type pairReader struct {
	pairs         *pairs
	file          []byte
	image, labels data.Image
	other         data.Image // what a step makes of one of them
	resizer       data.Resizer
	pixels        data.Pixels
}

// read reads an image file into im.
func (r *pairReader) read(im *data.Image, record int, path string, mode data.Mode) (err error) {
	if r.file, err = imagelist.ReadFile(path, r.file); err != nil {
		return r.pairs.list.Explain(record, err)
	}
	if err := im.Decode(r.file, mode); err != nil {
		return fmt.Errorf("%q: %w", path, err)
	}
	return nil
}

// readImage reads the image of a record, and scales and colours it as the options say.
func (r *pairReader) readImage(it *feed.Item, root string) error {
	mode := data.Color
	if !r.pairs.options.Color {
		mode = data.Gray
	}
	if err := r.read(&r.image, it.Record, root+r.pairs.list.Items[it.Record].Path, mode); err != nil {
		return err
	}
	if r.pairs.options.NewHeight > 0 {
		r.scale(&r.image, r.pairs.options.NewHeight, r.pairs.options.NewWidth, data.Linear)
	}
	return r.pairs.transformer.ChangeColors(&r.image, &r.pixels, it.Place)
}

// scale scales im. Labels are scaled to data.Nearest: there is nothing between classes.
func (r *pairReader) scale(im *data.Image, height, width int, how data.Interpolation) {
	if height == im.Height && width == im.Width {
		return
	}
	r.resizer.Resize(&r.other, im, height, width, how)
	*im, r.other = r.other, *im
}

// cut makes im a part of itself; where it is outside, the pixels are fill.
func (r *pairReader) cut(im *data.Image, part data.Crop, fill byte) {
	if part == (data.Crop{Height: im.Height, Width: im.Width}) {
		return
	}
	r.other.Cut(im, part, fill)
	*im, r.other = r.other, *im
}

// sameSize fails if the labels are not of the wanted size.
func (r *pairReader) sameSize(height, width int) error {
	if r.labels.Height == height && r.labels.Width == width {
		return nil
	}
	return fmt.Errorf("the image has %d x %d labels (height x width), want %d x %d", r.labels.Height, r.labels.Width, height, width)
}

// write writes a part of the image to the first top.
func (r *pairReader) write(it *feed.Item, part data.Crop) error {
	r.pixels.SetImage(&r.image)
	dst, err := it.Top(0, r.image.Channels, part.Height, part.Width)
	if err != nil {
		return err
	}
	return r.pairs.transformer.TransformCrop(dst, &r.pixels, part)
}

// writeLabels writes the labels to the second top.
func (r *pairReader) writeLabels(it *feed.Item) error {
	dst, err := it.Top(1, 1, r.labels.Height, r.labels.Width)
	if err != nil {
		return err
	}
	for i, v := range r.labels.Pix {
		dst[i] = float32(v)
	}
	return nil
}
