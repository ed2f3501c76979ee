// Package picture draws lines, boxes and text into SVG and PNG files.
package picture

import (
	"bytes"
	"fmt"
	"image/color"
	"io"
	"math"
	"sync"

	"codeberg.org/go-fonts/liberation/liberationsansregular"
	"golang.org/x/image/font/opentype"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A Point is a place in a picture, in points of 1/72 inch from its upper left
// corner.
type Point struct{ X, Y float64 }

// An Align is the part of a text that is at the place given for it.
type Align float64

// The alignments.
const (
	Left   Align = 0
	Center Align = 0.5
	Right  Align = 1
)

// A Picture is what is being drawn.
type Picture struct {
	c      vg.Canvas
	height float64
	texts  *[]string // attributes of the texts of an SVG file; nil for PNG
}

const (
	dpi       = 144     // of a PNG file
	leastDPI  = 18      // below it no text can be read
	maxPixels = 40e6    // of a PNG file, which may have less dpi for it
	maxSize   = 1 << 20 // points, in one direction
)

// Write draws a picture of a size in points and writes it as "svg" or "png".
func Write(w io.Writer, format string, width, height float64, draw func(*Picture)) error {
	if !(width > 0 && width < maxSize && height > 0 && height < maxSize) {
		return fmt.Errorf("a picture of %.0f x %.0f points is too large", width, height)
	}
	switch format {
	case "svg":
		return writeSVG(w, width, height, draw)
	case "png":
		resolution := dpi
		if pixels := width * height * dpi * dpi / (72 * 72); pixels > maxPixels {
			resolution = int(dpi * math.Sqrt(maxPixels/pixels))
		}
		if resolution < leastDPI {
			return fmt.Errorf("%.0f x %.0f points are too much for a readable PNG file, want SVG", width, height)
		}
		c := vgimg.NewWith(vgimg.UseWH(vg.Length(width), vg.Length(height)), vgimg.UseDPI(resolution))
		draw(&Picture{c: c, height: height})
		_, err := vgimg.PngCanvas{Canvas: c}.WriteTo(w)
		return err
	}
	return fmt.Errorf("unknown format %q of pictures, want svg or png", format)
}

// writeSVG writes a picture as SVG. Where there is no Liberation Sans, another font
// takes its place, with the same widths of texts.
func writeSVG(w io.Writer, width, height float64, draw func(*Picture)) error {
	c := vgsvg.New(vg.Length(width), vg.Length(height))
	p := &Picture{c: c, height: height, texts: new([]string)}
	p.Rect(0, 0, width, height, color.White, nil)
	draw(p)
	var file bytes.Buffer
	if _, err := c.WriteTo(&file); err != nil {
		return err
	}
	// vgsvg sets neither attributes of texts nor more than one font.
	parts := bytes.Split(file.Bytes(), []byte("<text "))
	for i, part := range parts {
		if i > 0 {
			if _, err := io.WriteString(w, "<text "+(*p.texts)[i-1]); err != nil {
				return err
			}
		}
		part = bytes.Replace(part, []byte("font-family:Liberation Sans;font-variant:normal;"),
			[]byte("font-family:'Liberation Sans',Arial,Helvetica,sans-serif;"), 1)
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// at returns a place on the canvas, whose origin is at the lower left.
func (p *Picture) at(q Point) vg.Point {
	return vg.Point{X: vg.Length(q.X), Y: vg.Length(p.height - q.Y)}
}

// Line draws a line through points. dash gives the lengths of dashes and gaps.
func (p *Picture) Line(points []Point, c color.Color, width float64, dash ...float64) {
	if len(points) < 2 {
		return
	}
	var path vg.Path
	path.Move(p.at(points[0]))
	for _, q := range points[1:] {
		path.Line(p.at(q))
	}
	p.stroke(path, c, width, dash...)
}

// Curve draws smooth lines through points: each three after the first are the
// control points and the end of a Bézier curve.
func (p *Picture) Curve(points []Point, c color.Color, width float64, dash ...float64) {
	var path vg.Path
	path.Move(p.at(points[0]))
	for i := 1; i+2 < len(points); i += 3 {
		path.CubeTo(p.at(points[i]), p.at(points[i+1]), p.at(points[i+2]))
	}
	p.stroke(path, c, width, dash...)
}

func (p *Picture) stroke(path vg.Path, c color.Color, width float64, dash ...float64) {
	lengths := make([]vg.Length, len(dash))
	for i, d := range dash {
		lengths[i] = vg.Length(d)
	}
	p.c.SetLineDash(lengths, 0)
	p.c.SetLineWidth(vg.Length(width))
	p.c.SetColor(c)
	p.c.Stroke(path)
}

// Fill fills the area between points.
func (p *Picture) Fill(points []Point, c color.Color) {
	var path vg.Path
	path.Move(p.at(points[0]))
	for _, q := range points[1:] {
		path.Line(p.at(q))
	}
	path.Close()
	p.c.SetColor(c)
	p.c.Fill(path)
}

// Rect draws a box with its upper left corner at x and y. A nil color leaves the
// inside or the border out.
func (p *Picture) Rect(x, y, width, height float64, inside, border color.Color) {
	corners := []Point{{x, y}, {x + width, y}, {x + width, y + height}, {x, y + height}}
	if inside != nil {
		p.Fill(corners, inside)
	}
	if border != nil {
		p.Line(append(corners, corners[0], corners[1]), border, 0.8)
	}
}

// Text draws a text on the base line y.
func (p *Picture) Text(x, y, size float64, align Align, c color.Color, text string) {
	width := TextWidth(size, text)
	if p.texts == nil {
		x -= float64(align) * width
	} else {
		anchor := map[Align]string{Left: "start", Center: "middle", Right: "end"}[align]
		*p.texts = append(*p.texts, fmt.Sprintf(`text-anchor="%s" textLength="%.5g" lengthAdjust="spacingAndGlyphs" `, anchor, width))
	}
	p.c.SetColor(c)
	p.c.FillString(face(size), p.at(Point{x, y}), text)
}

// TextWidth returns the width of a text.
func TextWidth(size float64, text string) float64 {
	face := face(size)
	return face.Width(text).Points()
}

// face returns the font, Liberation Sans, in a size.
func face(size float64) font.Face {
	return font.Face{Font: font.Font{Typeface: "Liberation", Variant: "Sans", Size: vg.Length(size)}, Face: sans()}
}

var sans = sync.OnceValue(func() *opentype.Font {
	f, err := opentype.Parse(liberationsansregular.TTF)
	if err != nil {
		panic("picture: " + err.Error()) // the font is part of the program
	}
	return f
})

// Cut returns a text that is no wider than width, with .. for what is left out of
// its middle.
func Cut(size, width float64, text string) string {
	runes := []rune(text)
	for keep := len(runes) - 1; keep > 0 && TextWidth(size, text) > width; keep-- {
		head := (keep + 1) / 2
		text = string(runes[:head]) + ".." + string(runes[len(runes)-(keep-head):])
	}
	return text
}
