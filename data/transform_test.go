package data

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/parallel"
	"google.golang.org/protobuf/encoding/prototext"
)

// keyed is random numbers by Philox, as layers have them.
type keyed uint64

func (k keyed) Uint32(p *parallel.Pool, stream, offset uint64, y []uint32) {
	kernel.PhiloxUint32(p, uint64(k), stream, offset, y)
}

func transformer(t *testing.T, text string, phase caffepb.Phase) *Transformer {
	t.Helper()
	var p caffepb.TransformationParameter
	if err := prototext.Unmarshal([]byte(text), &p); err != nil {
		t.Fatal(err)
	}
	tr, err := NewTransformer(&p, phase, keyed(1))
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// array returns a datum of bytes or of floats, and its values.
func array(c, h, w int, floats bool) (*Datum, []float32) {
	r := rand.New(rand.NewPCG(uint64(c*100+h), uint64(w)))
	d := &Datum{Channels: c, Height: h, Width: w}
	values := make([]float32, c*h*w)
	for i := range values {
		if floats {
			values[i] = r.Float32() - 0.5
			d.Float = append(d.Float, values[i])
		} else {
			b := byte(r.Uint32())
			values[i] = float32(b)
			d.Data = append(d.Data, b)
		}
	}
	return d, values
}

// expected is the transformation by its formula: the part at (top,left) of the
// padded image, which is 0 outside of the image.
func expected(values []float32, c, h, w, top, left, height, width int, mirrored bool, mean func(c, y, x int) float32, scale float32) []float32 {
	var out []float32
	for k := range c {
		for y := range height {
			for x := range width {
				if mirrored {
					x = width - 1 - x
				}
				sy, sx := top+y, left+x
				v := float32(0)
				if sy >= 0 && sy < h && sx >= 0 && sx < w {
					v = (values[(k*h+sy)*w+sx] - mean(k, sy, sx)) * scale
				}
				out = append(out, v)
			}
		}
	}
	return out
}

// TestTransform finds each result among those of the formula, for all places
// and both directions that the options allow.
func TestTransform(t *testing.T) {
	const c, h, w = 3, 5, 7
	image := &Mean{Channels: c, Height: h, Width: w}
	for i := range c * h * w {
		image.Data = append(image.Data, float32(i)*0.37)
	}
	none := func(int, int, int) float32 { return 0 }
	for _, test := range []struct {
		options string
		mean    func(c, y, x int) float32
		file    bool
		pad     int
		crop    int
		mirror  bool
		scale   float32
	}{
		{"", none, false, 0, 0, false, 1},
		{"scale: 0.00390625", none, false, 0, 0, false, 0.00390625},
		{"mean_value: 100", func(int, int, int) float32 { return 100 }, false, 0, 0, false, 1},
		{"mean_value: 1 mean_value: 2 mean_value: 3 scale: 0.1", func(c, _, _ int) float32 { return float32(c + 1) }, false, 0, 0, false, 0.1},
		{"mean_file: 'f' crop_size: 4", func(c, y, x int) float32 { return image.Data[(c*h+y)*w+x] }, true, 0, 4, false, 1},
		{"mirror: true", none, false, 0, 0, true, 1},
		{"mirror: true crop_size: 5", none, false, 0, 5, true, 1},
		{"pad: 2", none, false, 2, 0, false, 1},
		{"pad: 2 crop_size: 5 mirror: true mean_value: 10 scale: 2", func(int, int, int) float32 { return 10 }, false, 2, 5, true, 2},
		{"pad: 3 crop_size: 2 mirror: true mean_file: 'f'", func(c, y, x int) float32 { return image.Data[(c*h+y)*w+x] }, true, 3, 2, true, 1},
	} {
		for _, phase := range []caffepb.Phase{caffepb.Phase_TRAIN, caffepb.Phase_TEST} {
			for _, floats := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%v/floats %v", test.options, phase, floats), func(t *testing.T) {
					tr := transformer(t, test.options, phase)
					if test.file {
						tr.SetMean(image)
					}
					d, values := array(c, h, w, floats)
					var it Pixels
					if err := tr.SetDatum(&it, d); err != nil {
						t.Fatal(err)
					}
					gc, height, width, err := tr.Shape(&it)
					if err != nil || gc != c {
						t.Fatal(gc, err)
					}
					wantH, wantW := h+2*test.pad, w+2*test.pad
					if test.crop > 0 {
						wantH, wantW = test.crop, test.crop
					}
					if height != wantH || width != wantW {
						t.Fatalf("shape %d x %d, want %d x %d", height, width, wantH, wantW)
					}
					roomY, roomX := h+2*test.pad-height, w+2*test.pad-width
					all := map[string]int{} // results of the formula, and how often each was met
					ways := 0
					key := func(v []float32) string { return fmt.Sprint(v) }
					for top := range roomY + 1 {
						for left := range roomX + 1 {
							if phase == caffepb.Phase_TEST && (top != roomY/2 || left != roomX/2) {
								continue
							}
							for _, mirrored := range []bool{false, true} {
								if !mirrored || test.mirror {
									ways++
									all[key(expected(values, c, h, w, top-test.pad, left-test.pad, height, width, mirrored, test.mean, test.scale))] = 0
								}
							}
						}
					}
					out := make([]float32, c*height*width)
					for place := range uint64(60 * ways) {
						for i := range out {
							out[i] = 1e9 // what is not written shows
						}
						if err := tr.Transform(out, &it, place); err != nil {
							t.Fatal(err)
						}
						if _, ok := all[key(out)]; !ok {
							t.Fatalf("place %d: %v is not a result of the formula", place, out)
						}
						all[key(out)]++
						again := slices.Clone(out)
						if tr.Transform(out, &it, place); !slices.Equal(out, again) {
							t.Fatalf("place %d gives another result the second time", place)
						}
					}
					for result, n := range all { // 60 are expected of each; where results coincide, more
						if n < 20 {
							t.Errorf("the result %.40s... came %d times of 60", result, n)
						}
					}
				})
			}
		}
	}
}

func TestTransformErrors(t *testing.T) {
	for text, field := range map[string]string{
		"mean_file: 'f' mean_value: 3":       "mean_value",
		"force_color: true force_gray: true": "force_gray",
		"crop_size: 4000000000":              "crop_size",
		"pad: 4000000000":                    "pad",
	} {
		var p caffepb.TransformationParameter
		if err := prototext.Unmarshal([]byte(text), &p); err != nil {
			t.Fatal(err)
		}
		_, err := NewTransformer(&p, caffepb.Phase_TRAIN, keyed(1))
		var option *OptionError
		if !errors.As(err, &option) || option.Field != field {
			t.Errorf("%s: got %v, want an error of %s", text, err, field)
		}
	}
	d, _ := array(3, 5, 7, false)
	for text, want := range map[string]string{
		"crop_size: 6":                "the image is 5 x 7 (height x width), less than crop_size 6",
		"crop_size: 10 pad: 2":        "the image is 9 x 11 with padding (height x width), less than crop_size 10",
		"mean_value: 1 mean_value: 2": "the image has 3 channels, and there are 2 mean_value, want 1 or 3",
		"mean_file: 'f'":              "the image is 3 x 5 x 7 (channels x height x width), the mean_file 3 x 5 x 8",
	} {
		tr := transformer(t, text, caffepb.Phase_TEST)
		if strings.Contains(text, "mean_file") {
			tr.SetMean(&Mean{3, 5, 8, make([]float32, 120)})
		}
		var it Pixels
		if err := tr.SetDatum(&it, d); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := tr.Shape(&it); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
		if err := tr.Transform(nil, &it, 0); err == nil || err.Error() != want {
			t.Errorf("%s: Transform: got %v, want %q", text, err, want)
		}
	}
}

// TestTransformCrop compares crops, in the image and across its edges, with the formula.
func TestTransformCrop(t *testing.T) {
	const c, h, w = 3, 5, 7
	d, values := array(c, h, w, false)
	image := &Image{Channels: c, Height: h, Width: w}
	for y := range h {
		for x := range w {
			for k := range c {
				image.Pix = append(image.Pix, d.Data[(k*h+y)*w+x])
			}
		}
	}
	m := &Mean{Channels: c, Height: h, Width: w, Data: make([]float32, c*h*w)}
	for i := range m.Data {
		m.Data[i] = float32(i%11) / 4
	}
	tr := transformer(t, "scale: 0.5 crop_size: 3", caffepb.Phase_TRAIN)
	tr.SetMean(m)
	var p Pixels
	p.SetImage(image)
	for _, crop := range []Crop{
		{0, 0, h, w, false}, {0, 0, h, w, true}, {1, 2, 3, 4, true}, {2, 3, 3, 4, false},
		{-1, -2, 4, 6, true}, {3, 5, 4, 4, false}, {-2, -2, h + 4, w + 4, false}, {9, 9, 2, 2, false}, {0, 0, 0, 3, false},
	} {
		want := expected(values, c, h, w, crop.Top, crop.Left, crop.Height, crop.Width, crop.Mirrored,
			func(k, y, x int) float32 { return m.Data[(k*h+y)*w+x] }, 0.5)
		got := make([]float32, c*crop.Height*crop.Width)
		for i := range got {
			got[i] = 99
		}
		if err := tr.TransformCrop(got, &p, crop); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%+v: got %v, want %v", crop, got, want)
		}
	}
	m.Width++
	if err := tr.TransformCrop(make([]float32, c), &p, Crop{Height: 1, Width: 1}); err == nil || !strings.Contains(err.Error(), "the mean_file 3 x 5 x 8") {
		t.Errorf("with a mean of another size: %v", err)
	}
}
