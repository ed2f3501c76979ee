package gocaffecmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"regexp"
	"strconv"
	"strings"

	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/internal/readfile"
	"github.com/gocaffe/gocaffe/predict"
)

// A palette has the colours of classes.
type palette struct {
	colors []color.RGBA // at most 256
	names  []string     // of the classes, if they are known
	grey   bool         // label images have the numbers of classes as grey values
}

// readPalette returns the palette of a name, or of a file.
func readPalette(ctx context.Context, name string) (*palette, error) {
	switch name {
	case "voc":
		return &palette{colors: vocColors(), names: vocNames}, nil
	case "grey", "gray":
		return &palette{colors: vocColors(), grey: true}, nil
	case "cityscapes":
		return parsePalette(cityscapes)
	case "camvid":
		return parsePalette(strings.Replace(camvid, roadMarking, "", 1))
	case "camvid12":
		return parsePalette(camvid)
	}
	text, err := readfile.Text(ctx, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("--palette is %q, want voc, cityscapes, camvid, camvid12, grey or a file: %w", name, err)
	case err != nil:
		return nil, fmt.Errorf("--palette: %w", err)
	}
	var p *palette
	if bytes.IndexByte(text, 0) < 0 { // a text has no such byte, an image has
		p, err = parsePalette(string(text))
	} else {
		p, err = paletteImage(text)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("--palette %s: %w", name, err)
	case len(p.colors) == 0 || len(p.colors) > 256:
		return nil, fmt.Errorf("--palette %s: the file has %d colours, want 1 to 256", name, len(p.colors))
	}
	return p, nil
}

// paletteLine matches "R G B name" and "#RRGGBB name".
var paletteLine = regexp.MustCompile(`^\s*(?:#([0-9a-fA-F]{6})|(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3}))(?:[\s,]+(.*?))?\s*$`)

// parsePalette reads the lines of a palette. Empty lines and comments do not count.
func parsePalette(text string) (*palette, error) {
	p := new(palette)
	number := 0
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		number++
		m := paletteLine.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		trimmed := strings.TrimSpace(line)
		switch {
		case m == nil && (trimmed == "" || trimmed[0] == '#'):
			continue
		case m == nil:
			return nil, fmt.Errorf("line %d: got %.60q, want \"R G B name\" or \"#RRGGBB name\"", number, trimmed)
		}
		c := color.RGBA{A: 255}
		if m[1] != "" {
			v, _ := strconv.ParseUint(m[1], 16, 32) // cannot fail after the match
			c.R, c.G, c.B = byte(v>>16), byte(v>>8), byte(v)
		} else {
			for i, to := range []*byte{&c.R, &c.G, &c.B} {
				v, err := strconv.ParseUint(m[2+i], 10, 8)
				if err != nil {
					return nil, fmt.Errorf("line %d: %s, want 0 to 255", number, m[2+i])
				}
				*to = byte(v)
			}
		}
		p.colors, p.names = append(p.colors, c), append(p.names, m[5])
	}
	return p, nil
}

// paletteImage returns the palette of a PNG image, or the pixels of an image of one row or
// one column.
func paletteImage(file []byte) (*palette, error) {
	p := new(palette)
	if config, err := png.DecodeConfig(bytes.NewReader(file)); err == nil {
		if colors, ok := config.ColorModel.(color.Palette); ok {
			for _, c := range colors {
				r, g, b, _ := color.NRGBAModel.Convert(c).RGBA()
				p.colors = append(p.colors, color.RGBA{R: byte(r >> 8), G: byte(g >> 8), B: byte(b >> 8), A: 255})
			}
			return p, nil
		}
	}
	var im data.Image
	if err := im.Decode(file, data.Color); err != nil {
		return nil, err
	}
	if im.Height != 1 && im.Width != 1 {
		return nil, fmt.Errorf("the image is %d x %d (height x width), want one with a palette, or with one row or one column", im.Height, im.Width)
	}
	for ; len(im.Pix) >= 3; im.Pix = im.Pix[3:] {
		p.colors = append(p.colors, color.RGBA{R: im.Pix[2], G: im.Pix[1], B: im.Pix[0], A: 255})
	}
	return p, nil
}

// mask returns the label image of a segmentation. A class without a colour is black.
func (p *palette) mask(s *predict.Segmentation) image.Image {
	r := image.Rect(0, 0, s.Width, s.Height)
	if p.grey {
		return &image.Gray{Pix: s.Classes, Stride: s.Width, Rect: r}
	}
	colors := make(color.Palette, 256)
	for i := range colors {
		colors[i] = p.color(byte(i))
	}
	return &image.Paletted{Pix: s.Classes, Stride: s.Width, Rect: r, Palette: colors}
}

func (p *palette) color(class byte) color.RGBA {
	if int(class) < len(p.colors) {
		return p.colors[class]
	}
	return color.RGBA{A: 255}
}

// over returns an image with the colours of its classes over it, but for black.
func (p *palette) over(im *data.Image, s *predict.Segmentation, opacity float64) image.Image {
	canvas := canvasOf(im)
	mix := func(below, above byte) byte { return byte(float64(below)*(1-opacity) + float64(above)*opacity + 0.5) }
	for i, class := range s.Classes {
		c := p.color(class)
		if c == (color.RGBA{A: 255}) {
			continue
		}
		at := canvas.Pix[4*i:][:3]
		at[0], at[1], at[2] = mix(at[0], c.R), mix(at[1], c.G), mix(at[2], c.B)
	}
	return canvas
}

// vocColors returns the 256 colours of PASCAL VOC's label images: bits 0, 3, 6 of a class
// are the highest bits of red, bits 1, 4, 7 those of green, and bits 2, 5 those of blue.
func vocColors() []color.RGBA {
	colors := make([]color.RGBA, 256)
	for class := range colors {
		c := color.RGBA{A: 255}
		for bit, n := 7, class; n > 0; bit, n = bit-1, n>>3 {
			c.R |= byte(n&1) << bit
			c.G |= byte(n>>1&1) << bit
			c.B |= byte(n>>2&1) << bit
		}
		colors[class] = c
	}
	return colors
}

var vocNames = []string{
	"background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
	"dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
}

// cityscapes are the 19 classes that Cityscapes evaluates, by their numbers for training.
const cityscapes = `128 64 128 road
244 35 232 sidewalk
70 70 70 building
102 102 156 wall
190 153 153 fence
153 153 153 pole
250 170 30 traffic light
220 220 0 traffic sign
107 142 35 vegetation
152 251 152 terrain
70 130 180 sky
220 20 60 person
255 0 0 rider
0 0 142 car
0 0 70 truck
0 60 100 bus
0 80 100 train
0 0 230 motorcycle
119 11 32 bicycle
`

// camvid are the 12 classes of CamVid of SegNet's demonstration; its other nets have no
// road marking.
const (
	camvid = `128 128 128 sky
128 0 0 building
192 192 128 pole
` + roadMarking + `128 64 128 road
60 40 222 pavement
128 128 0 tree
192 128 128 sign
64 64 128 fence
64 0 128 car
64 64 0 pedestrian
0 128 192 bicyclist
`
	roadMarking = "255 69 0 road marking\n"
)
