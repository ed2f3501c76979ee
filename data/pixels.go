package data

import (
	"fmt"

	"github.com/gocaffe/gocaffe/data/imagelist"
)

// Pixels is the input of a transformer: an image or an array, together with
// storage that is reused for the next one. It is for one goroutine.
type Pixels struct {
	pixels pixels
	image  Image
	file   []byte
	words  [3]uint32 // random numbers
	row    []byte    // of a channel

	scaler  scaler
	scaled  Image
	augment augmenting
}

// SetImage makes p an image, which must not change as long as p is used.
func (p *Pixels) SetImage(im *Image) { p.pixels = im.pixels() }

// ReadFile makes p the image of a file, scaled to the given size unless both
// height and width are 0.
func (p *Pixels) ReadFile(path string, mode Mode, height, width int) (err error) {
	if p.file, err = imagelist.ReadFile(path, p.file); err != nil {
		return err // names the path
	}
	if err := p.image.Decode(p.file, mode); err != nil {
		return fmt.Errorf("%q: %w", path, err)
	}
	im := &p.image
	if height > 0 && width > 0 && (height != im.Height || width != im.Width) {
		p.scaler.scale(&p.scaled, im, rect{0, 0, im.Height, im.Width}, height, width)
		im = &p.scaled
	}
	p.pixels = im.pixels()
	return nil
}

// Size returns the number of channels, the height and the width.
func (p *Pixels) Size() (channels, height, width int) {
	return p.pixels.channels, p.pixels.height, p.pixels.width
}

// pixels is an image in memory: element (c,y,x) is at
// c*perChannel + y*perRow + x*perPixel.
type pixels struct {
	channels, height, width      int
	perChannel, perRow, perPixel int
	bytes                        []byte
	floats                       []float32 // in place of bytes
}
