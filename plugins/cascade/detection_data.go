package cascade

import (
	"errors"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/data/imagelist"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/feed"
	"google.golang.org/protobuf/proto"
)

func init() {
	layers.Register(layers.Info{
		Type:  "DetectionData",
		Group: "data",
		Plugin: &layers.Plugin{
			Field:   "detection_data_param",
			Number:  151,
			Proto:   layers.Schema(schemas, "detection_data.proto"),
			Message: "DetectionDataParameter",
		},
		Tops:    layers.AtLeast(2),
		New:     newDetectionData,
		Kernels: cuda.Math,
		Doc: `Images with the boxes of their objects from a file of windows, for the training of a detector, and maps that say what
each anchor of a region proposal network shall learn. An image goes through these steps, and its boxes with it:

	1. distort_param changes its colours
	2. transform_param.mirror flips it or not, at random
	3. it is scaled to resize_height x resize_width, by resize_ratio, or so that its shorter side is short_size
	4. with min_scale or low_scale_ratio it is scaled at random
	5. a part is taken, at a random object, or what lacks is filled with 0

The size of the part is crop_height x crop_width, or else resize_height x resize_width; or crop_short_size and
crop_long_size, or else short_size and long_size, where the longer side is that of the first image of the batch; or else
the size of the first image. short_size and long_size are rounded to multiples of 32.

` + windowsDoc + `
An anchor of a map is a box of its field_h and field_w in the middle of each pixel. It has the class of the object that
it overlaps most if the overlap (common area / area of the union) is above fg_threshold, and 0 if that object is
ignored, as those are whose center is outside of the part or which are too small. An object without an anchor gets the
one at its center, of the map where it overlaps one most, if that is at least pickup_iou_thr. The overlap of an anchor
is set to 1 if it is outside of the image or in ignored regions. What is random depends on the seed, the layer's name
and the record's place in the training only.

Tops: the images, N x 3 x H x W, with the channels blue, green, red; for each stride a map, N x 6 x H / stride x
W / stride: class, x and y of the center, width and height of the object, overlap; with output_gt_boxes the boxes,
G x 8 x 1 x 1: number of the image in the batch, x1, y1, x2, y2, class, ignore, difficult, or a row of -1.

detection_data_param:
	source: the window file, relative to the working directory
	root_folder (""): prefix of the paths; should end in a slash
	batch_size: N
	stride, field_h, field_w: of the anchors of each map
	output_gt_boxes (false): whether the last top has the boxes
	resize_height, resize_width; resize_ratio; short_size, long_size: what images are scaled to, one of the three
	crop_height, crop_width; crop_short_size, crop_long_size: size of the part, one of the two
	template_ratio: factors of short_size and long_size, of which one is drawn for each batch
	low_scale_ratio, high_scale_ratio: images are scaled by a factor between them, in steps 4, with multiscale_prob (0.5)
	min_scale, max_scale: likewise, to between these sizes of the object (root of its area)
	min_whaspect, max_whaspect: in step 4, the ratio of the factors of width and height
	min_gt_width, min_gt_height (0): least size of objects that are not ignored
	fg_threshold (0.5): overlap of an anchor that has a class
	ignore_fg_threshold (0.4): share of an anchor in ignored regions, added up, from which on it is ignored
	anchor_ignore_margin_ratio: anchors that reach further out of the image than this, in halves of their size, are ignored
	anchor_ignore_iou_thr: without the former, anchors are ignored of which less than this share is in the image
	pickup_iou_thr (0.2): see above
	shuffle: random; random_aspect, which puts high images in one half of an epoch and wide ones in the other; or
	    random_mix_aspect, which alternates groups of mix_group_size (64) of both. Without it, the order is that of the file
	cache_images (false): keep the image files in memory
	distort_param: as of transform_param of Data
	scale (1): not used, as in the fork: transform_param has its own
	coord_num (4): 4

transform_param: value = (pixel - mean_value) * scale
	mean_value: one, or one for each channel; scale (1); mirror (false)
	crop_size, mean_file, pad, force_gray: an error

Source: github.com/zhaoweicai/cascade-rcnn, detection_data_layer.cpp`,
	})
}

// detectionData implements the layer type; its registration describes it.
type detectionData struct {
	*feed.Feeder
	spec   *layers.Spec
	images detectionImages
}

// detectionImages is the feed.Dataset.
type detectionImages struct {
	*windows
	options detectionDataOptions
	mirror  bool
	colors  *data.Transformer
}

type detectionDataOptions struct {
	Source        string     `proto:"source"`
	Root          string     `proto:"root_folder"`
	Batch         int        `proto:"batch_size"`
	Coordinates   int        `proto:"coord_num"`
	Stride        []int      `proto:"stride"`
	H             []int      `proto:"field_h"`
	W             []int      `proto:"field_w"`
	Fore          float32    `proto:"fg_threshold"`
	IgnoreFrom    float32    `proto:"ignore_fg_threshold"`
	Width         int        `proto:"resize_width"`
	Height        int        `proto:"resize_height"`
	Ratio         float32    `proto:"resize_ratio"`
	CropWidth     int        `proto:"crop_width"`
	CropHeight    int        `proto:"crop_height"`
	MinScale      float32    `proto:"min_scale"`
	MaxScale      float32    `proto:"max_scale"`
	LowScale      float32    `proto:"low_scale_ratio"`
	HighScale     float32    `proto:"high_scale_ratio"`
	ScaleProb     float32    `proto:"multiscale_prob"`
	MinAspect     float32    `proto:"min_whaspect"`
	MaxAspect     float32    `proto:"max_whaspect"`
	Short         int        `proto:"short_size"`
	Long          int        `proto:"long_size"`
	CropShort     int        `proto:"crop_short_size"`
	CropLong      int        `proto:"crop_long_size"`
	TemplateRatio []float32  `proto:"template_ratio"`
	LeastWidth    float32    `proto:"min_gt_width"`
	LeastHeight   float32    `proto:"min_gt_height"`
	Margin        float32    `proto:"anchor_ignore_margin_ratio"`
	Inside        float32    `proto:"anchor_ignore_iou_thr"`
	Pickup        float32    `proto:"pickup_iou_thr"`
	Shuffle       string     `proto:"shuffle"`
	Group         int        `proto:"mix_group_size"`
	Boxes         bool       `proto:"output_gt_boxes"`
	Cache         bool       `proto:"cache_images"`
	Distort       *distorter `proto:"distort_param"`

	hasMargin, hasInside, shuffled bool
}

// distorter are the options of distort_param.
type distorter struct {
	BrightnessProb  float32 `proto:"brightness_prob"`
	BrightnessDelta float32 `proto:"brightness_delta"`
	ContrastProb    float32 `proto:"contrast_prob"`
	ContrastLower   float32 `proto:"contrast_lower"`
	ContrastUpper   float32 `proto:"contrast_upper"`
	HueProb         float32 `proto:"hue_prob"`
	HueDelta        float32 `proto:"hue_delta"`
	SaturationProb  float32 `proto:"saturation_prob"`
	SaturationLower float32 `proto:"saturation_lower"`
	SaturationUpper float32 `proto:"saturation_upper"`
	RandomOrderProb float32 `proto:"random_order_prob"`
}

var (
	_ layers.Layer       = (*detectionData)(nil)
	_ layers.DeviceLayer = (*detectionData)(nil)
	_ layers.DataSource  = (*detectionData)(nil)
	_ layers.Closer      = (*detectionData)(nil)
	_ layers.Imitator    = (*detectionData)(nil)
	_ layers.Labeler     = (*detectionData)(nil)
	_ feed.Keyed         = (*detectionImages)(nil)
)

const detectionField = "detection_data_param"

func newDetectionData(s *layers.Spec) (layers.Layer, error) {
	l := &detectionData{spec: s}
	o := &l.images.options
	err := s.Options(o)
	if err != nil {
		return nil, err
	}
	o.hasMargin, o.hasInside, o.shuffled = s.HasOption("anchor_ignore_margin_ratio"), s.HasOption("anchor_ignore_iou_thr"), s.HasOption("shuffle")
	if err := o.check(s); err != nil {
		return nil, err
	}
	l.images.mirror = s.Param.GetTransformParam().GetMirror()
	if l.images.windows, l.Feeder, err = newWindows(s, detectionField, o.Source, o.Root, o.Batch, true); err != nil {
		return nil, err
	}
	if o.Distort != nil {
		l.images.colors, err = o.Distort.transformer(s)
	}
	return l, err
}

// check checks the options.
func (o *detectionDataOptions) check(s *layers.Spec) error {
	for _, pair := range [][2]string{
		{"resize_height", "resize_width"}, {"short_size", "long_size"}, {"crop_height", "crop_width"}, {"crop_short_size", "crop_long_size"},
		{"min_scale", "max_scale"}, {"low_scale_ratio", "high_scale_ratio"}, {"min_whaspect", "max_whaspect"},
	} {
		if s.HasOption(pair[0]) != s.HasOption(pair[1]) {
			return s.Errorf(detectionField, "one of %s and %s is set, want both or none", pair[0], pair[1])
		}
	}
	for _, pair := range [][2]string{
		{"resize_height", "short_size"}, {"resize_height", "resize_ratio"}, {"short_size", "resize_ratio"},
		{"crop_height", "crop_short_size"}, {"min_scale", "low_scale_ratio"},
	} {
		if s.HasOption(pair[0]) && s.HasOption(pair[1]) {
			return s.Errorf(detectionField, "%s and %s are set, want one of them", pair[0], pair[1])
		}
	}
	positive := func(name string, v float32) error {
		if s.HasOption(name) && !(v > 0 && v < 1e6) {
			return s.Errorf(detectionField+"."+name, "%s is %v, want a positive number", name, v)
		}
		return nil
	}
	for name, v := range map[string]float32{
		"resize_height": float32(o.Height), "resize_width": float32(o.Width), "short_size": float32(o.Short), "crop_height": float32(o.CropHeight),
		"crop_width": float32(o.CropWidth), "crop_short_size": float32(o.CropShort), "resize_ratio": o.Ratio,
		"min_scale": o.MinScale, "low_scale_ratio": o.LowScale, "min_whaspect": o.MinAspect,
	} {
		if err := positive(name, v); err != nil {
			return err
		}
	}
	for _, v := range o.TemplateRatio {
		if !(v > 0 && v < 1e3) {
			return s.Errorf(detectionField+".template_ratio", "template_ratio is %v, want positive numbers", v)
		}
	}
	n := len(o.Stride)
	tops := 1 + n
	if o.Boxes {
		tops++
	}
	switch {
	case len(o.H) != n || len(o.W) != n:
		return s.Errorf(detectionField, "there are %d stride, %d field_h and %d field_w, want as many of each", n, len(o.H), len(o.W))
	case len(s.Param.GetTop()) != tops:
		return s.Errorf("top", "layer has %d tops, want %d: the images, %d maps, and the boxes with output_gt_boxes", len(s.Param.GetTop()), tops, n)
	case o.Coordinates != 4:
		return s.Errorf(detectionField+".coord_num", "coord_num is %d, want 4", o.Coordinates)
	case !(o.Fore > 0): // true for NaN too
		return s.Errorf(detectionField+".fg_threshold", "fg_threshold is %v, want a positive number", o.Fore)
	case o.Short > o.Long || o.CropShort > o.CropLong:
		return s.Errorf(detectionField, "short_size is %d, long_size %d, crop_short_size %d and crop_long_size %d, want the long ones to be longer", o.Short, o.Long, o.CropShort, o.CropLong)
	case !(o.MinScale <= o.MaxScale) || !(o.LowScale <= o.HighScale) || !(o.MinAspect <= o.MaxAspect):
		return s.Errorf(detectionField, "the scales are %v to %v, %v to %v and the aspects %v to %v, want the first not to be larger", o.MinScale, o.MaxScale, o.LowScale, o.HighScale, o.MinAspect, o.MaxAspect)
	case o.shuffled && o.Shuffle != "random" && o.Shuffle != "random_aspect" && o.Shuffle != "random_mix_aspect":
		return s.Errorf(detectionField+".shuffle", "shuffle is %q, want random, random_aspect or random_mix_aspect", o.Shuffle)
	case o.Group < 1:
		return s.Errorf(detectionField+".mix_group_size", "mix_group_size is 0, want 1 or more")
	}
	for i, stride := range o.Stride {
		if stride < 1 || o.H[i] < 1 || o.W[i] < 1 {
			return s.Errorf(detectionField, "map %d has stride %d, field_h %d and field_w %d, want positive numbers", i, stride, o.H[i], o.W[i])
		}
	}
	return nil
}

// transformer returns a transformer that changes colours alone.
func (d *distorter) transformer(s *layers.Spec) (*data.Transformer, error) {
	p := &caffepb.DistortionParameter{
		BrightnessProb: proto.Float32(d.BrightnessProb), BrightnessDelta: proto.Float32(d.BrightnessDelta),
		ContrastProb: proto.Float32(d.ContrastProb), ContrastLower: proto.Float32(d.ContrastLower), ContrastUpper: proto.Float32(d.ContrastUpper),
		HueProb: proto.Float32(d.HueProb), HueDelta: proto.Float32(d.HueDelta),
		SaturationProb: proto.Float32(d.SaturationProb), SaturationLower: proto.Float32(d.SaturationLower), SaturationUpper: proto.Float32(d.SaturationUpper),
		RandomOrderProb: proto.Float32(d.RandomOrderProb),
	}
	t, err := data.NewTransformer(&caffepb.TransformationParameter{DistortParam: p}, caffepb.Phase_TRAIN, s.Rand("colors"))
	var option *data.OptionError
	if errors.As(err, &option) {
		return nil, s.ErrorAt(detectionField+".distort_param", 0, option.Err)
	}
	return t, err
}

// SetUp reads the file of windows and starts to read.
func (l *detectionData) SetUp(_, top []*blob.Blob) error {
	if err := l.images.read(); err != nil {
		return l.Fail(err)
	}
	if l.images.options.Cache {
		for i := range l.images.list {
			im := &l.images.list[i]
			var err error
			if im.file, err = imagelist.ReadFile(l.images.root+im.path, nil); err != nil {
				return l.Fail(err)
			}
		}
	}
	return l.Start(&l.images, l.order(), top)
}

// order returns the order of the images.
func (l *detectionData) order() feed.Order {
	o := &l.images.options
	if !o.shuffled {
		return feed.Order{}
	}
	random := l.spec.Rand("shuffle")
	if o.Shuffle == "random" {
		return feed.Order{Permute: feed.Shuffle(random)}
	}
	return feed.Order{Permute: byAspect(random, l.images.list, o.Shuffle == "random_mix_aspect", o.Group)}
}

// Sources returns the window file.
func (l *detectionData) Sources() []string { return []string{l.images.source} }

// Labels returns the shape of the map in a top for an image.
func (l *detectionData) Labels(i int, item []int) []int {
	strides := l.images.options.Stride
	if i > len(strides) || len(item) < 2 {
		return nil
	}
	return []int{6, mapSize(item[len(item)-2], strides[i-1]), mapSize(item[len(item)-1], strides[i-1])}
}

// Imitate returns a box of class 1 for each of n images.
func (l *detectionData) Imitate(i, n int) (shape []int, values []float32) {
	if i <= len(l.images.options.Stride) {
		return nil, nil
	}
	return imitatedBoxes(n)
}

// NewReader returns a reader of images.
func (d *detectionImages) NewReader() feed.Reader {
	return &detectionReader{windowReader: windowReader{windows: d.windows}, images: d, options: &d.options}
}

// mapSize returns the size of a label map for a size of the image.
func mapSize(size, stride int) int { return round(float32(size) / float32(stride)) }
