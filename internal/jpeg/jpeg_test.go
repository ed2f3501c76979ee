package jpeg

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// samples is the folder of the images that package data compares with OpenCV.
const samples = "../../data/testdata/images"

// decode returns the pixels of a file.
func decode(t testing.TB, file []byte, gray bool) (c Config, pix []byte, warning string) {
	t.Helper()
	var d Decoder
	c, err := d.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	channels := 3
	if gray {
		channels = 1
	}
	pix = make([]byte, c.Width*c.Height*channels)
	if warning, err = d.Decode(gray, pix); err != nil {
		t.Fatal(err)
	}
	return c, pix, warning
}

// encode returns a file written by Go's encoder.
func encode(t testing.TB, img image.Image, quality int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestInverse compares the transform with the definition in float64: A.3.3 of the
// standard. The integers are off by less than one.
func TestInverse(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for trial := range 300 {
		var b [64]int16
		var quant [64]uint16
		for i := range b {
			quant[i] = uint16(1 + r.IntN(20))
			if r.IntN(64) < 1+trial%64 { // few coefficients and many
				b[i] = int16(r.IntN(61)-30) / int16(1+i/8+i%8)
			}
		}
		var got [64]byte
		inverse(&b, &quant, got[:], 8)
		for y := range 8 {
			for x := range 8 {
				sum := 0.0
				for v := range 8 {
					for u := range 8 {
						c := float64(b[8*v+u]) * float64(quant[8*v+u]) / 4
						if u == 0 {
							c /= math.Sqrt2
						}
						if v == 0 {
							c /= math.Sqrt2
						}
						sum += c * math.Cos(float64((2*x+1)*u)*math.Pi/16) * math.Cos(float64((2*y+1)*v)*math.Pi/16)
					}
				}
				if want := max(0, min(sum+128, 255)); math.Abs(float64(got[8*y+x])-want) > 1 {
					t.Fatalf("trial %d: sample %d, %d is %d, want %g", trial, x, y, got[8*y+x], want)
				}
			}
		}
	}
}

// TestRow compares the interpolation of planes with the formulas of libjpeg's jdsample.c
// written out: each value is 9/16 its nearest, 3/16 its two next and 1/16 the one across,
// where the plane is repeated at its edges.
func TestRow(t *testing.T) {
	for _, ratio := range [][2]int{{1, 1}, {2, 1}, {1, 2}, {2, 2}} {
		for _, size := range [][2]int{{8, 6}, {7, 5}, {16, 1}, {6, 2}} {
			w, h := size[0], size[1]
			c := component{h: 1, v: 1, width: ceil(w, ratio[0]), height: ceil(h, ratio[1])}
			c.stride = c.width + 3
			c.plane = make([]byte, c.stride*c.height)
			r := rand.New(rand.NewPCG(uint64(w), uint64(h)))
			for i := range c.plane {
				c.plane[i] = byte(r.Uint32())
			}
			d := Decoder{width: w, height: h, maxH: ratio[0], maxV: ratio[1], components: []component{c}}
			at := func(x, y float64) float64 { // linear between centres, repeated at the edges
				x0, y0 := math.Floor(x), math.Floor(y)
				v := 0.0
				for _, p := range [][3]float64{{0, 0, (1 - x + x0) * (1 - y + y0)}, {1, 0, (x - x0) * (1 - y + y0)}, {0, 1, (1 - x + x0) * (y - y0)}, {1, 1, (x - x0) * (y - y0)}} {
					cx, cy := max(0, min(int(x0+p[0]), c.width-1)), max(0, min(int(y0+p[1]), c.height-1))
					v += p[2] * float64(c.plane[cy*c.stride+cx])
				}
				return v
			}
			out := make([]byte, w)
			for y := range h {
				d.row(0, y, out)
				for x, got := range out {
					if want := at((float64(x)+0.5)/float64(ratio[0])-0.5, (float64(y)+0.5)/float64(ratio[1])-0.5); math.Abs(float64(got)-want) > 0.5 {
						t.Fatalf("%v, %d x %d: %d, %d is %d, want %g", ratio, w, h, x, y, got, want)
					}
				}
			}
		}
	}
}

// TestRoundTrip compares with the images that Go's encoder was given. At quality 100 the
// differences are those of rounding; chroma has half the size, so it is smooth here.
func TestRoundTrip(t *testing.T) {
	for _, size := range []image.Point{{1, 1}, {17, 9}, {40, 33}} {
		img := image.NewRGBA(image.Rectangle{Max: size})
		for y := range size.Y {
			for x := range size.X {
				img.Set(x, y, color.RGBA{byte(60 + 3*x), byte(100 + 2*y), byte(200 - x - y), 255})
			}
		}
		_, pix, warning := decode(t, encode(t, img, 100), false)
		if warning != "" {
			t.Errorf("%v: %s", size, warning)
		}
		for i := range size.X * size.Y {
			p := img.Pix[4*i:]
			for k := range 3 {
				if got, want := int(pix[3*i+k]), int(p[2-k]); got < want-4 || got > want+4 {
					t.Fatalf("%v: pixel %d has %d in channel %d, want %d", size, i, got, k, want)
				}
			}
		}
	}
}

// TestFlat compares flat images, in which the cosine transform has nothing to round,
// with the equations of JFIF.
func TestFlat(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		img := image.NewRGBA(image.Rect(0, 0, 16, 16))
		c := color.RGBA{uint8(r.Uint32()), uint8(r.Uint32()), uint8(r.Uint32()), 255}
		for i := range 256 {
			img.Set(i%16, i/16, c)
		}
		_, pix, _ := decode(t, encode(t, img, 100), false)
		for i, want := range []uint8{c.B, c.G, c.R} {
			for p := range 256 {
				if d := int(pix[3*p+i]) - int(want); d < -3 || d > 3 {
					t.Fatalf("colour %v: pixel %d has %d in channel %d, want %d", c, p, pix[3*p+i], i, want)
				}
			}
		}
	}
}

// TestCut truncates a file at every byte. The rows before the cut are the same as in the
// whole file, and those after it are gray.
func TestCut(t *testing.T) {
	img := image.NewGray(image.Rect(0, 0, 40, 64))
	r := rand.New(rand.NewPCG(5, 6))
	for i := range img.Pix {
		img.Pix[i] = byte(r.IntN(100))
	}
	file := encode(t, img, 90)
	_, whole, _ := decode(t, file, true)
	from := bytes.Index(file, []byte{0xff, sos}) + 10
	before := 0 // rows that were right
	for n := from; n < len(file)-2; n++ {
		_, pix, warning := decode(t, file[:n], true)
		if warning != "it ends too early" {
			t.Fatalf("%d of %d bytes: warning %q", n, len(file), warning)
		}
		right := 0
		for right < 64 && bytes.Equal(pix[right*40:(right+1)*40], whole[right*40:(right+1)*40]) {
			right++
		}
		if right < before {
			t.Fatalf("%d of %d bytes: %d rows are right, with a byte less %d", n, len(file), right, before)
		}
		before = right
		if tail := pix[min(right/8*8+8, 64)*40:]; bytes.Count(tail, []byte{128}) != len(tail) {
			t.Fatalf("%d of %d bytes: below row %d it is not gray", n, len(file), right)
		}
	}
	if before < 48 {
		t.Errorf("at the end %d of 64 rows are right", before)
	}
}

func TestErrors(t *testing.T) {
	good, err := os.ReadFile(filepath.Join(samples, "sampling_2x2.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	frame := bytes.Index(good, []byte{0xff, sof0})
	start := bytes.Index(good, []byte{0xff, sos})
	change := func(at int, b ...byte) []byte {
		file := bytes.Clone(good)
		copy(file[at:], b)
		return file
	}
	progressive, err := os.ReadFile(filepath.Join(samples, "progressive.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	manyScans := append(bytes.Clone(progressive[:bytes.Index(progressive, []byte{0xff, sos})]), bytes.Repeat([]byte{0xff, sos, 0, 8, 1, 1, 0, 1, 5, 0}, maxScans+1)...)
	for name, test := range map[string]struct {
		file []byte
		want string
	}{
		"empty":           {nil, "not a JPEG file"},
		"other":           {[]byte("hello"), "not a JPEG file"},
		"no image":        {good[:4], "there is no image in the file"},
		"no scan":         {good[:start], "there is no image in the file"},
		"twice":           {append(good[:frame:frame], good...), "two beginnings"},
		"two frames":      {append(good[:start:start], good[frame:]...), "two frames"},
		"12 bits":         {change(frame+4, 12), "12 bits per sample, want 8"},
		"no width":        {change(frame+7, 0, 0), "0 x 18 pixels"},
		"arithmetic":      {change(frame+1, 0xc9), "is not supported"},
		"lossless":        {change(frame+1, 0xc3), "is not supported"},
		"sampling":        {change(frame+11, 0x52), "sampling factors of a component are 5 and 2"},
		"odd sampling":    {change(frame+11, 0x32, 0, 2, 0x21), "not multiples of each other"},
		"unknown":         {change(start+5, 77), "header of a scan"},
		"no table":        {change(frame+12, 3), "quantization table is missing"},
		"too many scans":  {manyScans, "more than 500 scans"},
		"unknown marker":  {change(2, 0xff, 0x02), "unknown marker 0x2"},
		"Huffman too big": {change(bytes.Index(good, []byte{0xff, dht})+5, 255, 255), "Huffman table is wrong"},
	} {
		var d Decoder
		c, err := d.Open(test.file)
		if err == nil {
			_, err = d.Decode(false, make([]byte, 3*c.Width*c.Height))
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", name, err, test.want)
		}
	}
}

// TestReuse decodes files of several kinds with one decoder, which must not carry over
// anything.
func TestReuse(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(samples, "*.jpg"))
	if err != nil || len(names) < 20 {
		t.Fatalf("%d samples, error %v", len(names), err)
	}
	var d Decoder
	for range 2 {
		for _, name := range names {
			file, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(name, "no_pixels") {
				continue
			}
			c, want, wantWarning := decode(t, file, false)
			if again, err := d.Open(file); err != nil || again != c {
				t.Fatalf("%s: %v, error %v, want %v", name, again, err, c)
			}
			got := make([]byte, len(want))
			if warning, err := d.Decode(false, got); err != nil || warning != wantWarning || !bytes.Equal(got, want) {
				t.Errorf("%s: other pixels, warning %q or error %v with a decoder that was used", name, warning, err)
			}
		}
	}
}

// FuzzDecode reads any bytes. Memory and time must be proportional to the image; the
// caller has checked the image's size against that of the file.
func FuzzDecode(f *testing.F) {
	names, err := filepath.Glob(filepath.Join(samples, "*.jpg"))
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		file, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(file)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		var d Decoder
		c, err := d.Open(file)
		if err != nil || c.Blocks > c.PerByte*len(file)+1000 {
			return
		}
		for _, channels := range []int{1, 3} {
			if _, err := d.Open(file); err != nil {
				t.Fatal(err)
			}
			d.Decode(channels == 1, make([]byte, c.Width*c.Height*channels))
		}
	})
}

// BenchmarkDecode decodes a photograph-like image of 640 x 480 pixels.
func BenchmarkDecode(b *testing.B) {
	img := image.NewRGBA(image.Rect(0, 0, 640, 480))
	r := rand.New(rand.NewPCG(7, 8))
	for y := range 480 {
		for x := range 640 {
			wave := 60 * math.Sin(float64(x)/9) * math.Cos(float64(y)/7)
			img.Set(x, y, color.RGBA{byte(128 + wave + r.NormFloat64()*5), byte(128 - wave), byte(x / 3), 255})
		}
	}
	file := encode(b, img, 85)
	pix := make([]byte, 640*480*3)
	var d Decoder
	b.SetBytes(int64(len(pix)))
	for b.Loop() {
		if _, err := d.Open(file); err != nil {
			b.Fatal(err)
		}
		if _, err := d.Decode(false, pix); err != nil {
			b.Fatal(err)
		}
	}
}
