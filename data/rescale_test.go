package data

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"google.golang.org/protobuf/encoding/prototext"
)

// rescaled is what a transformer makes of an image before its crop.
func rescaled(tr *Transformer, im *Image, place uint64) *Image {
	var w augmenting
	p := im.pixels()
	tr.draw(&w, place)
	out := tr.augmented(&p, &w, place)
	return &Image{Channels: out.channels, Height: out.height, Width: out.width, Pix: slices.Clone(out.bytes)}
}

// TestRandomResize scales the shorter side to each length of the range, in both phases.
func TestRandomResize(t *testing.T) {
	for _, phase := range []caffepb.Phase{caffepb.Phase_TRAIN, caffepb.Phase_TEST} {
		for _, c := range []struct {
			text                  string
			height, width, lo, hi int
		}{
			{"min_size: 10 max_size: 13", 20, 33, 10, 13},
			{"min_size: 10 max_size: 13", 33, 20, 10, 13},
			{"min_size: 30", 20, 33, 30, 33},
			{"max_size: 22", 20, 33, 20, 22},
			{"min_size: 12 max_size: 12 resize_param { interp_mode: CUBIC }", 20, 33, 12, 12},
		} {
			im := noise(1, 3, c.height, c.width)
			tr := transformer(t, "crop_size: 8 random_resize_param { "+c.text+" }", phase)
			count := map[int]int{}
			for place := range uint64(200) {
				got := rescaled(tr, im, place)
				side := min(got.Height, got.Width)
				long := int(33. / 20 * float64(side))
				if max(got.Height, got.Width) != long || (got.Height < got.Width) != (c.height < c.width) || side < c.lo || side > c.hi {
					t.Fatalf("%v, %s: %d x %d become %d x %d", phase, c.text, c.height, c.width, got.Height, got.Width)
				}
				count[side]++
				how := Linear
				if tr.augment.rescale.intel.ResizeParam != nil {
					how = Cubic
				}
				var want Image
				(&Resizer{}).Resize(&want, im, got.Height, got.Width, how)
				if !slices.Equal(got.Pix, want.Pix) && (side != 20 || !slices.Equal(got.Pix, im.Pix)) {
					t.Fatalf("%v, %s: not the image scaled to %d x %d", phase, c.text, got.Height, got.Width)
				}
			}
			for side := c.lo; side <= c.hi; side++ {
				if n := count[side]; n < 100/(c.hi-c.lo+1) {
					t.Errorf("%v, %s: %d of 200 have a shorter side of %d", phase, c.text, n, side)
				}
			}
		}
	}
}

// TestInterpolations finds each of the ways of random_aspect_ratio_param.
func TestInterpolations(t *testing.T) {
	im := noise(2, 3, 20, 20)
	tr := transformer(t, "crop_size: 10 random_aspect_ratio_param { min_area_ratio: 1 resize_param { interp_mode: AREA interp_mode: NEAREST interp_mode: LANCZOS4 } }", caffepb.Phase_TRAIN)
	count := map[string]int{}
	for place := range uint64(90) {
		count[string(transformed(t, tr, im, place).Pix)]++
	}
	for _, how := range []Interpolation{Area, Nearest, Lanczos4} {
		var want Image
		(&Resizer{}).Resize(&want, im, 10, 10, how)
		if n := count[string(want.Pix)]; n < 15 {
			t.Errorf("interpolation %d came %d times of 90, want 30", how, n)
		}
		delete(count, string(want.Pix))
	}
	if len(count) > 0 {
		t.Errorf("there are %d other results", len(count))
	}
}

// TestRandResize compares the sizes with the range that the options allow.
func TestRandResize(t *testing.T) {
	for _, c := range []struct {
		text                  string
		height, width         int
		lowH, highH, lowW, hi float64 // of the sizes
		how                   Interpolation
	}{
		{"img_rand_resize_lower: 10 img_rand_resize_upper: 14", 20, 40, 10, 14, 20, 28, Nearest},
		{"img_rand_resize_lower: 10 img_rand_resize_upper: 10 interpolation_algo_down: INTER_AREA", 40, 20, 20, 20, 10, 10, Area},
		{"img_rand_resize_lower: 30 img_rand_resize_upper: 40", 20, 40, 20, 20, 40, 40, Nearest}, // no upscale
		{"img_rand_resize_lower: 30 img_rand_resize_upper: 40 allow_upscale: true", 20, 40, 30, 40, 60, 80, Cubic},
		{"img_rand_resize_lower: 2 img_rand_resize_upper: 4", 20, 40, 8, 8, 8, 8, Nearest}, // at least crop_size
		{"vertical_stretch_lower: 0.5 vertical_stretch_upper: 0.75", 20, 40, 10, 15, 40, 40, Nearest},
		{"horizontal_stretch_lower: 2 horizontal_stretch_upper: 1.5 allow_upscale: true interpolation_algo_up: INTER_LINEAR", 20, 40, 20, 20, 60, 80, Linear},
		{"rand_resize_ratio_lower: 1 rand_resize_ratio_upper: 1.5", 20, 40, 20, 20, 20, 30, Nearest},
		{"rand_resize_ratio_lower: 1 rand_resize_ratio_upper: 1.5", 40, 20, 20, 30, 20, 20, Nearest},
	} {
		im := noise(3, 3, c.height, c.width)
		tr := transformer(t, "crop_size: 8 "+c.text, caffepb.Phase_TEST)
		low, high := [2]int{1000, 1000}, [2]int{}
		for place := range uint64(400) {
			got := rescaled(tr, im, place)
			for i, n := range []int{got.Height, got.Width} {
				low[i], high[i] = min(low[i], n), max(high[i], n)
			}
			var want Image
			(&Resizer{}).Resize(&want, im, got.Height, got.Width, c.how)
			if !slices.Equal(got.Pix, want.Pix) {
				t.Fatalf("%s: not the image scaled to %d x %d", c.text, got.Height, got.Width)
			}
		}
		for i, want := range [][2]float64{{c.lowH, c.highH}, {c.lowW, c.hi}} {
			if math.Abs(float64(low[i])-want[0]) > 0.5 || math.Abs(float64(high[i])-want[1]) > 0.5 {
				t.Errorf("%s: axis %d is %d to %d, want %g to %g", c.text, i, low[i], high[i], want[0], want[1])
			}
		}
	}
}

// TestMeanOfCrop subtracts the centre of the mean from any crop, mirrored with the image.
func TestMeanOfCrop(t *testing.T) {
	im := noise(4, 1, 12, 12)
	mean := &Mean{Channels: 1, Height: 9, Width: 8, Data: make([]float32, 72)}
	for i := range mean.Data {
		mean.Data[i] = float32(i)
	}
	for _, mirror := range []string{"", "mirror: true "} {
		tr := transformer(t, mirror+"crop_size: 6 img_rand_resize_lower: 12 img_rand_resize_upper: 12 mean_file: 'm'", caffepb.Phase_TEST)
		tr.SetMean(mean)
		seen := map[bool]bool{}
		for place := range uint64(20) {
			var p Pixels
			p.SetImage(im)
			got := make([]float32, 36)
			if err := tr.Transform(got, &p, place); err != nil {
				t.Fatal(err)
			}
			mirrored := got[0] != float32(im.Pix[3*12+3])-mean.Data[1*8+1]
			seen[mirrored] = true
			for i, v := range got {
				y, x := i/6, i%6
				if mirrored {
					x = 5 - x
				}
				if want := float32(im.Pix[(3+y)*12+3+x]) - mean.Data[(1+y)*8+1+x]; v != want {
					t.Fatalf("%splace %d: value %d is %g, want %g", mirror, place, i, v, want)
				}
			}
		}
		if len(seen) != 1+min(len(mirror), 1) {
			t.Errorf("%q: mirrored or not: %v", mirror, seen)
		}
	}
	tr := transformer(t, "crop_size: 9 img_rand_resize_lower: 12 img_rand_resize_upper: 12 mean_file: 'm'", caffepb.Phase_TEST)
	tr.SetMean(mean)
	var p Pixels
	p.SetImage(im)
	if _, _, _, err := tr.Shape(&p); err == nil {
		t.Error("a mean that is smaller than the crop gives no error")
	}
}

func TestRescaleErrors(t *testing.T) {
	for text, want := range map[string]string{
		"random_resize_param { }":                                                    "random_resize_param: crop_size is missing, without which images have different sizes",
		"crop_size: 3 random_resize_param { min_size: 5 max_size: 4 }":               "random_resize_param: min_size is 5 and max_size 4, want the first not above the second",
		"crop_size: 6 random_resize_param { min_size: 5 }":                           "random_resize_param: min_size is 5 and crop_size 6, want none above min_size",
		"crop_size: 6 pad: 3 random_resize_param { }":                                "random_resize_param: there is a pad of 3, which Intel's Caffe adds after the crop and gocaffe before it: remove it",
		"crop_size: 6 mean_file: 'm' random_resize_param { }":                        "mean_file: a mean image does not fit images that are scaled: use mean_value",
		"img_rand_resize_lower: 4 img_rand_resize_upper: 5":                          "img_rand_resize_lower: crop_size is missing, without which images have different sizes",
		"crop_size: 2 img_rand_resize_lower: 6 img_rand_resize_upper: 5":             "img_rand_resize_lower: img_rand_resize_lower is 6 and img_rand_resize_upper 5, want both, the first not above the second",
		"crop_size: 2 img_rand_resize_upper: 5":                                      "img_rand_resize_upper: img_rand_resize_lower is 0 and img_rand_resize_upper 5, want both, the first not above the second",
		"crop_size: 2 vertical_stretch_upper: -1":                                    "vertical_stretch_upper: a limit of a ratio or stretch is -1, want 0 to 1000",
		"crop_size: 2 vertical_stretch_upper: 2 random_resize_param { min_size: 3 }": "vertical_stretch_upper: random_resize_param and vertical_stretch_upper cannot both be set",
	} {
		var p caffepb.TransformationParameter
		if err := prototext.Unmarshal([]byte(text), &p); err != nil {
			t.Fatal(err)
		}
		_, err := NewTransformer(&p, caffepb.Phase_TRAIN, keyed(1))
		var option *OptionError
		if !errors.As(err, &option) || err.Error() != "transform_param."+want {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
	// An image that is smaller than the crop and may not grow.
	tr := transformer(t, "crop_size: 12 img_rand_resize_lower: 15 img_rand_resize_upper: 15", caffepb.Phase_TRAIN)
	var p Pixels
	p.SetImage(noise(1, 3, 10, 20))
	if _, _, _, err := tr.Shape(&p); err == nil {
		t.Error("an image that is smaller than the crop gives no error")
	}
}
