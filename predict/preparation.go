package predict

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/net"
	"google.golang.org/protobuf/proto"
)

// A Preparation says how an image becomes the input of a net. It is scaled, a part is
// taken, and each value is
//
//	(pixel * RawScale/255 - mean) * Scale
//
// with pixels from 0 to 255, as in pycaffe's Transformer. The zero value scales images
// to the size of the input and does nothing else.
type Preparation struct {
	// Height and Width are the size that images are scaled to, before the part in the
	// centre is taken for the input. 0: the size of Mean if it is one, otherwise that
	// of the input.
	Height, Width int

	// Pad is how many zeros are put around the scaled image, after the mean is
	// subtracted.
	Pad int

	// Mean is the mean image, of the size that images are scaled to. MeanValues has in
	// its place the mean of each channel, or one for all. Their channels are those of
	// the net.
	Mean       *data.Mean
	MeanValues []float32

	// MeanFile is a file with one of the two, for ReadMean to read.
	MeanFile string

	// ChannelMean subtracts the mean of each channel of a mean image, which may have any
	// size then, as classify.py and cpp_classification do.
	ChannelMean bool

	RawScale float64 // 0 stands for 255, so that pixels are as they are
	Scale    float64 // 0 stands for 1

	// ChannelSwap says for each channel of the net which one of red, green, blue it
	// is, by the numbers 0, 1, 2. nil stands for blue, green, red, the order of nets
	// that Caffe trains, which is 2, 1, 0.
	ChannelSwap []int
}

// PreparationOf returns the preparation that a net says its input needs: gocaffe deploy
// writes what the data layer did to the Input layer, where Caffe ignores it, in the
// fields transform_param and image_data_param.
func PreparationOf(n *net.Net) *Preparation {
	for _, l := range n.Layers() {
		if l.Type != "Input" {
			continue
		}
		t, list := l.Param.GetTransformParam(), l.Param.GetImageDataParam()
		return &Preparation{
			Height:     int(list.GetNewHeight()),
			Width:      int(list.GetNewWidth()),
			Pad:        int(t.GetPad()),
			MeanFile:   t.GetMeanFile(),
			MeanValues: t.GetMeanValue(),
			Scale:      float64(t.GetScale()),
		}
	}
	return new(Preparation)
}

// finite reports whether x is a number.
func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// readMean replaces the file of the mean by what it has, and a mean image by the means of
// its channels if these are to be subtracted.
func (o Preparation) readMean() (*Preparation, error) {
	given := o.Mean != nil || len(o.MeanValues) > 0
	switch {
	case o.Mean != nil && len(o.MeanValues) > 0, given && o.MeanFile != "":
		return nil, errors.New("there are a mean image and mean values, or a file and one of these; want one mean")
	case o.MeanFile != "":
		var err error
		if o.Mean, o.MeanValues, err = ReadMean(o.MeanFile); err != nil {
			return nil, fmt.Errorf("the mean: %w", err)
		}
		o.MeanFile = ""
	}
	if o.ChannelMean && o.Mean != nil {
		o.MeanValues, o.Mean = channelMeans(o.Mean), nil
	}
	return &o, nil
}

// prepareAs makes the feeder prepare images so, and take the part in the centre.
func (f *feeder) prepareAs(o *Preparation) error {
	o, err := o.readMean()
	if err != nil {
		return err
	}
	f.height, f.width = o.Height, o.Width
	if f.height == 0 && f.width == 0 {
		f.height, f.width = f.shape[1]-2*o.Pad, f.shape[2]-2*o.Pad
		if o.Mean != nil {
			f.height, f.width = o.Mean.Height, o.Mean.Width
		}
	}
	height, width := f.height+2*o.Pad, f.width+2*o.Pad
	const maxSize = 1 << 15
	switch c, h, w := f.shape[0], f.shape[1], f.shape[2]; {
	case f.height < 1 || f.width < 1 || f.height > maxSize || f.width > maxSize || o.Pad < 0:
		return fmt.Errorf("images are scaled to %d x %d (height x width) and padded by %d, want 1 to %d, and 0 or more", f.height, f.width, o.Pad, maxSize)
	case height < h || width < w:
		return fmt.Errorf("images are scaled to %d x %d (height x width), less than the input of the net, %d x %d", height, width, h, w)
	case len(o.MeanValues) > 1 && len(o.MeanValues) != c:
		return fmt.Errorf("there are %d mean values, the input has %d channels: want one value for each, or one for all", len(o.MeanValues), c)
	case !finite(o.Scale) || !finite(o.RawScale):
		return fmt.Errorf("the scale is %g and the raw scale %g, want finite numbers", o.Scale, o.RawScale)
	case o.Mean != nil && (o.Mean.Channels != c || o.Mean.Height != f.height || o.Mean.Width != f.width):
		return &MeanError{Mean: [3]int{o.Mean.Channels, o.Mean.Height, o.Mean.Width}, Want: [3]int{c, f.height, f.width}}
	}
	if err := f.swapAs(o.ChannelSwap); err != nil {
		return err
	}
	raw, scale := o.RawScale/255, o.Scale
	if raw == 0 {
		raw = 1
	}
	if scale == 0 {
		scale = 1
	}
	values := slices.Clone(o.MeanValues)
	for i := range values {
		values[i] = float32(float64(values[i]) / raw)
	}
	f.transformer, err = data.NewTransformer(&caffepb.TransformationParameter{
		MeanValue: values, Scale: proto.Float32(float32(scale * raw)),
	}, caffepb.Phase_TEST, nil)
	if err != nil {
		return err
	}
	if o.Mean != nil {
		mean := *o.Mean
		mean.Data = slices.Clone(mean.Data)
		for i, v := range mean.Data {
			mean.Data[i] = float32(float64(v) / raw)
		}
		f.transformer.SetMean(&mean)
	}
	f.crops = []data.Crop{f.centre(o.Pad)}
	return nil
}

// A MeanError reports that a mean image does not have the size that images are scaled
// to. With Preparation.ChannelMean it may have any size.
type MeanError struct{ Mean, Want [3]int }

// Error returns both sizes.
func (e *MeanError) Error() string {
	return fmt.Sprintf("the mean image is %d x %d x %d (channels x height x width), want %d x %d x %d, as images are scaled",
		e.Mean[0], e.Mean[1], e.Mean[2], e.Want[0], e.Want[1], e.Want[2])
}

// channelMeans returns the mean of each channel of a mean image.
func channelMeans(m *data.Mean) []float32 {
	means := make([]float32, m.Channels)
	size := m.Height * m.Width
	for c := range means {
		sum := 0.0
		for _, v := range m.Data[c*size:][:size] {
			sum += float64(v)
		}
		means[c] = float32(sum / float64(size))
	}
	return means
}

// swapAs sets the order of the channels.
func (f *feeder) swapAs(order []int) error {
	if order == nil || slices.Equal(order, []int{2, 1, 0}) && f.shape[0] == 3 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(order))
	if f.shape[0] == 1 || !slices.Equal(sorted, []int{0, 1, 2}) {
		return fmt.Errorf("the order of the channels is %s, want the numbers 0, 1 and 2, for red, green and blue of a net with 3 channels; the input has %d",
			strings.Trim(fmt.Sprint(order), "[]"), f.shape[0])
	}
	for _, c := range order {
		f.swap = append(f.swap, 2-c) // images are blue, green, red
	}
	return nil
}

// centre returns the part of the scaled image in its centre, as Caffe's transformer in
// phase TEST.
func (f *feeder) centre(pad int) data.Crop {
	h, w := f.shape[1], f.shape[2]
	return data.Crop{Top: (f.height+2*pad-h)/2 - pad, Left: (f.width+2*pad-w)/2 - pad, Height: h, Width: w}
}

// tenCrops returns the parts of the scaled image in the order of caffe.io.oversample.
func (f *feeder) tenCrops() []data.Crop {
	h, w := f.shape[1], f.shape[2]
	var crops []data.Crop
	for _, top := range []int{0, f.height - h} {
		for _, left := range []int{0, f.width - w} {
			crops = append(crops, data.Crop{Top: top, Left: left, Height: h, Width: w})
		}
	}
	crops = append(crops, f.centre(0))
	for _, c := range crops[:5] {
		c.Mirrored = true
		crops = append(crops, c)
	}
	return crops
}

// prepare writes the parts of an image, one after the other.
func (f *feeder) prepare(to []float32, image *data.Image) error {
	if image.Channels != f.shape[0] {
		return fmt.Errorf("the image has %d channels, the input of the net %d", image.Channels, f.shape[0])
	}
	scaled := *image // Resize makes new pixels
	scaled.Resize(f.height, f.width)
	if f.swap != nil {
		swapped := make([]byte, len(scaled.Pix))
		for i := range swapped {
			c := i % scaled.Channels
			swapped[i] = scaled.Pix[i-c+f.swap[c]]
		}
		scaled.Pix = swapped
	}
	f.pixels.SetImage(&scaled)
	size := f.input.CountFrom(1)
	for i, crop := range f.crops {
		if err := f.transformer.TransformCrop(to[i*size:][:size], &f.pixels, crop); err != nil {
			return err
		}
	}
	return nil
}
