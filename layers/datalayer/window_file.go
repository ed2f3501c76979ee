package datalayer

import (
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/data/imagelist"
)

// A windowFile is what a file of R-CNN's windows says.
type windowFile struct {
	name    string
	images  []windowImage
	windows [2][]window // the background, whose label is 0, and the foreground
}

type windowImage struct {
	path string
	file []byte // with cache_images
}

// A window is a rectangle of an image, whose corners belong to it.
type window struct {
	image          int
	label          int
	x1, y1, x2, y2 int
	line           int
}

// readWindows reads a window file. A window whose overlap is at least foreground is
// one of the foreground, one whose overlap is less than background is one of the
// background, and others are left out.
func readWindows(name string, foreground, background float32) (*windowFile, error) {
	text, err := imagelist.ReadFile(name, nil)
	if err != nil {
		return nil, err
	}
	p := imagelist.NewWords(name, text)
	f := &windowFile{name: name}
	for p.More() {
		if err := f.readImage(p, foreground, background); err != nil {
			return nil, err
		}
	}
	switch {
	case p.Err() != nil:
		return nil, p.Err()
	case len(f.images) == 0:
		return nil, fmt.Errorf("the window file %s is empty", name)
	}
	return f, nil
}

// readImage reads the lines of one image.
func (f *windowFile) readImage(p *imagelist.Words, foreground, background float32) error {
	path, _, _, err := p.WindowHead(len(f.images))
	if err != nil {
		return err
	}
	for range p.Integer("the number of windows", 0, math.MaxInt32) {
		w := window{image: len(f.images), label: p.Integer("a class", 0, math.MaxInt32), line: p.Line()}
		overlap := p.Float("an overlap")
		for _, corner := range []*int{&w.x1, &w.y1, &w.x2, &w.y2} {
			*corner = p.Integer("a corner", -imagelist.MaxCoordinate, imagelist.MaxCoordinate)
		}
		switch {
		case p.Err() != nil:
			return p.Err()
		case overlap >= foreground && w.label == 0:
			return p.Errorf("a window of the foreground, with overlap %g, has class 0, which is the background's", overlap)
		case overlap >= foreground:
			f.windows[1] = append(f.windows[1], w)
		case overlap < background:
			w.label = 0
			f.windows[0] = append(f.windows[0], w)
		}
	}
	f.images = append(f.images, windowImage{path: path})
	return p.Err()
}
