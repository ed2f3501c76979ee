package data

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func pngOf(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestDecodePNG has one pixel in each kind of PNG. Grey is OpenCV's by libpng:
// (9797 R + 19234 G + 3737 B) / 32768, cut off.
func TestDecodePNG(t *testing.T) {
	r := image.Rect(0, 0, 1, 1)
	rgba := image.NewRGBA(r)
	rgba.Set(0, 0, color.RGBA{200, 100, 50, 255})
	nrgba := image.NewNRGBA(r)
	nrgba.Set(0, 0, color.NRGBA{200, 100, 50, 7})
	gray := image.NewGray(r)
	gray.Pix[0] = 99
	deep := image.NewRGBA64(r)
	deep.Set(0, 0, color.RGBA64{0xc8ff, 0x6400, 0x3280, 0xffff})
	gray16 := image.NewGray16(r)
	gray16.Set(0, 0, color.Gray16{0x63ff})
	palette := image.NewPaletted(r, color.Palette{color.RGBA{200, 100, 50, 255}})
	clear := image.NewPaletted(r, color.Palette{color.NRGBA{200, 100, 50, 9}})
	for _, test := range []struct {
		name                string
		img                 image.Image
		native, color, gray []byte
	}{
		{"RGB", rgba, []byte{50, 100, 200}, []byte{50, 100, 200}, []byte{124}},
		{"RGBA", nrgba, []byte{50, 100, 200, 7}, []byte{50, 100, 200}, []byte{124}},
		{"grey", gray, []byte{99}, []byte{99, 99, 99}, []byte{99}},
		{"16 bit RGB", deep, nil, []byte{50, 100, 200}, []byte{124}},
		{"16 bit grey", gray16, nil, []byte{99, 99, 99}, []byte{99}},
		{"palette", palette, []byte{50, 100, 200}, []byte{50, 100, 200}, []byte{124}},
		{"palette with alpha", clear, []byte{50, 100, 200, 9}, []byte{50, 100, 200}, []byte{124}},
	} {
		file := pngOf(t, test.img)
		for mode, want := range map[Mode][]byte{Native: test.native, Color: test.color, Gray: test.gray} {
			im := Image{Pix: []byte{1, 2, 3, 4, 5, 6}}
			err := im.Decode(file, mode)
			if want == nil {
				if err == nil || !strings.Contains(err.Error(), "16 bits per channel") {
					t.Errorf("%s: got %v, want an error about 16 bits", test.name, err)
				}
				continue
			}
			if err != nil || !bytes.Equal(im.Pix, want) || im.Channels != len(want) || im.Height != 1 || im.Width != 1 {
				t.Errorf("%s, mode %d: %v, error %v, want %v", test.name, mode, im, err, want)
			}
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	whole := pngOf(t, image.NewRGBA(image.Rect(0, 0, 30, 20)))
	huge := bytes.Clone(whole)
	copy(huge[16:], []byte{0, 1, 0, 0, 0, 1, 0, 0}) // 65536 x 65536
	for name, file := range map[string][]byte{"empty": nil, "text": []byte("hello"), "half": whole[:len(whole)/2], "huge": huge} {
		var im Image
		err := im.Decode(file, Color)
		if err == nil || strings.Contains(err.Error(), "\n") || cap(im.Pix) > 1<<20 {
			t.Errorf("%s: got %v and room for %d bytes, want one line and no memory", name, err, cap(im.Pix))
		}
	}
}

// TestChroma compares the interpolation of chroma with the formulas of libjpeg's
// jdsample.c written out: each value is 9/16 its nearest, 3/16 its two next and
// 1/16 the one across, where the plane is repeated at its edges.
func TestChroma(t *testing.T) {
	for _, ratio := range []image.YCbCrSubsampleRatio{image.YCbCrSubsampleRatio420, image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio440, image.YCbCrSubsampleRatio444} {
		for _, size := range [][2]int{{8, 6}, {7, 5}, {16, 1}, {6, 2}} {
			w, h := size[0], size[1]
			img := image.NewYCbCr(image.Rect(0, 0, w, h), ratio)
			r := rand.New(rand.NewPCG(uint64(w), uint64(h)))
			for i := range img.Cb {
				img.Cb[i] = byte(r.Uint32())
			}
			halfX, halfY := 1, 1
			if ratio == image.YCbCrSubsampleRatio420 || ratio == image.YCbCrSubsampleRatio422 {
				halfX = 2
			}
			if ratio == image.YCbCrSubsampleRatio420 || ratio == image.YCbCrSubsampleRatio440 {
				halfY = 2
			}
			cw, ch := (w+halfX-1)/halfX, (h+halfY-1)/halfY
			at := func(x, y float64) float64 { // linear between pixel centres, repeated at the edges
				x0, y0 := math.Floor(x), math.Floor(y)
				v := 0.0
				for _, p := range [][3]float64{{0, 0, (1 - x + x0) * (1 - y + y0)}, {1, 0, (x - x0) * (1 - y + y0)}, {0, 1, (1 - x + x0) * (y - y0)}, {1, 1, (x - x0) * (y - y0)}} {
					cx, cy := max(0, min(int(x0+p[0]), cw-1)), max(0, min(int(y0+p[1]), ch-1))
					v += p[2] * float64(img.Cb[cy*img.CStride+cx])
				}
				return v
			}
			for i, got := range upsample(img, img.Cb) {
				x, y := (float64(i%w)+0.5)/float64(halfX)-0.5, (float64(i/w)+0.5)/float64(halfY)-0.5
				if want := at(x, y); math.Abs(float64(got)-want) > 0.5 {
					t.Fatalf("%v, %d x %d: chroma %d is %d, want %g", ratio, w, h, i, got, want)
				}
			}
		}
	}
}

// TestJPEGColors compares a flat image, in which the cosine transform has
// nothing to round, with the equations of JFIF.
func TestJPEGColors(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		img := image.NewRGBA(image.Rect(0, 0, 16, 16))
		c := color.RGBA{uint8(r.Uint32()), uint8(r.Uint32()), uint8(r.Uint32()), 255}
		for i := range 256 {
			img.Set(i%16, i/16, c)
		}
		var b bytes.Buffer
		if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 100}); err != nil {
			t.Fatal(err)
		}
		var got Image
		if err := got.Decode(b.Bytes(), Color); err != nil {
			t.Fatal(err)
		}
		for i, want := range []uint8{c.B, c.G, c.R} {
			for p := range 256 {
				if d := int(got.Pix[3*p+i]) - int(want); d < -3 || d > 3 {
					t.Fatalf("colour %v: pixel %d has %d in channel %d, want %d", c, p, got.Pix[3*p+i], i, want)
				}
			}
		}
	}
}

// TestResize compares with linear interpolation in float64. OpenCV's weights
// have 11 bits, so results are off by less than 1. (That they are OpenCV's to
// the bit is seen in the golden cases of the data layers.)
func TestResize(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	for _, test := range [][4]int{{20, 14, 12, 10}, {9, 23, 12, 10}, {5, 5, 17, 2}, {1, 1, 4, 4}, {3, 8, 1, 1}, {16, 12, 8, 6}, {7, 7, 7, 7}} {
		for _, channels := range []int{1, 3} {
			w, h, nw, nh := test[0], test[1], test[2], test[3]
			im := Image{Channels: channels, Height: h, Width: w, Pix: make([]byte, channels*h*w)}
			for i := range im.Pix {
				im.Pix[i] = byte(r.Uint32())
			}
			src := slices.Clone(im.Pix)
			at := func(x, y float64, c int) float64 {
				x, y = max(0, min(x, float64(w-1))), max(0, min(y, float64(h-1)))
				x0, y0 := int(x), int(y)
				x1, y1 := min(x0+1, w-1), min(y0+1, h-1)
				fx, fy := x-float64(x0), y-float64(y0)
				p := func(x, y int) float64 { return float64(src[(y*w+x)*channels+c]) }
				return (1-fy)*((1-fx)*p(x0, y0)+fx*p(x1, y0)) + fy*((1-fx)*p(x0, y1)+fx*p(x1, y1))
			}
			im.Resize(nh, nw)
			if im.Height != nh || im.Width != nw || len(im.Pix) != nh*nw*channels {
				t.Fatalf("%v: the result is %d x %d", test, im.Width, im.Height)
			}
			for i, got := range im.Pix {
				p, c := i/channels, i%channels
				want := at((float64(p%nw)+0.5)*float64(w)/float64(nw)-0.5, (float64(p/nw)+0.5)*float64(h)/float64(nh)-0.5, c)
				if math.Abs(float64(got)-want) >= 1 {
					t.Fatalf("%v: value %d is %d, want %g", test, i, got, want)
				}
			}
		}
	}
}

func TestPlanarAndBack(t *testing.T) {
	im := Image{Channels: 3, Height: 2, Width: 2, Pix: []byte{1, 2, 3, 11, 12, 13, 21, 22, 23, 31, 32, 33}}
	if got, want := im.Planar(), []byte{1, 11, 21, 31, 2, 12, 22, 32, 3, 13, 23, 33}; !bytes.Equal(got, want) {
		t.Errorf("planes %v, want %v", got, want)
	}
	for _, channels := range []int{1, 3, 4} {
		im := Image{Channels: channels, Height: 3, Width: 5, Pix: make([]byte, 15*channels)}
		for i := range im.Pix {
			im.Pix[i] = byte(i*37 + 1)
		}
		var back Image
		if err := back.Decode(pngOf(t, im.NRGBA()), Native); err != nil {
			t.Fatal(err)
		}
		if back.Channels != channels || !bytes.Equal(back.Pix, im.Pix) {
			t.Errorf("%d channels come back as %d with other pixels", channels, back.Channels)
		}
	}
}

// FuzzDecode reads any bytes as an image.
func FuzzDecode(f *testing.F) {
	img := image.NewPaletted(image.Rect(0, 0, 5, 3), color.Palette{color.Black, color.White})
	f.Add(pngOf(f, img))
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewRGBA(image.Rect(0, 0, 17, 9)), nil); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, file []byte) {
		for _, mode := range []Mode{Native, Color, Gray} {
			var im Image
			if err := im.Decode(file, mode); err == nil && (len(im.Pix) != im.Channels*im.Height*im.Width || len(im.Pix) == 0) {
				t.Fatalf("%d x %d x %d has %d bytes", im.Channels, im.Height, im.Width, len(im.Pix))
			}
		}
	})
}
