package predict

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/data/npy"
	_ "github.com/gocaffe/gocaffe/layers/all"
	"github.com/gocaffe/gocaffe/net"
	"google.golang.org/protobuf/proto"
)

const (
	channels, height, width = 3, 4, 5 // of the input
	classes                 = 6
)

// linear is a net whose scores are products of the input with random weights.
const linear = `layer { name: "data" type: "Input" top: "data" %OPTIONS% input_param { shape { dim: 2 dim: 3 dim: 4 dim: 5 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "scores"
  inner_product_param { num_output: 6 bias_term: false weight_filler { type: "gaussian" std: 0.1 } } }`

func newNet(t *testing.T, text string) *net.Net {
	t.Helper()
	file, err := net.Parse("test.prototxt", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	n, err := net.New(file, net.Options{Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

func linearNet(t *testing.T, options string) *net.Net {
	t.Helper()
	return newNet(t, strings.ReplaceAll(linear, "%OPTIONS%", options))
}

// noise returns an image of random pixels.
func noise(seed uint64, channels, height, width int) *data.Image {
	r := rand.New(rand.NewPCG(seed, 7))
	im := &data.Image{Channels: channels, Height: height, Width: width, Pix: make([]byte, channels*height*width)}
	for i := range im.Pix {
		im.Pix[i] = byte(r.Uint32())
	}
	return im
}

// part is a part of an image by its corner.
type part struct {
	top, left int
	mirrored  bool
}

// scoresOf computes the mean scores of parts of an image by their definition. value
// returns what becomes of channel c, counted in blue, green, red, at y, x.
func scoresOf(n *net.Net, parts []part, value func(c, y, x int) float64) []float64 {
	w := n.Params()[0].Blob.Data()
	scores := make([]float64, classes)
	for k := range scores {
		for _, p := range parts {
			for c := range channels {
				for y := range height {
					for x := range width {
						from := x
						if p.mirrored {
							from = width - 1 - x
						}
						weight := float64(w[((k*channels+c)*height+y)*width+x])
						scores[k] += weight * value(c, p.top+y, p.left+from) / float64(len(parts))
					}
				}
			}
		}
	}
	return scores
}

func same(t *testing.T, what string, got []float32, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d scores, want %d", what, len(got), len(want))
	}
	largest := 0.0
	for _, v := range want {
		largest = max(largest, math.Abs(v))
	}
	for k, v := range want {
		if !(math.Abs(float64(got[k])-v) <= 2e-6*largest) { // float32 sums of 60 products
			t.Errorf("%s: score %d is %g, want %g", what, k, got[k], v)
		}
	}
}

// meanOf returns a mean image.
func meanOf(channels, height, width int) *data.Mean {
	m := &data.Mean{Channels: channels, Height: height, Width: width}
	for i := range channels * height * width {
		m.Data = append(m.Data, 100+float32(i*7%50)/4)
	}
	return m
}

// pixel returns a pixel of an image of 3 channels.
func pixel(im *data.Image, c, y, x int) float64 {
	return float64(im.Pix[(y*im.Width+x)*im.Channels+c])
}

// TestPredict compares the scores with those that follow from the definition, for
// images of the size to which they are scaled. The positions of the ten parts are those
// of caffe.io.oversample.
func TestPredict(t *testing.T) {
	const h, w = 9, 8 // of the images
	centre := []part{{2, 1, false}}
	ten := []part{{0, 0, false}, {0, 3, false}, {5, 0, false}, {5, 3, false}, {2, 1, false}, {0, 0, true}, {0, 3, true}, {5, 0, true}, {5, 3, true}, {2, 1, true}}
	mean := meanOf(3, h, w)
	means := [3]float64{}
	for i, v := range mean.Data {
		means[i/(h*w)] += float64(v) / (h * w)
	}
	for name, tt := range map[string]struct {
		prepare    Preparation
		oversample bool
		value      func(im *data.Image, c, y, x int) float64
	}{
		"plain":      {Preparation{Height: h, Width: w}, false, pixel},
		"oversample": {Preparation{Height: h, Width: w}, true, pixel},
		"mean values": {Preparation{Height: h, Width: w, MeanValues: []float32{10, 20, 30}, Scale: 0.5}, true, func(im *data.Image, c, y, x int) float64 {
			return (pixel(im, c, y, x) - float64(10+10*c)) / 2
		}},
		"one mean value": {Preparation{Height: h, Width: w, MeanValues: []float32{10}, RawScale: 1}, false, func(im *data.Image, c, y, x int) float64 {
			return pixel(im, c, y, x)/255 - 10
		}},
		"mean image": {Preparation{Mean: mean, RawScale: 510, Scale: 2}, true, func(im *data.Image, c, y, x int) float64 {
			return (2*pixel(im, c, y, x) - float64(mean.Data[(c*h+y)*w+x])) * 2
		}},
		"channel mean": {Preparation{Height: h, Width: w, Mean: mean, ChannelMean: true}, true, func(im *data.Image, c, y, x int) float64 {
			return pixel(im, c, y, x) - means[c]
		}},
		"swap": {Preparation{Height: h, Width: w, ChannelSwap: []int{0, 2, 1}, MeanValues: []float32{1, 2, 3}}, false, func(im *data.Image, c, y, x int) float64 {
			return pixel(im, []int{2, 0, 1}[c], y, x) - float64(c+1) // red, blue, green
		}},
		"no swap": {Preparation{Height: h, Width: w, ChannelSwap: []int{2, 1, 0}}, false, pixel},
	} {
		n := linearNet(t, "")
		p, err := New(n, Options{Preparation: &tt.prepare, Oversample: tt.oversample, Batch: 3})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		parts := centre
		if tt.oversample {
			parts = ten
		}
		images := []*data.Image{noise(1, 3, h, w), noise(2, 3, h, w), noise(3, 3, h, w), noise(4, 3, h, w)} // a batch and a smaller one
		before := slices.Clone(images[0].Pix)
		scores, err := p.Predict(t.Context(), images...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i, im := range images {
			same(t, name, scores[i], scoresOf(n, parts, func(c, y, x int) float64 { return tt.value(im, c, y, x) }))
		}
		if !slices.Equal(images[0].Pix, before) {
			t.Errorf("%s: the image has changed", name)
		}
	}
}

// TestScaling scales images of other sizes, as data.Image does, and none of those of the
// input's own size.
func TestScaling(t *testing.T) {
	n := linearNet(t, "")
	p, err := New(n, Options{})
	if err != nil {
		t.Fatal(err)
	}
	large, exact := noise(1, 3, 20, 30), noise(2, 3, height, width)
	scores, err := p.Predict(t.Context(), large, exact)
	if err != nil {
		t.Fatal(err)
	}
	scaled := *large
	scaled.Resize(height, width)
	for i, im := range []*data.Image{&scaled, exact} {
		same(t, "scaled", scores[i], scoresOf(n, []part{{0, 0, false}}, func(c, y, x int) float64 { return pixel(im, c, y, x) }))
	}
}

// TestPreparationOf reads what gocaffe deploy writes, padding too.
func TestPreparationOf(t *testing.T) {
	n := linearNet(t, `transform_param { scale: 0.5 mean_value: 1 mean_value: 2 mean_value: 3 pad: 1 } image_data_param { new_height: 6 new_width: 7 }`)
	p, err := New(n, Options{})
	if err != nil {
		t.Fatal(err)
	}
	im := noise(1, 3, 6, 7)
	scores, err := p.Predict(t.Context(), im)
	if err != nil {
		t.Fatal(err)
	}
	// The image with its padding is 8 x 9, the part in the centre begins at 2, 2.
	same(t, "centre", scores[0], scoresOf(n, []part{{1, 1, false}}, func(c, y, x int) float64 { return (pixel(im, c, y, x) - float64(c+1)) / 2 }))

	n = linearNet(t, `transform_param { pad: 1 }`)
	if p, err = New(n, Options{}); err != nil {
		t.Fatal(err)
	}
	im = noise(1, 3, 2, 3)
	if scores, err = p.Predict(t.Context(), im); err != nil {
		t.Fatal(err)
	}
	same(t, "padding", scores[0], scoresOf(n, []part{{-1, -1, false}}, func(c, y, x int) float64 {
		if y < 0 || x < 0 || y > 1 || x > 2 {
			return 0
		}
		return pixel(im, c, y, x)
	}))

	path := filepath.Join(t.TempDir(), "mean.binaryproto")
	m := meanOf(3, 6, 7)
	file, err := proto.Marshal(&caffepb.BlobProto{Num: proto.Int32(1), Channels: proto.Int32(3), Height: proto.Int32(6), Width: proto.Int32(7), Data: m.Data})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, file, 0o666); err != nil {
		t.Fatal(err)
	}
	n = linearNet(t, `transform_param { mean_file: "`+filepath.ToSlash(path)+`" }`)
	if p, err = New(n, Options{}); err != nil {
		t.Fatal(err)
	}
	im = noise(1, 3, 6, 7)
	if scores, err = p.Predict(t.Context(), im); err != nil {
		t.Fatal(err)
	}
	same(t, "mean file", scores[0], scoresOf(n, []part{{1, 1, false}}, func(c, y, x int) float64 { return pixel(im, c, y, x) - float64(m.Data[(c*6+y)*7+x]) }))
}

func TestReadMean(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, a npy.Array) string {
		var b bytes.Buffer
		if err := npy.Write(&b, a); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	m, values, err := ReadMean(write("image.npy", npy.Array{Shape: []int{1, 2, 1, 2}, Data: []float32{1, 2, 3, 4}}))
	if err != nil || values != nil || m.Channels != 2 || m.Height != 1 || m.Width != 2 || !slices.Equal(m.Data, []float32{1, 2, 3, 4}) {
		t.Errorf("the mean image is %+v, %v, %v", m, values, err)
	}
	m, values, err = ReadMean(write("values.npy", npy.Array{Shape: []int{3}, Data: []float32{1, 2, 3}}))
	if err != nil || m != nil || !slices.Equal(values, []float32{1, 2, 3}) {
		t.Errorf("the mean values are %v, %v, %v", m, values, err)
	}
	nan := float32(math.NaN())
	for path, want := range map[string]string{
		write("two.npy", npy.Array{Shape: []int{1, 2}, Data: []float32{1, 2}}):    "two.npy: the array has the shape [1 2], want channels, or channels x height x width",
		write("nan.npy", npy.Array{Shape: []int{2}, Data: []float32{1, nan}}):     "nan.npy: value 1 of the mean is NaN",
		write("empty.npy", npy.Array{Shape: []int{0}}):                            "empty.npy: the array is empty",
		filepath.Join(dir, "absent.npy"):                                          "no such file",
		filepath.Join(dir, "absent.binaryproto"):                                  "no such file",
		write("mean.binaryproto", npy.Array{Shape: []int{1}, Data: []float32{1}}): "mean.binaryproto: not a mean file",
	} {
		if _, _, err := ReadMean(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
}

func TestReadLabels(t *testing.T) {
	path := filepath.Join(t.TempDir(), "labels.txt")
	for text, want := range map[string][]string{
		"cat\ndog":                            {"cat", "dog"},
		"\ufeffn01 tabby, cat\r\nn02\r\n\r\n": {"n01 tabby, cat", "n02"},
		"a\n\nb\n":                            {"a", "", "b"},
	} {
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadLabels(t.Context(), path); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v, want %q", text, got, err, want)
		}
	}
	if err := os.WriteFile(path, []byte("\r\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadLabels(t.Context(), path); err == nil || !strings.Contains(err.Error(), "the file has no labels") {
		t.Errorf("an empty file: %v", err)
	}
}

// TestFiles reads image files, one of which is none, in batches.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	var paths []string
	for i := range 7 {
		path := filepath.Join(dir, string(rune('a'+i))+".png")
		paths = append(paths, path)
		if i == 3 || i == 4 {
			continue // absent
		}
		im := image.NewGray(image.Rect(0, 0, width, height)) // grey, for a net of 3 channels
		for k := range im.Pix {
			im.Pix[k] = byte(40*i + k)
		}
		im.SetGray(0, 0, color.Gray{Y: 255})
		var b bytes.Buffer
		if err := png.Encode(&b, im); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	n := linearNet(t, "")
	p, err := New(n, Options{Batch: 2})
	if err != nil {
		t.Fatal(err)
	}
	next := 0
	err = p.Files(t.Context(), paths, func(i int, scores []float32, err error) error {
		if i != next {
			t.Errorf("got the result of %d, want %d", i, next)
		}
		next++
		if i == 3 || i == 4 {
			if scores != nil || err == nil || !strings.Contains(err.Error(), paths[i]) || !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("absent file %d: %v, %v", i, scores, err)
			}
			return nil
		}
		same(t, paths[i], scores, scoresOf(n, []part{{0, 0, false}}, func(c, y, x int) float64 {
			if y == 0 && x == 0 {
				return 255
			}
			return float64(byte(40*i + y*width + x))
		}))
		return err
	})
	if err != nil || next != len(paths) {
		t.Errorf("%d results, %v", next, err)
	}
}

func TestTop(t *testing.T) {
	scores := []float32{1, 5, 3, 5, 2}
	if got := Top(scores, 3); !slices.Equal(got, []int{1, 3, 2}) {
		t.Errorf("Top(3) = %v", got)
	}
	if got := Top(scores, 9); !slices.Equal(got, []int{1, 3, 2, 4, 0}) {
		t.Errorf("Top(9) = %v", got)
	}
}

// TestPredictKept takes scores from the middle of a net that need not compute them, and from
// one that needs the memory for others.
func TestPredictKept(t *testing.T) {
	const text = `layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 4 dim: 5 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "scores" inner_product_param { num_output: 6 bias_term: false weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "relu" type: "ReLU" bottom: "scores" top: "relu" }
layer { name: "square" type: "Power" bottom: "relu" top: "square" power_param { power: 2 scale: 9 } }
layer { name: "end" type: "Power" bottom: "square" top: "end" power_param { shift: 1 } }`
	im := noise(3, 3, height, width)
	for name, opts := range map[string]net.Options{"inference": {Inference: true}, "memory": {Memory: new(net.Memory), ForwardOnly: true}} {
		file, err := net.Parse("test.prototxt", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		opts.Seed = 5
		n, err := net.New(file, opts)
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		p, err := New(n, Options{Scores: "scores"})
		if err != nil {
			t.Fatal(err)
		}
		scores, err := p.Predict(t.Context(), im)
		if err != nil {
			t.Fatal(err)
		}
		same(t, name, scores[0], scoresOf(n, []part{{}}, func(c, y, x int) float64 { return pixel(im, c, y, x) }))
	}
}

func TestRefuses(t *testing.T) {
	const grey = `layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 4 dim: 5 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "scores" inner_product_param { num_output: 6 } }`
	in := func(shape string) string {
		return `layer { name: "data" type: "Input" top: "data" input_param { shape { ` + shape + ` } } } layer { name: "s" type: "Sigmoid" bottom: "data" top: "s" }`
	}
	colour := strings.ReplaceAll(linear, "%OPTIONS%", "")
	for name, tt := range map[string]struct {
		text string
		o    Options
		want string
	}{
		"data layer":   {`layer { name: "d" type: "DummyData" top: "x" dummy_data_param { shape { dim: 2 dim: 3 dim: 4 dim: 5 } } }`, Options{}, `the net reads its data by layer "d" of type DummyData, want one for inference`},
		"two inputs":   {in("dim: 1 dim: 3 dim: 4 dim: 4") + `layer { name: "e" type: "Input" top: "e" input_param { shape { dim: 1 } } }`, Options{}, "the net has 2 inputs (data, e), want one"},
		"four":         {in("dim: 1 dim: 4 dim: 4 dim: 4"), Options{}, `the input "data" has the shape [1 4 4 4], want batch x channels x height x width with 1 or 3 channels`},
		"map":          {in("dim: 1 dim: 3 dim: 4 dim: 4"), Options{}, `the scores "s" have the shape [1 3 4 4], want 1 x classes`},
		"two outputs":  {colour + `layer { name: "s" type: "Sigmoid" bottom: "data" top: "s" }`, Options{}, "the net has 2 outputs (s, scores): name the blob with the scores"},
		"no blob":      {colour, Options{Scores: "prob"}, `the net has no blob "prob"; its blobs are data, scores`},
		"small":        {colour, Options{Preparation: &Preparation{Height: 3, Width: 9}}, "images are scaled to 3 x 9 (height x width), less than the input of the net, 4 x 5"},
		"huge":         {colour, Options{Preparation: &Preparation{Height: 99999, Width: 99999}}, "images are scaled to 99999 x 99999"},
		"mean of grey": {colour, Options{Preparation: &Preparation{Mean: meanOf(1, 4, 5)}}, "the mean image is 1 x 4 x 5 (channels x height x width), want 3 x 4 x 5, as images are scaled"},
		"mean":         {colour, Options{Preparation: &Preparation{Mean: meanOf(3, 9, 9), Height: 8, Width: 8}}, "the mean image is 3 x 9 x 9 (channels x height x width), want 3 x 8 x 8"},
		"two means":    {colour, Options{Preparation: &Preparation{Mean: meanOf(3, 4, 5), MeanValues: []float32{1}}}, "want one mean"},
		"values":       {colour, Options{Preparation: &Preparation{MeanValues: []float32{1, 2}}}, "there are 2 mean values, the input has 3 channels"},
		"scale":        {colour, Options{Preparation: &Preparation{Scale: math.NaN()}}, "the scale is NaN and the raw scale 0, want finite numbers"},
		"swap":         {colour, Options{Preparation: &Preparation{ChannelSwap: []int{0, 1, 1}}}, "the order of the channels is 0 1 1, want the numbers 0, 1 and 2"},
		"swap of grey": {grey, Options{Preparation: &Preparation{ChannelSwap: []int{2, 1, 0}}}, "the input has 1"},
		"batch":        {colour, Options{Batch: -1}, "the batch size is -1, want 1 or more"},
		"padding":      {colour, Options{Oversample: true, Preparation: &Preparation{Pad: 1}}, "ten parts of an image cannot be taken with padding"},
		"no mean file": {colour, Options{Preparation: &Preparation{MeanFile: "absent.npy"}}, "no such file"},
	} {
		_, err := New(newNet(t, tt.text), tt.o)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
	p, err := New(newNet(t, grey), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if p.Mode() != data.Gray || p.Classes() != 6 || p.Probabilities() {
		t.Errorf("mode %v, %d classes, probabilities %v", p.Mode(), p.Classes(), p.Probabilities())
	}
	if _, err := p.Predict(t.Context(), noise(1, 1, 4, 5), noise(1, 3, 4, 5)); err == nil || err.Error() != "image 1: the image has 3 channels, the input of the net 1" {
		t.Errorf("a colour image: %v", err)
	}
	n := linearNet(t, "")
	n.Params()[0].Blob.MutableData()[0] = float32(math.NaN())
	if p, err = New(n, Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Predict(t.Context(), noise(1, 3, 4, 5)); err == nil || !strings.Contains(err.Error(), "a score is NaN") {
		t.Errorf("weights with NaN: %v", err)
	}
}
