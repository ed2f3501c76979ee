package cascade

import (
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/data/imagelist"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/boxes"
	"github.com/gocaffe/gocaffe/layers/feed"
)

// windowsDoc describes the file of windows in the documentation of the layers that
// read it.
const windowsDoc = `The file has, for each image, separated by white space:

	# number of the image, from 0
	path
	channels, which are 3, height, width
	number of objects, and for each of them: class (from 1), ignore (0 or 1), difficult (0 or 1), x1, y1, x2, y2
	number of regions that are ignored, and for each of them: x1, y1, x2, y2

Both corners belong to a box.
`

// windows is the common part of the datasets of layers that read images with boxes from
// a file of windows.
type windows struct {
	source, root string
	mean         [3]float32
	scale        float32
	list         []windowImage
}

// newWindows reads the options that the layers have in common, of their field of that
// name and of transform_param, of which mirror may be used.
func newWindows(s *layers.Spec, field, source, root string, batch int, mirrors bool) (*windows, *feed.Feeder, error) {
	t := s.Param.GetTransformParam()
	if source == "" {
		return nil, nil, s.Errorf(field, "source is missing, want a window file")
	}
	for _, o := range []struct {
		name string
		set  bool
	}{
		{"crop_size", t.GetCropSize() > 0}, {"mean_file", t.GetMeanFile() != ""}, {"pad", t.GetPad() > 0}, {"mirror", t.GetMirror() && !mirrors},
		{"force_gray", t.GetForceGray()},
	} {
		if o.set {
			return nil, nil, s.Errorf("transform_param."+o.name, "%s is not used by %s: leave it out", o.name, s.Param.GetType())
		}
	}
	if name := data.Augmentation(t); name != "" {
		return nil, nil, s.Errorf("transform_param."+name, "%s is not used by %s: leave it out", name, s.Param.GetType())
	}
	f, err := feed.New(s, field, batch)
	if err != nil {
		return nil, nil, err
	}
	w := &windows{source: source, root: root, scale: t.GetScale()}
	switch values := t.GetMeanValue(); len(values) {
	case 0:
	case 1:
		w.mean = [3]float32{values[0], values[0], values[0]}
	case 3:
		copy(w.mean[:], values)
	default:
		return nil, nil, s.Errorf("transform_param.mean_value", "there are %d mean_value, want 1 or 3", len(values))
	}
	return w, f, nil
}

// read reads the file of windows.
func (w *windows) read() (err error) {
	w.list, err = readWindows(w.source)
	return err
}

// Len returns the number of images.
func (w *windows) Len() int { return len(w.list) }

// Name returns the line of an image and its path.
func (w *windows) Name(i int) string {
	return fmt.Sprintf("%s:%d: %q", w.source, w.list[i].line, w.list[i].path)
}

// Key returns the path of an image.
func (w *windows) Key(i int) string { return w.list[i].path }

// A windowReader makes the images of windows into items.
type windowReader struct {
	*windows
	file    []byte
	image   data.Image
	objects []object
	ignored []boxes.Box
	rows    []float32 // of the batch, for the top with the boxes
}

// load reads an image and its boxes.
func (r *windowReader) load(i int) (err error) {
	im := &r.list[i]
	file := im.file
	if file == nil {
		if r.file, err = imagelist.ReadFile(r.root+im.path, r.file); err != nil {
			return err
		}
		file = r.file
	}
	if err := r.image.Decode(file, data.Color); err != nil {
		return err
	}
	r.objects = append(r.objects[:0], im.objects...)
	r.ignored = append(r.ignored[:0], im.ignored...)
	return nil
}

// affine scales the boxes, and then moves them.
func (r *windowReader) affine(w, h, x, y float32) {
	move := func(b boxes.Box) boxes.Box {
		b = b.Scale(w, h)
		return boxes.Box{XMin: b.XMin + x, YMin: b.YMin + y, XMax: b.XMax + x, YMax: b.YMax + y}
	}
	for i := range r.objects {
		r.objects[i].Box = move(r.objects[i].Box)
	}
	for i := range r.ignored {
		r.ignored[i] = move(r.ignored[i])
	}
}

// resize scales the image to a size, and the boxes.
func (r *windowReader) resize(height, width int) error {
	if err := data.CheckSize(height, width); err != nil {
		return fmt.Errorf("the image, scaled: %w", err)
	}
	if height == r.image.Height && width == r.image.Width {
		return nil
	}
	w, h := float32(width)/float32(r.image.Width), float32(height)/float32(r.image.Height)
	r.image.Resize(height, width)
	r.affine(w, h, 0, 0)
	return nil
}

// write writes a part of the image, from row and column of those numbers, to a part of
// a plane of a top of that height and width, at top and left.
func (r *windowReader) write(dst []float32, height, width int, part data.Crop, top, left int) {
	for c := range 3 {
		for y := range part.Height {
			from := r.image.Pix[3*((part.Top+y)*r.image.Width+part.Left)+c:]
			to := dst[(c*height+top+y)*width+left:][:part.Width]
			for x := range to {
				to[x] = (float32(from[3*x]) - r.mean[c]) * r.scale
			}
		}
	}
}

// keep keeps the rows of the objects of an item for the top with the boxes.
func (r *windowReader) keep(item int) {
	if item == 0 {
		r.rows = r.rows[:0]
	}
	for _, o := range r.objects {
		row := [8]float32{float32(item), o.XMin, o.YMin, o.XMax, o.YMax, float32(o.label)}
		if o.ignore {
			row[6] = 1
		}
		if o.difficult {
			row[7] = 1
		}
		r.rows = append(r.rows, row[:]...)
	}
}

// finish writes the boxes of a batch to a top: image, x1, y1, x2, y2, class, ignore and
// difficult, or a row of -1.
func (r *windowReader) finish(b *feed.Batch, top int) error {
	if len(r.rows) == 0 {
		r.rows = append(r.rows, -1, -1, -1, -1, -1, -1, -1, -1)
	}
	y := b.Top(top)
	if err := y.Reshape(len(r.rows)/8, 8, 1, 1); err != nil {
		return err
	}
	copy(y.MutableData(), r.rows)
	return nil
}

// imitatedBoxes returns a box of class 1 for each of n images.
func imitatedBoxes(n int) (shape []int, values []float32) {
	for i := range n {
		values = append(values, float32(i), 8, 8, 63, 63, 1, 0, 0)
	}
	return []int{n, 8, 1, 1}, values
}

// round returns the nearest whole number, of two the one further from 0.
func round(v float32) int { return int(math.Round(float64(v))) }
