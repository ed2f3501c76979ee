package cascade

import (
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/data/imagelist"
	"github.com/gocaffe/gocaffe/layers/boxes"
)

// A windowImage is an image of a file of windows with its objects.
type windowImage struct {
	path          string
	height, width int
	line          int
	objects       []object
	ignored       []boxes.Box // regions where objects may be that the file does not have
	file          []byte      // with cache_images
}

// An object is a box with its class. The coordinates are those of the first and last
// pixels.
type object struct {
	boxes.Box
	label             int
	ignore, difficult bool
}

// readWindows reads a file of windows:
//
//	# number of the image, from 0
//	path
//	channels, which are 3, height, width
//	number of objects, and for each of them: class, ignore, difficult, x1, y1, x2, y2
//	number of ignored regions, and for each of them: x1, y1, x2, y2
func readWindows(name string) ([]windowImage, error) {
	text, err := imagelist.ReadFile(name, nil)
	if err != nil {
		return nil, err
	}
	w := imagelist.NewWords(name, text)
	var images []windowImage
	for w.More() {
		im := windowImage{}
		if im.path, im.height, im.width, err = w.WindowHead(len(images)); err != nil {
			return nil, err
		}
		im.line = w.Line()
		for range w.Integer("the number of objects", 0, math.MaxInt32) {
			o := object{label: w.Integer("a class", 1, imagelist.MaxCoordinate)}
			o.ignore = w.Integer("whether the object is ignored", 0, 1) == 1
			o.difficult = w.Integer("whether the object is difficult", 0, 1) == 1
			o.Box = readBox(w)
			if w.Err() != nil {
				return nil, w.Err()
			}
			im.objects = append(im.objects, o)
		}
		for range w.Integer("the number of ignored regions", 0, math.MaxInt32) {
			box := readBox(w)
			if w.Err() != nil {
				return nil, w.Err()
			}
			im.ignored = append(im.ignored, box)
		}
		if w.Err() != nil {
			return nil, w.Err()
		}
		images = append(images, im)
	}
	switch {
	case w.Err() != nil:
		return nil, w.Err()
	case len(images) == 0:
		return nil, fmt.Errorf("the window file %s is empty", name)
	}
	return images, nil
}

// readBox reads the coordinates of a box.
func readBox(w *imagelist.Words) (b boxes.Box) {
	for _, v := range []*float32{&b.XMin, &b.YMin, &b.XMax, &b.YMax} {
		*v = float32(w.Integer("a coordinate", -imagelist.MaxCoordinate, imagelist.MaxCoordinate))
	}
	return b
}
