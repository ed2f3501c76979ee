package picture

import (
	"bytes"
	"image/color"
	"image/png"
	"math"
	"strings"
	"testing"
)

var red = color.RGBA{255, 0, 0, 255}

func sample(p *Picture) {
	p.Rect(10, 20, 30, 40, red, nil)
	p.Line([]Point{{50, 10}, {50, 90}}, color.Black, 4)
	p.Curve([]Point{{60, 10}, {60, 50}, {90, 50}, {90, 90}}, color.Black, 1, 5, 3)
	p.Text(20, 15, 10, Left, color.Black, "a < b")
}

func TestPNG(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, "png", 100, 100, sample); err != nil {
		t.Fatal(err)
	}
	m, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	if size := m.Bounds().Size(); size.X != 200 || size.Y != 200 { // 144 dpi
		t.Fatalf("the picture is %v pixels", size)
	}
	for _, tt := range []struct {
		x, y float64 // points
		want color.Color
	}{{5, 50, color.White}, {25, 40, red}, {38, 58, red}, {25, 62, color.White}, {50, 50, color.Black}, {54, 50, color.White}} {
		got := m.At(int(2*tt.x), int(2*tt.y))
		if g, w := color.NRGBAModel.Convert(got), color.NRGBAModel.Convert(tt.want); g != w {
			t.Errorf("at %g, %g: %v, want %v", tt.x, tt.y, g, w)
		}
	}
}

func TestSVG(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, "svg", 100, 100, sample); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`width="100pt" height="100pt"`, `M10,80L40,80L40,40L10,40Z`, `C60,50`, `stroke-dasharray:5,3`,
		"font-family:'Liberation Sans',Arial,Helvetica,sans-serif;", ">a &lt; b</text>",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the file lacks %s:\n%s", want, &b)
		}
	}
}

func TestSizes(t *testing.T) {
	for _, tt := range []struct {
		format        string
		width, height float64
		want          string
	}{
		{"gif", 10, 10, `unknown format "gif"`},
		{"svg", math.NaN(), 10, "too large"},
		{"svg", 10, math.Inf(1), "too large"},
		{"png", 1e5, 1e5, "too much for a readable PNG file"},
	} {
		var b bytes.Buffer
		err := Write(&b, tt.format, tt.width, tt.height, sample)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s, %g x %g: %v, want %q", tt.format, tt.width, tt.height, err, tt.want)
		}
	}
	var b bytes.Buffer // fewer dots per inch
	if err := Write(&b, "png", 3000, 10000, sample); err != nil {
		t.Fatal(err)
	}
	m, err := png.DecodeConfig(&b)
	if err != nil || m.Width*m.Height > maxPixels || m.Width*m.Height < maxPixels/2 {
		t.Errorf("%d x %d pixels (%v)", m.Width, m.Height, err)
	}
}

func TestCut(t *testing.T) {
	const text = "inception_3a/output"
	if got := Cut(10, 1000, text); got != text {
		t.Errorf("a text that fits becomes %q", got)
	}
	got := Cut(10, 60, text)
	if TextWidth(10, got) > 60 || TextWidth(10, got) < 45 || !strings.HasPrefix(got, "inc") || !strings.HasSuffix(got, "put") || !strings.Contains(got, "..") {
		t.Errorf("it is cut to %q", got)
	}
}
