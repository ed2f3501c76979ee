package gocaffecmd

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
	"slices"

	"github.com/gocaffe/gocaffe/data"
	xdraw "golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

// A drawnFolder gets copies of images with boxes drawn into them; without paths it gets
// none.
type drawnFolder struct{ paths []string }

// add writes the copy of image i.
func (d *drawnFolder) add(i int, im *data.Image, objects []foundObject) error {
	if d.paths == nil {
		return nil
	}
	return writeImage(d.paths[i], drawObjects(im.NRGBA(), objects))
}

// Small images are enlarged, so that names and scores do not hide them: up to the factor
// that is allowed, the shorter side gets at least readableSide pixels.
const (
	readableSide   = 320
	largestEnlarge = 4
)

// drawObjects returns a copy of an image with the boxes of objects, the best on top.
func drawObjects(im image.Image, objects []foundObject) *image.RGBA {
	size := im.Bounds().Size()
	factor := max(1, min((readableSide+min(size.X, size.Y)-1)/min(size.X, size.Y), largestEnlarge))
	canvas := image.NewRGBA(image.Rect(0, 0, size.X*factor, size.Y*factor))
	xdraw.NearestNeighbor.Scale(canvas, canvas.Rect, im, im.Bounds(), draw.Src, nil)
	for _, o := range slices.Backward(objects) {
		f := float32(factor)
		o.XMin, o.YMin, o.XMax, o.YMax = o.XMin*f, o.YMin*f, o.XMax*f, o.YMax*f
		drawObject(canvas, &o)
	}
	return canvas
}

// drawObject draws the box of an object, and its name and score above it, or below its
// upper edge where there is no room above.
func drawObject(canvas *image.RGBA, o *foundObject) {
	bounds := canvas.Rect
	size := min(bounds.Dx(), bounds.Dy())
	colour := classColour(o.Class)
	round := func(v float32) int { return int(math.Round(float64(v))) }
	box := image.Rect(round(o.XMin), round(o.YMin), max(round(o.XMax), round(o.XMin)+1), max(round(o.YMax), round(o.YMin)+1)).Intersect(bounds)
	line := max(1, size/200)
	for _, side := range []image.Rectangle{
		{box.Min, image.Pt(box.Max.X, box.Min.Y+line)}, {image.Pt(box.Min.X, box.Max.Y-line), box.Max},
		{box.Min, image.Pt(box.Min.X+line, box.Max.Y)}, {image.Pt(box.Max.X-line, box.Min.Y), box.Max},
	} {
		draw.Draw(canvas, side.Intersect(box), image.NewUniform(colour), image.Point{}, draw.Src)
	}
	text := textMask(fmt.Sprintf("%s %.2f", o.name(), o.Score))
	zoom := max(1, size/500)
	label := image.Rect(0, 0, text.Rect.Dx()*zoom, text.Rect.Dy()*zoom)
	at := image.Pt(box.Min.X, box.Min.Y-label.Dy())
	if at.Y < bounds.Min.Y {
		at.Y = box.Min.Y
	}
	at.X = max(bounds.Min.X, min(at.X, bounds.Max.X-label.Dx()))
	label = label.Add(at)
	ink := color.RGBA{A: 255}
	for y := label.Min.Y; y < min(label.Max.Y, bounds.Max.Y); y++ {
		for x := label.Min.X; x < min(label.Max.X, bounds.Max.X); x++ {
			if text.AlphaAt((x-at.X)/zoom, (y-at.Y)/zoom).A > 127 {
				canvas.SetRGBA(x, y, ink)
			} else {
				canvas.SetRGBA(x, y, colour)
			}
		}
	}
}

// textMask returns a text as a mask, with a margin.
func textMask(text string) *image.Alpha {
	face := basicfont.Face7x13
	mask := image.NewAlpha(image.Rect(0, 0, font.MeasureString(face, text).Ceil()+3, face.Height))
	d := font.Drawer{Dst: mask, Src: image.Opaque, Face: face, Dot: fixed.P(2, face.Ascent)}
	d.DrawString(text)
	return mask
}

// classColour returns a light colour for a class, unlike those of its neighbours: hues
// are a golden angle apart.
func classColour(class int) color.RGBA {
	hue := math.Mod(0.33+float64(class)*0.618034, 1) * 6
	channel := func(shift float64) byte {
		v := math.Abs(math.Mod(hue+shift, 6) - 3)
		return byte(255 * (0.25 + 0.75*min(max(v-1, 0), 1)))
	}
	return color.RGBA{R: channel(0), G: channel(4), B: channel(2), A: 255}
}
