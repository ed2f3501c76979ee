package data

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"google.golang.org/protobuf/encoding/prototext"
)

// noise is a random image.
func noise(seed uint64, c, h, w int) *Image {
	r := rand.New(rand.NewPCG(seed, 0))
	im := &Image{Channels: c, Height: h, Width: w, Pix: make([]byte, c*h*w)}
	for i := range im.Pix {
		im.Pix[i] = byte(r.Uint32())
	}
	return im
}

// transformed is what a transformer of the given options makes of an image, as bytes
// in the layout of an Image.
func transformed(t *testing.T, tr *Transformer, im *Image, place uint64) *Image {
	t.Helper()
	var p Pixels
	p.SetImage(im)
	c, h, w, err := tr.Shape(&p)
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]float32, c*h*w)
	if err := tr.Transform(dst, &p, place); err != nil {
		t.Fatal(err)
	}
	out := &Image{Channels: c, Height: h, Width: w, Pix: make([]byte, c*h*w)}
	for i, v := range dst {
		out.Pix[i%(h*w)*c+i/(h*w)] = byte(v)
		if v != float32(byte(v)) {
			t.Fatalf("value %d is %g, want a byte", i, v)
		}
	}
	return out
}

// TestTurn compares with an interpolation in float64. Weights have 8 bits, so results
// are off by less than 2.
func TestTurn(t *testing.T) {
	im := noise(1, 3, 9, 14)
	for _, degrees := range []float64{0, 30, -77, 90, 180, 45.5} {
		for _, grow := range []bool{false, true} {
			sin, cos := math.Sincos(degrees * math.Pi / 180)
			var got Image
			turn(&got, im, degrees*math.Pi/180, grow)
			height, width := 9, 14
			if grow {
				height = int(math.Ceil(9*math.Abs(cos) + 14*math.Abs(sin) - 1e-6))
				width = int(math.Ceil(14*math.Abs(cos) + 9*math.Abs(sin) - 1e-6))
			}
			if got.Height != height || got.Width != width {
				t.Fatalf("%g degrees: %d x %d, want %d x %d", degrees, got.Height, got.Width, height, width)
			}
			at := func(x, y, c int) float64 {
				if x < 0 || y < 0 || x >= 14 || y >= 9 {
					return 0
				}
				return float64(im.Pix[(y*14+x)*3+c])
			}
			for i, v := range got.Pix {
				x, y := float64(i/3%width)-float64(width-1)/2, float64(i/3/width)-float64(height-1)/2
				// What is right of the centre was below it, if it was turned counter-clockwise.
				sx, sy := x*cos-y*sin+6.5, x*sin+y*cos+4
				x0, y0 := int(math.Floor(sx+1e-9)), int(math.Floor(sy+1e-9))
				fx, fy := sx-float64(x0), sy-float64(y0)
				want := (1-fy)*((1-fx)*at(x0, y0, i%3)+fx*at(x0+1, y0, i%3)) + fy*((1-fx)*at(x0, y0+1, i%3)+fx*at(x0+1, y0+1, i%3))
				if math.Abs(float64(v)-want) > 2 {
					t.Fatalf("%g degrees, grow %v: value %d is %d, want %g", degrees, grow, i, v, want)
				}
			}
		}
	}
	var got Image
	if turn(&got, im, math.Pi, true); !slices.Equal(slices.Concat(got.Pix[:3], got.Pix[len(got.Pix)-3:]), slices.Concat(im.Pix[len(im.Pix)-3:], im.Pix[:3])) {
		t.Error("180 degrees do not exchange the corners")
	}
}

// TestRotation finds each result among those of the angles that are allowed.
func TestRotation(t *testing.T) {
	im := noise(2, 3, 12, 10)
	tr := transformer(t, "max_rotation_angle: 2", caffepb.Phase_TRAIN)
	count := map[string]int{}
	for degrees := -2; degrees <= 2; degrees++ {
		var want Image
		turn(&want, im, float64(degrees)*math.Pi/180, false)
		count[string(want.Pix)] = 0
	}
	for place := range uint64(300) {
		key := string(transformed(t, tr, im, place).Pix)
		if _, ok := count[key]; !ok {
			t.Fatalf("place %d: not turned by -2 to 2 degrees", place)
		}
		count[key]++
	}
	for _, n := range count {
		if len(count) != 5 || n < 30 { // 60 are expected
			t.Errorf("one of %d results came %d times of 300", len(count), n)
		}
	}
	// With crop_size the turned image is larger, and its corners are black.
	if got := transformed(t, transformer(t, "max_rotation_angle: 45 crop_size: 10", caffepb.Phase_TRAIN), im, 3); got.Height != 10 || got.Width != 10 || !slices.Contains(got.Pix, 0) {
		t.Errorf("%d x %d, want a crop of 10 x 10 with black parts", got.Height, got.Width)
	}
}

// TestMinSide scales images to a length of the shorter side.
func TestMinSide(t *testing.T) {
	for _, phase := range []caffepb.Phase{caffepb.Phase_TRAIN, caffepb.Phase_TEST} {
		for _, c := range [][4]int{{20, 31, 8, 13}, {31, 20, 13, 8}, {4, 4, 8, 8}, {8, 11, 8, 11}} {
			im := noise(3, 3, c[0], c[1])
			want := *im
			want.Resize(c[2], c[3])
			got := transformed(t, transformer(t, "min_side: 8", phase), im, 0)
			if got.Height != c[2] || got.Width != c[3] || !slices.Equal(got.Pix, want.Pix) {
				t.Errorf("%v, %d x %d: got %d x %d, want those of Resize to %d x %d", phase, c[0], c[1], got.Height, got.Width, c[2], c[3])
			}
		}
	}
	// A range of lengths: all of them, and each crop is part of an image of one of them.
	im, tr := noise(4, 1, 9, 12), transformer(t, "min_side_min: 4 min_side_max: 6 crop_size: 4", caffepb.Phase_TRAIN)
	seen := map[int]int{}
	for place := range uint64(90) {
		got := transformed(t, tr, im, place)
		found := false
		for side := 4; side <= 6; side++ {
			scaled := *im
			scaled.Resize(side, (12*side+8)/9)
			for top := range scaled.Height - 3 {
				for left := range scaled.Width - 3 {
					var part Image
					(&scaler{}).scale(&part, &scaled, rect{top, left, 4, 4}, 4, 4)
					if slices.Equal(part.Pix, got.Pix) {
						seen[side]++
						found = true
					}
				}
			}
		}
		if !found {
			t.Fatalf("place %d: no crop of an image of one of the sizes", place)
		}
	}
	if seen[4] < 15 || seen[5] < 15 || seen[6] < 15 { // 30 are expected of each
		t.Errorf("lengths and how often they came: %v", seen)
	}
	if got := transformed(t, transformer(t, "min_side_min: 4 min_side_max: 6 crop_size: 4", caffepb.Phase_TEST), im, 0); !slices.Equal(got.Pix[:4], im.Pix[2*12+4:][:4]) {
		t.Error("in phase TEST the crop is not the centre of the image as it is")
	}
}

// TestAspect looks at the parts that random_aspect_ratio_param chooses, and at what
// becomes of one.
func TestAspect(t *testing.T) {
	im := noise(5, 1, 60, 80)
	tr := transformer(t, "crop_size: 10 random_aspect_ratio_param { min_area_ratio: 0.1 max_area_ratio: 0.5 aspect_ratio_change: 0.8 }", caffepb.Phase_TRAIN)
	var tall, wide, small, large int
	for place := range uint64(400) {
		var w augmenting
		p := tr.part(im, &w, place)
		area := float64(p.height*p.width) / (60 * 80)
		ratio := math.Sqrt(float64(p.height) / float64(p.width))
		switch {
		case p.top < 0 || p.left < 0 || p.top+p.height > 60 || p.left+p.width > 80:
			t.Fatalf("part %+v is not in the image", p)
		case area < 0.1*0.9 || area > 0.5: // both sides are rounded down
			t.Fatalf("part %+v has %g of the image", p, area)
		case ratio < 0.8*0.96 || ratio > 1.25*1.04:
			t.Fatalf("part %+v has a root of its sides' ratio of %g", p, ratio)
		}
		if p.height > p.width {
			tall++
		} else {
			wide++
		}
		if area < 0.3 {
			small++
		} else {
			large++
		}
		var want Image
		(&scaler{}).scale(&want, im, p, 10, 10)
		if got := transformed(t, tr, im, place); !slices.Equal(got.Pix, want.Pix) {
			t.Fatalf("place %d: not part %+v, scaled", place, p)
		}
	}
	if min(tall, wide, small, large) < 120 {
		t.Errorf("of 400 parts %d are tall, %d wide, %d small, %d large", tall, wide, small, large)
	}
	// Tall and wide parts come equally often, although more numbers are above 1 than below.
	flat := transformer(t, "crop_size: 10 random_aspect_ratio_param { min_area_ratio: 0.05 max_area_ratio: 0.05 aspect_ratio_change: 0.25 }", caffepb.Phase_TRAIN)
	tall = 0
	for place := range uint64(400) {
		if p := flat.part(im, new(augmenting), place); p.height > p.width {
			tall++
		}
	}
	if tall < 150 || tall > 250 {
		t.Errorf("%d of 400 parts are tall", tall)
	}
	// No part of this shape fits into a narrow image.
	narrow := transformer(t, "crop_size: 2 random_aspect_ratio_param { min_area_ratio: 1 aspect_ratio_change: 1 }", caffepb.Phase_TRAIN)
	if got, want := narrow.part(noise(6, 1, 40, 10), new(augmenting), 0), (rect{15, 0, 10, 10}); got != want {
		t.Errorf("part %+v, want the square in the centre %+v", got, want)
	}
}

// hsv is the textbook's conversion, with H in degrees and S and V up to 1.
func hsv(r, g, b float64) (h, s, v float64) {
	v = max(r, g, b)
	span := v - min(r, g, b)
	if span == 0 {
		return 0, 0, v
	}
	switch v {
	case r:
		h = 60 * (g - b) / span
	case g:
		h = 120 + 60*(b-r)/span
	default:
		h = 240 + 60*(r-g)/span
	}
	return math.Mod(h+360, 360), span / v, v
}

// rgb is the way back.
func rgb(h, s, v float64) (r, g, b float64) {
	c := v * s
	x := c * (1 - math.Abs(math.Mod(h/60, 2)-1))
	rgb := [][3]float64{{c, x, 0}, {x, c, 0}, {0, c, x}, {0, x, c}, {x, 0, c}, {c, 0, x}}[int(h/60)%6]
	return rgb[0] + v - c, rgb[1] + v - c, rgb[2] + v - c
}

// TestHueAndSaturation compares with the conversions to HSV and back.
func TestHueAndSaturation(t *testing.T) {
	im := noise(7, 3, 40, 40)
	copy(im.Pix, []byte{0, 0, 0, 255, 255, 255, 7, 7, 7, 255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 0})
	for _, c := range []struct{ degrees, s float64 }{{0, 0.5}, {0, 1.7}, {0, 0}, {36, 1}, {-70, 1}, {360, 1}, {-360, 1}} {
		got := slices.Clone(im.Pix)
		if c.s != 1 {
			saturate(got, float32(c.s))
		} else {
			turnHue(got, float32(c.degrees/60))
		}
		for i := 0; i < len(got); i += 3 {
			p := im.Pix[i:]
			h, s, v := hsv(float64(p[2])/255, float64(p[1])/255, float64(p[0])/255)
			r, g, b := rgb(math.Mod(h+c.degrees+720, 360), min(1, s*c.s), v)
			for k, want := range []float64{b, g, r} {
				if math.Abs(float64(got[i+k])-255*want) > 0.51 {
					t.Fatalf("hue %+g, saturation times %g: %v becomes %v, want %g %g %g", c.degrees, c.s, p[:3], got[i:i+3], 255*b, 255*g, 255*r)
				}
			}
		}
	}
}

// TestColors finds out what was done to images of all bytes, when it is not left to
// chance whether it is done.
func TestColors(t *testing.T) {
	im := &Image{Channels: 3, Height: 16, Width: 16, Pix: make([]byte, 768)}
	for i := range 256 {
		im.Pix[3*i], im.Pix[3*i+1], im.Pix[3*i+2] = byte(i), byte(i), byte(255-i)
	}
	clamp := func(v float64) byte { return byte(math.RoundToEven(max(0, min(v, 255)))) }
	same := func(change func(v byte, c int) byte) []byte {
		out := slices.Clone(im.Pix)
		for i, v := range out {
			out[i] = change(v, i%3)
		}
		return out
	}
	for _, test := range []struct {
		options string
		least   int // how many different results there are at least
		results func() [][]byte
	}{
		{"contrast_brightness_adjustment: true min_contrast: 1.5 max_contrast: 1.5 max_brightness_shift: 2 apply_probability: 1", 5, func() (all [][]byte) {
			for by := -2; by <= 2; by++ {
				all = append(all, same(func(v byte, _ int) byte { return clamp(1.5*float64(v) + float64(by)) }))
			}
			return all
		}},
		{"max_color_shift: 1 apply_probability: 1", 15, func() (all [][]byte) {
			for n := range 8 {
				for _, sign := range []float64{-1, 1} {
					all = append(all, same(func(v byte, c int) byte { return clamp(float64(v) + sign*float64(n>>c&1)) }))
				}
			}
			return all
		}},
		{"max_color_shift: 1 apply_probability: 0", 1, func() [][]byte { return [][]byte{im.Pix} }},
		{"distort_param { contrast_prob: 1 contrast_lower: 0.5 contrast_upper: 0.5 brightness_prob: 1 }", 1, func() [][]byte {
			return [][]byte{same(func(v byte, _ int) byte { return clamp(0.5 * float64(v)) })}
		}},
		{"distort_param { brightness_prob: 1 brightness_delta: 1 }", 3, func() (all [][]byte) {
			for by := -1.0; by <= 1; by++ {
				all = append(all, same(func(v byte, _ int) byte { return clamp(float64(v) + by) }))
			}
			return all
		}},
		{"distort_param { random_order_prob: 1 }", 3, func() (all [][]byte) { // blue and green are equal here
			for _, red := range []int{0, 1, 2} {
				all = append(all, slices.Clone(im.Pix))
				for i := 0; i < 768; i += 3 {
					p := all[len(all)-1][i:]
					p[2], p[red] = p[red], p[2]
				}
			}
			return all
		}},
		// Contrast before or after the saturation: 255 cuts off in different places.
		{"distort_param { contrast_prob: 1 contrast_lower: 2 contrast_upper: 2 saturation_prob: 1 saturation_lower: 0.5 saturation_upper: 0.5 }", 2, func() (all [][]byte) {
			double := func(v byte) byte { return clamp(2 * float64(v)) }
			one, two := same(func(v byte, _ int) byte { return double(v) }), slices.Clone(im.Pix)
			saturate(one, 0.5)
			saturate(two, 0.5)
			for i, v := range two {
				two[i] = double(v)
			}
			return [][]byte{one, two}
		}},
	} {
		tr := transformer(t, test.options, caffepb.Phase_TRAIN)
		want, seen := test.results(), map[string]bool{}
		for place := range uint64(200) {
			got := transformed(t, tr, im, place).Pix
			if !slices.ContainsFunc(want, func(w []byte) bool { return slices.Equal(w, got) }) {
				t.Fatalf("%s: place %d: %v is not one of the results", test.options, place, got[:12])
			}
			seen[string(got)] = true
		}
		if len(seen) < test.least {
			t.Errorf("%s: %d different results, want at least %d", test.options, len(seen), test.least)
		}
	}
	// A probability of 0.25.
	tr, changed := transformer(t, "distort_param { contrast_prob: 0.25 }", caffepb.Phase_TRAIN), 0
	for place := range uint64(400) {
		if !slices.Equal(transformed(t, tr, im, place).Pix, im.Pix) {
			changed++
		}
	}
	if changed < 60 || changed > 140 {
		t.Errorf("a probability of 0.25 changes %d of 400 images", changed)
	}
}

// TestCutout looks for the square of zeros.
func TestCutout(t *testing.T) {
	const h, w, side = 7, 9, 3
	tr := transformer(t, "cutout_size: 3 mean_value: 300", caffepb.Phase_TRAIN)
	im := noise(8, 3, h, w)
	var p Pixels
	p.SetImage(im)
	seen := map[[2]int]bool{}
	dst := make([]float32, 3*h*w)
	for place := range uint64(1000) {
		if err := tr.Transform(dst, &p, place); err != nil {
			t.Fatal(err)
		}
		first := slices.Index(dst, 0)
		last := len(dst[:h*w]) - 1
		for dst[last] != 0 {
			last--
		}
		top, left, bottom, right := first/w, first%w, last/w, last%w
		for i, v := range dst {
			y, x := i/w%h, i%w
			if in := y >= top && y <= bottom && x >= left && x <= right; in != (v == 0) {
				t.Fatalf("place %d: value %d is %g, want zeros in rows %d to %d, columns %d to %d, and nowhere else", place, i, v, top, bottom, left, right)
			}
		}
		if (bottom-top+1 != side && top > 0 && bottom < h-1) || (right-left+1 != side && left > 0 && right < w-1) {
			t.Fatalf("place %d: rows %d to %d, columns %d to %d", place, top, bottom, left, right)
		}
		seen[[2]int{top + bottom, left + right}] = true
	}
	if len(seen) != h*w {
		t.Errorf("%d different squares, want one for each pixel", len(seen))
	}
}

const everything = `crop_size: 8 pad: 1 mirror: true mean_value: 100 scale: 0.5 max_rotation_angle: 30 min_side_min: 9 min_side_max: 12
	random_aspect_ratio_param { min_area_ratio: 0.3 } max_color_shift: 20 contrast_brightness_adjustment: true cutout_size: 3
	distort_param { brightness_prob: 0.5 brightness_delta: 32 contrast_prob: 0.5 contrast_lower: 0.5 contrast_upper: 1.5
	hue_prob: 0.5 hue_delta: 18 saturation_prob: 0.5 saturation_lower: 0.5 saturation_upper: 1.5 random_order_prob: 0.5 }`

// TestAugmentation has everything at once: images do not depend on how often or in which
// layout they are transformed, only on the place, and not at all in phase TEST.
func TestAugmentation(t *testing.T) {
	im := noise(9, 3, 20, 16)
	planar := &Datum{Channels: 3, Height: 20, Width: 16, Data: im.Planar()}
	for _, phase := range []caffepb.Phase{caffepb.Phase_TRAIN, caffepb.Phase_TEST} {
		tr := transformer(t, everything, phase)
		var a, b Pixels
		a.SetImage(im)
		if err := tr.SetDatum(&b, planar); err != nil {
			t.Fatal(err)
		}
		before := slices.Clone(im.Pix)
		seen := map[string]bool{}
		first, again, third := make([]float32, 192), make([]float32, 192), make([]float32, 192)
		for place := range uint64(50) {
			for dst, p := range map[*[]float32]*Pixels{&first: &a, &again: &a, &third: &b} {
				if err := tr.Transform(*dst, p, place); err != nil {
					t.Fatal(err)
				}
			}
			if !slices.Equal(first, again) || !slices.Equal(first, third) {
				t.Fatalf("%v, place %d: the same image gives different results", phase, place)
			}
			seen[fmt.Sprint(first)] = true
		}
		if !slices.Equal(im.Pix, before) || !slices.Equal(planar.Data, im.Planar()) {
			t.Error("the pixels that were read have changed")
		}
		if train := phase == caffepb.Phase_TRAIN; train && len(seen) != 50 || !train && len(seen) != 2 { // mirror or not
			t.Errorf("%v: %d different results of 50", phase, len(seen))
		}
	}
}

func TestAugmentationErrors(t *testing.T) {
	for text, want := range map[string]string{
		"max_rotation_angle: 181":                                           "max_rotation_angle: got 181, want 0 to 180 degrees",
		"min_side: 4000000000":                                              "min_side: got 4000000000, want at most 1048576",
		"min_side_max: 4":                                                   "min_side_min: min_side_min is 0 and min_side_max 4, want both, the first not above the second",
		"min_side_min: 5 min_side_max: 4":                                   "min_side_min: min_side_min is 5 and min_side_max 4, want both, the first not above the second",
		"min_side: 4 min_side_min: 4 min_side_max: 4 crop_size: 2":          "min_side_min: min_side and min_side_min cannot both be set",
		"min_side_min: 4 min_side_max: 5":                                   "min_side_min: min_side_min is 4 and crop_size 0, want a crop_size and none above min_side_min and the padding",
		"min_side_min: 4 min_side_max: 5 crop_size: 5":                      "min_side_min: min_side_min is 4 and crop_size 5, want a crop_size and none above min_side_min and the padding",
		"mean_file: 'm' min_side: 5":                                        "mean_file: a mean image does not fit images that are turned or scaled: use mean_value",
		"random_aspect_ratio_param { }":                                     "random_aspect_ratio_param: crop_size is missing: the size of the result",
		"crop_size: 5 random_aspect_ratio_param { min_area_ratio: 0 }":      "random_aspect_ratio_param: min_area_ratio is 0 and max_area_ratio 1, want 0 < min_area_ratio <= max_area_ratio <= 1",
		"crop_size: 5 random_aspect_ratio_param { aspect_ratio_change: 2 }": "random_aspect_ratio_param: aspect_ratio_change is 2, want more than 0, and at most 1",
		"crop_size: 5 random_aspect_ratio_param { max_attempt: 0 }":         "random_aspect_ratio_param: max_attempt is 0, want 1 to 1000",
		"distort_param { brightness_prob: 1.5 }":                            "distort_param.brightness_prob: got 1.5, want 0 to 1, and no lower bound above the upper one",
		"distort_param { contrast_lower: 2 contrast_upper: 1 }":             "distort_param.contrast_lower: got 2 to 1, want 0 to 255, and no lower bound above the upper one",
		"distort_param { hue_delta: nan }":                                  "distort_param.hue_delta: got NaN, want 0 to 180, and no lower bound above the upper one",
	} {
		var p caffepb.TransformationParameter
		if err := prototext.Unmarshal([]byte(text), &p); err != nil {
			t.Fatal(err)
		}
		for _, phase := range []caffepb.Phase{caffepb.Phase_TRAIN, caffepb.Phase_TEST} {
			_, err := NewTransformer(&p, phase, keyed(1))
			var option *OptionError
			if !errors.As(err, &option) || err.Error() != "transform_param."+want {
				t.Errorf("%s: got %v, want %q", text, err, want)
			}
		}
	}
	color, floats := noise(1, 3, 10, 10), &Datum{Channels: 1, Height: 10, Width: 10, Float: make([]float32, 100)}
	for _, c := range []struct{ text, want string }{
		{"distort_param { hue_prob: 1 }", "the image has 1 channels, want 3 for the hue, saturation and order of distort_param"},
		{"max_rotation_angle: 3", "the record has float numbers, whose pixels cannot be augmented: want bytes"},
		{"min_side: 1000000", "the image has 1000000 x 1000000 pixels (width x height), the limit is 67108864"},
	} {
		tr := transformer(t, c.text, caffepb.Phase_TRAIN)
		var p Pixels
		switch {
		case strings.Contains(c.want, "float"):
			if err := tr.SetDatum(&p, floats); err != nil {
				t.Fatal(err)
			}
		case strings.Contains(c.want, "1 channels"):
			p.SetImage(noise(1, 1, 10, 10))
		default:
			p.SetImage(color)
		}
		if err := tr.Transform(nil, &p, 0); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.text, err, c.want)
		}
	}
}
