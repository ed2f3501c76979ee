package datalayer

import (
	"fmt"
	"math"

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
		Type:  "WindowData",
		Group: "data",
		Param: "window_data_param",
		Doc: `Windows of images and their classes, drawn at random from the file of R-CNN's region proposals.

The file has, for each image, separated by white space:

	# number of the image, from 0
	path
	channels, which are 3, height, width
	number of windows, and for each of them: class, overlap, x1, y1, x2, y2

Both corners belong to a window. Each window is cut out, with context_pad enlarged before, and scaled to
crop_size x crop_size; what is outside of the image is 0. In a batch the windows of the background come first.

Tops: the windows, N x 3 x crop_size x crop_size, with the channels blue, green, red; the classes, N: 0 for the
background.

window_data_param:
	source: the window file, relative to the working directory
	root_folder (""): prefix of the paths; should end in a slash
	batch_size: N
	fg_threshold (0.5): windows of at least this overlap are the foreground
	bg_threshold (0.5): windows of less overlap than this are the background; others are not used
	fg_fraction (0.25): share of the foreground in a batch, rounded down
	context_pad (0): pixels around the window that the scaled window shows, on each side
	crop_mode ("warp"): warp scales both sides of a window to crop_size; square enlarges it to a square first
	cache_images (false): keep the image files in memory
	scale (1): factor of the pixels, after the mean is subtracted
	mean_file, crop_size, mirror: moved to transform_param; read in files of the oldest formats only

transform_param: value = (pixel - mean) * scale
	crop_size: side of the tops; mirror (false): flip half of the windows, chosen at random
	mean_value (one, or one for each channel), mean_file: a mean image, of which the centre is used
	scale: not used, as in Caffe: window_data_param has its own
	pad, force_color, force_gray: not used

A batch depends only on the seed and the number of the forward pass: a resumed run sees the same data.

Caffe: window_data_layer.cpp; Girshick et al., Rich feature hierarchies for accurate object detection, 2014.`,
		Tops:    layers.Exactly(2),
		New:     newWindowData,
		Kernels: cuda.Math,
	})
}

// windowData implements the layer type; its registration describes it.
type windowData struct {
	*feed.Feeder
	spec    *layers.Spec
	windows windows
}

var (
	_ layers.Layer       = (*windowData)(nil)
	_ layers.DeviceLayer = (*windowData)(nil)
	_ layers.DataSource  = (*windowData)(nil)
	_ layers.Closer      = (*windowData)(nil)
)

// Records returns 0: each item draws its window.
func (*windowData) Records() int { return 0 }

func newWindowData(spec *layers.Spec) (layers.Layer, error) {
	p, t := spec.Param.GetWindowDataParam(), spec.Param.GetTransformParam()
	crop, pad, mode := t.GetCropSize(), p.GetContextPad(), p.GetCropMode()
	switch {
	case p.GetSource() == "":
		return nil, spec.Errorf("window_data_param", "source is missing, want a window file")
	case crop < 1:
		return nil, spec.Errorf("transform_param.crop_size", "crop_size is 0 or missing, want at least 1")
	case 2*uint64(pad) >= uint64(crop):
		return nil, spec.Errorf("window_data_param.context_pad", "context_pad is %d, want less than half of crop_size %d", pad, crop)
	case mode != "warp" && mode != "square":
		return nil, spec.Errorf("window_data_param.crop_mode", "crop_mode is %q, want warp or square", mode)
	case !(p.GetFgFraction() >= 0 && p.GetFgFraction() <= 1):
		return nil, spec.Errorf("window_data_param.fg_fraction", "fg_fraction is %g, want 0 to 1", p.GetFgFraction())
	case t.MeanFile != nil && len(t.MeanValue) > 0:
		return nil, spec.Errorf("transform_param.mean_value", "mean_file and mean_value cannot both be set")
	case len(t.GetMeanValue()) != 0 && len(t.GetMeanValue()) != 1 && len(t.GetMeanValue()) != 3:
		return nil, spec.Errorf("transform_param.mean_value", "there are %d mean_value, want 1 or 3", len(t.GetMeanValue()))
	}
	if err := data.CheckSize(int(crop), int(crop)); err != nil {
		return nil, spec.Errorf("transform_param.crop_size", "crop_size: %w", err)
	}
	if field := data.Augmentation(t); field != "" {
		return nil, spec.Errorf("transform_param."+field, "WindowData cannot augment images: leave out %s", field)
	}
	f, err := feed.New(spec, "window_data_param", int(p.GetBatchSize()))
	if err != nil {
		return nil, err
	}
	if t.GetScale() != 1 {
		spec.Notef(event.Warning, "transform_param.scale is not used by WindowData, as in Caffe; want window_data_param.scale")
	}
	w := windows{
		param: p, values: t.GetMeanValue(), crop: int(crop), mirror: t.GetMirror(), square: mode == "square",
		background: int(p.GetBatchSize()) - int(float32(p.GetBatchSize())*p.GetFgFraction()),
	}
	return &windowData{Feeder: f, spec: spec, windows: w}, nil
}

// SetUp reads the window file and the mean.
func (l *windowData) SetUp(_, top []*blob.Blob) error {
	w := &l.windows
	var err error
	if w.list, err = readWindows(w.param.GetSource(), w.param.GetFgThreshold(), w.param.GetBgThreshold()); err != nil {
		return l.Fail(err)
	}
	for kind, need := range []int{w.background, int(w.param.GetBatchSize()) - w.background} {
		if need > 0 && len(w.list.windows[kind]) == 0 {
			return l.Fail(fmt.Errorf("%s has no window of the %s, want some: fg_threshold %g, bg_threshold %g, fg_fraction %g", w.list.name,
				[]string{"background", "foreground"}[kind], w.param.GetFgThreshold(), w.param.GetBgThreshold(), w.param.GetFgFraction()))
		}
	}
	if w.param.GetCacheImages() {
		for i := range w.list.images {
			im := &w.list.images[i]
			if im.file, err = imagelist.ReadFile(w.param.GetRootFolder()+im.path, nil); err != nil {
				return l.Fail(err)
			}
		}
	}
	if file := l.spec.Param.GetTransformParam().GetMeanFile(); file != "" {
		event.Send(l.spec.Env.Observer, layers.MeanLoading{Layer: l.spec.Param.GetName(), Path: file})
		if w.mean, err = data.ReadMean(file); err != nil {
			return l.spec.ErrorAt("transform_param.mean_file", 0, err)
		}
		// Caffe begins at the same place in both directions.
		if m := w.mean; m.Channels != 3 || m.Width < w.crop || m.Height < (m.Width-w.crop)/2+w.crop {
			return l.spec.Errorf("transform_param.mean_file", "the mean image is %d x %d x %d (channels x height x width), too small for 3 channels and crop_size %d",
				m.Channels, m.Height, m.Width, w.crop)
		}
	}
	return l.Start(w, feed.Order{}, top)
}

// Sources returns the window file and the mean file.
func (l *windowData) Sources() []string {
	return feed.Sources(l.spec, l.spec.Param.GetWindowDataParam().GetSource())
}

// windows is a feed.Dataset: each item draws its window.
type windows struct {
	param          *caffepb.WindowDataParameter
	list           *windowFile
	mean           *data.Mean // nil without mean_file
	values         []float32
	crop           int
	mirror, square bool
	background     int // items of a batch that are of the background
}

func (s *windows) Len() int               { return len(s.list.windows[0]) + len(s.list.windows[1]) }
func (s *windows) Name(int) string        { return s.list.name }
func (s *windows) NewReader() feed.Reader { return &windowReader{windows: s} }

type windowReader struct {
	*windows
	file  []byte
	image data.Image
	part  data.Image // that the window shows
}

// Read draws a window and writes it and its class.
func (r *windowReader) Read(it *feed.Item) error {
	kind := 0
	if it.Index >= r.background {
		kind = 1
	}
	list := r.list.windows[kind]
	w := list[it.Rand.IntN(len(list))]
	mirrored := r.mirror && it.Rand.IntN(2) == 1
	dst, err := it.Top(0, 3, r.crop, r.crop)
	if err != nil {
		return err
	}
	if err := r.load(&r.list.images[w.image]); err != nil {
		return err
	}
	if err := r.write(dst, w, mirrored); err != nil {
		return fmt.Errorf("line %d: window %d,%d to %d,%d of %q: %w", w.line, w.x1, w.y1, w.x2, w.y2, r.list.images[w.image].path, err)
	}
	label, err := it.Top(1)
	if err == nil {
		label[0] = float32(w.label)
	}
	return err
}

// load reads an image.
func (r *windowReader) load(im *windowImage) (err error) {
	path, file := r.param.GetRootFolder()+im.path, im.file
	if file == nil {
		if r.file, err = imagelist.ReadFile(path, r.file); err != nil {
			return err
		}
		file = r.file
	}
	if err := r.image.Decode(file, data.Color); err != nil {
		return fmt.Errorf("%q: %w", path, err)
	}
	return nil
}

// write writes the window of the image to dst.
func (r *windowReader) write(dst []float32, w window, mirrored bool) error {
	g, err := r.place(w, mirrored)
	if err != nil {
		return err
	}
	part := &r.part
	*part = data.Image{Channels: 3, Height: g.y2 - g.y1 + 1, Width: g.x2 - g.x1 + 1, Pix: part.Pix[:0]}
	for y := g.y1; y <= g.y2; y++ {
		part.Pix = append(part.Pix, r.image.Pix[3*(y*r.image.Width+g.x1):3*(y*r.image.Width+g.x2+1)]...)
	}
	part.Resize(g.height, g.width)
	clear(dst)
	offset := 0
	if r.mean != nil {
		offset = (r.mean.Width - r.crop) / 2
	}
	for c := range 3 {
		for y := range g.height {
			for x := range g.width {
				from := x
				if mirrored {
					from = g.width - 1 - x
				}
				v := float32(part.Pix[3*(y*g.width+from)+c])
				switch {
				case r.mean != nil:
					v -= r.mean.Data[(c*r.mean.Height+y+offset+g.top)*r.mean.Width+x+offset+g.left]
				case len(r.values) > 0:
					v -= r.values[min(c, len(r.values)-1)]
				}
				dst[(c*r.crop+y+g.top)*r.crop+x+g.left] = v * r.param.GetScale()
			}
		}
	}
	return nil
}

// A placing is the part of an image that a window shows, the size that it is scaled
// to, and where it begins in the top.
type placing struct {
	x1, y1, x2, y2 int
	height, width  int
	top, left      int
}

// place enlarges a window by its context, as Caffe's layer does, with float32 numbers.
func (r *windowReader) place(w window, mirrored bool) (placing, error) {
	g := placing{x1: w.x1, y1: w.y1, x2: w.x2, y2: w.y2, height: r.crop, width: r.crop}
	if w.x2 < w.x1 || w.y2 < w.y1 {
		return g, fmt.Errorf("the corners are in the wrong order")
	}
	context := int(r.param.GetContextPad())
	if context > 0 || r.square {
		scale := float32(r.crop) / float32(r.crop-2*context)
		halfHeight, halfWidth := float32(w.y2-w.y1+1)/2, float32(w.x2-w.x1+1)/2
		centerX, centerY := float32(w.x1)+halfWidth, float32(w.y1)+halfHeight
		if r.square {
			halfHeight = max(halfHeight, halfWidth)
			halfWidth = halfHeight
		}
		dx, dy := float32(halfWidth*scale), float32(halfHeight*scale)
		var left, right, top int
		g.x1, g.x2, left, right, g.width = clip(round(centerX-dx), round(centerX+dx), r.image.Width, r.crop)
		g.y1, g.y2, top, _, g.height = clip(round(centerY-dy), round(centerY+dy), r.image.Height, r.crop)
		g.top, g.left = top, left
		if mirrored {
			g.left = right
		}
		g.height, g.width = min(g.height, r.crop-g.top), min(g.width, r.crop-g.left)
	}
	if g.x1 < 0 || g.y1 < 0 || g.x2 >= r.image.Width || g.y2 >= r.image.Height || g.x2 < g.x1 || g.y2 < g.y1 || g.width < 1 || g.height < 1 {
		return g, fmt.Errorf("it does not fit the image, which is %d x %d (width x height)", r.image.Width, r.image.Height)
	}
	return g, nil
}

// clip clips the span from a to b to the size of the image. It returns the span, the
// padding before and after it in the top, and the length that it is scaled to.
func clip(a, b, size, crop int) (from, to, before, after, length int) {
	scale := float32(crop) / float32(b-a+1)
	before, after = max(0, -a), max(0, b-size+1)
	from, to = a+before, b-after
	return from, to, round(float32(before) * scale), round(float32(after) * scale), round(float32(to-from+1) * scale)
}

// round rounds to the nearest integer, and halves away from 0.
func round(x float32) int { return int(math.Round(float64(x))) }
