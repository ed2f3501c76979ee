package c3d

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/data/imagelist"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/feed"
	"google.golang.org/protobuf/proto"
)

func init() {
	layers.Register(layers.Info{
		Type:     "VideoData",
		Dialects: []string{"c3d"},
		Group:    "data",
		Plugin: &layers.Plugin{
			Field:   "video_data_param",
			Number:  6660,
			Proto:   layers.Schema(schemas, "video_data.proto"),
			Message: "VideoDataParameter",
		},
		Extends: `message ImageDataParameter {
			optional uint32 new_length = 1; optional int32 show_data = 2; optional bool use_image = 3;
			optional uint32 sampling_rate = 4 [default = 1]; optional bool use_temporal_jitter = 5; optional float mean_value = 6;
		}`,
		Bottoms: layers.Exactly(0),
		Tops:    layers.Between(1, 2),
		New:     newVideoData,
		Kernels: cuda.Math,
		Doc: `Clips and labels from a list of folders with the frames of videos, again and again.

Each line of the list is a folder, the number of the clip's first frame and a label. The frames are the files
000001.jpg, 000002.jpg and so on of the folder.

Tops: the clips, N x 3 x length x height x width, with the channels blue, green, red; the labels, N.

video_data_param:
	source: the list, relative to the working directory
	root_folder (""): prefix of the folders; should end in a slash
	use_image (false): must be true. Frames are not read from video files; a program such as ffmpeg extracts them
	batch_size (1): N
	new_length: frames of a clip
	new_height, new_width (0): size to scale frames to, both or none
	sampling_rate (1): the distance of one frame to the next
	max_sampling_rate (1), use_sampling_rate_jitter (false): draw the distance for each clip, from 1 to the first
	use_temporal_jitter (false): the number on a line is how many frames there are; a clip begins at random in training and
	    at 1 in testing
	shuffle (false): shuffle the list anew in each epoch
	rand_skip (0): skip a random number of clips at the start, less than this
	is_color (true): must be true
	show_data: accepted and ignored

image_data_param:
	new_length, use_image, sampling_rate, use_temporal_jitter, show_data and the others but max_sampling_rate and
	    use_sampling_rate_jitter: as above, in nets of C3D-v1.0
	scale, mean_file, mean_value (0), crop_size, mirror: as in transform_param, if that is not given

transform_param: value = (pixel - mean) * scale. All frames of a clip are cropped and mirrored alike
	scale (1), mean_value (one, or one for each channel)
	mean_file: of 3 x length x height x width, before the crop, in Caffe's form or that of C3D-v1.0
	crop_size (0): crop a square with this side, at random in training, else the centre; 0: do not crop
	mirror (false): flip half of the clips, chosen at random, left to right, in both phases

data_param.prefetch (4): number of batches held in memory; all but the current one are read ahead

A batch depends only on the seed and the number of the forward pass.

Source: github.com/facebookarchive/C3D, video_data_layer.cpp. Differs from it: a clip that cannot be read is an error in
training too, and use_temporal_jitter begins at 1 in testing, where the fork wants a frame 000000.jpg.`,
	})
}

// videoData implements the layer type; its registration describes it.
type videoData struct {
	*feed.Feeder
	spec         *layers.Spec
	options      videoOptions
	transform    *caffepb.TransformationParameter
	meanFile     string
	transformers []*data.Transformer // of each frame
	list         *imagelist.List
}

// videoOptions are the options of C3D-v1.1.
type videoOptions struct {
	Source     string `proto:"source"`
	Root       string `proto:"root_folder"`
	UseImage   bool   `proto:"use_image"`
	Batch      uint32 `proto:"batch_size"`
	Length     uint32 `proto:"new_length"`
	Height     uint32 `proto:"new_height"`
	Width      uint32 `proto:"new_width"`
	Rate       uint32 `proto:"sampling_rate"`
	MaxRate    uint32 `proto:"max_sampling_rate"`
	RateJitter bool   `proto:"use_sampling_rate_jitter"`
	Jitter     bool   `proto:"use_temporal_jitter"`
	Shuffle    bool   `proto:"shuffle"`
	Skip       uint32 `proto:"rand_skip"`
	Color      bool   `proto:"is_color"`
}

var (
	_ layers.Layer       = (*videoData)(nil)
	_ layers.DeviceLayer = (*videoData)(nil)
	_ layers.DataSource  = (*videoData)(nil)
	_ layers.Closer      = (*videoData)(nil)
)

// The limits of the length of clips and of the distance of frames.
const (
	maxLength = 1 << 12
	maxRate   = 1 << 16
)

func newVideoData(s *layers.Spec) (layers.Layer, error) {
	l := &videoData{spec: s, transform: new(caffepb.TransformationParameter)}
	if p := s.Param.GetTransformParam(); p != nil {
		l.transform = proto.Clone(p).(*caffepb.TransformationParameter)
	}
	field := "video_data_param"
	given, err := s.OptionsIn(field, &l.options)
	if err == nil && !given {
		field = "image_data_param"
		err = l.oldOptions()
	}
	o := &l.options
	switch {
	case err != nil:
		return nil, err
	case o.Source == "":
		return nil, s.Errorf(field, "source is missing, want a file that lists folders, frames and labels")
	case !o.UseImage:
		return nil, s.Errorf(field, "use_image is false, and reading video files is not implemented: extract the frames into folders and set use_image")
	case !o.Color:
		return nil, s.Errorf(field+".is_color", "is_color is false, want true: clips have three channels")
	case o.Length < 1 || o.Length > maxLength:
		return nil, s.Errorf(field+".new_length", "new_length is %d, want 1 to %d frames", o.Length, maxLength)
	case (o.Height == 0) != (o.Width == 0):
		return nil, s.Errorf(field, "new_height is %d and new_width %d, want both or none", o.Height, o.Width)
	case o.Rate < 1 || o.Rate > maxRate || o.MaxRate < 1 || o.MaxRate > maxRate:
		return nil, s.Errorf(field, "sampling_rate is %d and max_sampling_rate %d, want 1 to %d", o.Rate, o.MaxRate, maxRate)
	}
	if err := data.CheckSize(int(o.Height), int(o.Width)); err != nil && o.Height > 0 {
		return nil, s.Errorf(field+".new_height", "new_height and new_width: %w", err)
	}
	if other := data.Augmentation(l.transform); other != "" {
		return nil, s.Errorf("transform_param."+other, "VideoData does not have %s", other)
	}
	l.meanFile = l.transform.GetMeanFile()
	l.transform.MeanFile = nil
	if l.meanFile != "" && len(l.transform.MeanValue) > 0 {
		return nil, s.Errorf(field, "mean_file and mean_value are both set, want one of them")
	}
	for range o.Length {
		t, err := feed.NewTransformerFor(s, l.transform)
		if err != nil {
			return nil, err
		}
		l.transformers = append(l.transformers, t)
	}
	if l.Feeder, err = feed.New(s, field, int(o.Batch)); err != nil {
		return nil, err
	}
	return l, nil
}

// oldOptions reads the options of C3D-v1.0, which are in image_data_param.
func (l *videoData) oldOptions() error {
	o, p := &l.options, l.spec.Param.GetImageDataParam()
	var added struct {
		Length   uint32  `proto:"new_length"`
		UseImage bool    `proto:"use_image"`
		Rate     uint32  `proto:"sampling_rate"`
		Jitter   bool    `proto:"use_temporal_jitter"`
		Mean     float32 `proto:"mean_value"`
	}
	if _, err := l.spec.OptionsIn("image_data_param", &added); err != nil {
		return err
	}
	*o = videoOptions{
		Source: p.GetSource(), Root: p.GetRootFolder(), UseImage: added.UseImage, Batch: p.GetBatchSize(), Length: added.Length,
		Height: p.GetNewHeight(), Width: p.GetNewWidth(), Rate: added.Rate, MaxRate: 1, Jitter: added.Jitter,
		Shuffle: p.GetShuffle(), Skip: p.GetRandSkip(), Color: p.GetIsColor(),
	}
	if p == nil || l.spec.Param.TransformParam != nil {
		return nil
	}
	l.transform = &caffepb.TransformationParameter{Scale: p.Scale, MeanFile: p.MeanFile, CropSize: p.CropSize, Mirror: p.Mirror}
	if added.Mean != 0 {
		l.transform.MeanValue = []float32{added.Mean}
	}
	return nil
}

// SetUp reads the list, the mean and the first clip.
func (l *videoData) SetUp(_, top []*blob.Blob) error {
	o := &l.options
	event.Send(l.spec.Env.Observer, layers.ListOpening{Layer: l.spec.Param.GetName(), Type: l.spec.Param.GetType(), Path: o.Source})
	var err error
	l.list, err = imagelist.Read(context.Background(), o.Source, imagelist.Options{Labels: 2, Hint: "a line is a folder, a frame and a label"})
	if err != nil {
		return l.Fail(err)
	}
	if len(l.list.Items) == 0 {
		return l.Fail(errors.New("the list " + o.Source + " is empty"))
	}
	order, err := feed.ListOrder(l.spec, len(l.list.Items), o.Shuffle, o.Skip, "")
	if err != nil {
		return err
	}
	if l.meanFile != "" {
		event.Send(l.spec.Env.Observer, layers.MeanLoading{Layer: l.spec.Param.GetName(), Path: l.meanFile})
		means, err := readMeans(l.meanFile, len(l.transformers))
		if err != nil {
			return l.Fail(err)
		}
		for i, t := range l.transformers {
			t.SetMean(means[i])
		}
	}
	return l.Start(&clips{l}, order, top)
}

// Sources returns the list and the mean file.
func (l *videoData) Sources() []string {
	if l.meanFile == "" {
		return []string{l.options.Source}
	}
	return []string{l.options.Source, l.meanFile}
}

// clips is the feed.Dataset of the list.
type clips struct{ layer *videoData }

func (c *clips) Len() int { return len(c.layer.list.Items) }

// Name returns the list and its line.
func (c *clips) Name(i int) string { return c.layer.list.Place(i) }

// Key returns the folder of clip i as the list has it.
func (c *clips) Key(i int) string { return c.layer.list.Items[i].Path }

func (c *clips) NewReader() feed.Reader { return &clipReader{layer: c.layer} }

type clipReader struct {
	layer  *videoData
	pixels data.Pixels
	frame  []float32
}

// Read writes the clip and its label.
func (r *clipReader) Read(it *feed.Item) error {
	l := r.layer
	o, numbers := &l.options, l.list.Labels(it.Record)
	rate := int(o.Rate)
	if o.RateJitter {
		rate = it.Rand.IntN(int(o.MaxRate)) + 1
	}
	length := int(o.Length)
	first := int(numbers[0])
	if o.Jitter {
		choices := first - length*rate + 1
		if choices < 1 {
			return fmt.Errorf("there are %d frames, want %d: %d of them, %d apart", first, length*rate, length, rate)
		}
		first = 1
		if l.spec.Env.Phase == caffepb.Phase_TRAIN {
			first += it.Rand.IntN(choices)
		}
	}
	folder := filepath.FromSlash(o.Root + l.list.Items[it.Record].Path)
	var dst []float32
	var size int // of a frame's channel
	for i, t := range l.transformers {
		path := filepath.Join(folder, fmt.Sprintf("%06d.jpg", first+i*rate))
		if err := r.pixels.ReadFile(path, data.Color, int(o.Height), int(o.Width)); err != nil {
			return err
		}
		c, h, w, err := t.Shape(&r.pixels)
		if err != nil {
			return fmt.Errorf("%q: %w", path, err)
		}
		if i == 0 {
			if dst, err = it.Top(0, c, length, h, w); err != nil {
				return err
			}
			size = h * w
			r.frame = layers.Resize(r.frame, c*size)
		} else if h*w != size {
			return fmt.Errorf("%q: the frame is %d x %d (height x width), the first of the clip has another size: set new_height and new_width", path, h, w)
		}
		if err := t.Transform(r.frame[:c*size], &r.pixels, it.Place); err != nil {
			return fmt.Errorf("%q: %w", path, err)
		}
		for k := range c {
			copy(dst[(k*length+i)*size:][:size], r.frame[k*size:])
		}
	}
	if it.Batch.Tops() > 1 {
		label, err := it.Top(1)
		if err != nil {
			return err
		}
		label[0] = float32(numbers[1])
	}
	return nil
}
