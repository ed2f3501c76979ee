package rcnn

import (
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/boxes"
	"github.com/gocaffe/gocaffe/layers/feed"
)

// roiRecords is the feed.Dataset of RoIDataLayer: the records of the database, and with
// USE_FLIPPED all of them again for the flipped images.
type roiRecords struct{ *roiData }

// Len returns the number of images.
func (r *roiRecords) Len() int {
	if r.config.UseFlipped {
		return 2 * r.db.Len()
	}
	return r.db.Len()
}

// Name returns the number and the key of an image's record.
func (r *roiRecords) Name(i int) string {
	return fmt.Sprintf("record %d, key %q", i%r.db.Len(), r.Key(i))
}

// Key returns the key of an image's record.
func (r *roiRecords) Key(i int) string {
	var scratch []byte
	key, _, err := r.db.Record(i%r.db.Len(), &scratch)
	if err != nil {
		return ""
	}
	return string(key)
}

// NewReader returns a reader.
func (r *roiRecords) NewReader() feed.Reader { return &roiReader{layer: r.roiData} }

// roiReader makes the tops of a record.
type roiReader struct {
	layer   *roiData
	scratch []byte
	record  data.AnnotatedDatum
	image   data.Image
	scaler  scaler
	rows    []float32
	info    [3]float32
}

var _ feed.Finisher = (*roiReader)(nil)

// Read writes the image.
func (r *roiReader) Read(it *feed.Item) error {
	c, records := r.layer.config, r.layer.db.Len()
	_, value, err := r.layer.db.Record(it.Record%records, &r.scratch)
	if err != nil {
		return err
	}
	if err := r.record.Unmarshal(value); err != nil {
		return err
	}
	im := &r.image
	if err := r.layer.transformer.SetImage(im, &r.record.Datum); err != nil {
		return err
	}
	if im.Height == 0 || im.Width == 0 || im.Channels != 1 && im.Channels != 3 {
		return fmt.Errorf("the image is %d x %d x %d (channels x height x width), want 1 or 3 channels", im.Channels, im.Height, im.Width)
	}
	scale := c.scale(im.Height, im.Width, c.Scales[it.Rand.IntN(len(c.Scales))])
	height, width := int(math.RoundToEven(float64(im.Height)*scale)), int(math.RoundToEven(float64(im.Width)*scale))
	if err := data.CheckSize(height, width); err != nil {
		return fmt.Errorf("the image, scaled: %w", err)
	}
	planes, err := it.Top(0, 3, height, width)
	if err != nil {
		return err
	}
	flipped := it.Record >= records
	r.scaler.scale(im, scale, flipped, c.pixelMeans, height, width, planes)
	r.info = [3]float32{float32(height), float32(width), float32(scale)}
	r.rows = r.rows[:0]
	for _, o := range r.record.Objects {
		if !o.Difficult || c.UseDifficult {
			box := pixels(&o, im.Height, im.Width, flipped).Scale(float32(scale), float32(scale))
			r.rows = append(r.rows, box.XMin, box.YMin, box.XMax, box.YMax, float32(o.Label))
		}
	}
	return nil
}

// Finish writes the image's size and its objects.
func (r *roiReader) Finish(b *feed.Batch) error {
	info, objects := b.Top(1), b.Top(2)
	if err := info.Reshape(1, 3); err != nil {
		return err
	}
	copy(info.MutableData(), r.info[:])
	if err := objects.Reshape(len(r.rows)/5, 5); err != nil {
		return err
	}
	copy(objects.MutableData(), r.rows)
	return nil
}

// scale returns what an image is scaled by: so that its shorter side is target pixels
// long, but the longer one not more than MAX_SIZE.
func (c *config) scale(height, width, target int) float64 {
	least, most := float64(min(height, width)), float64(max(height, width))
	scale := float64(target) / least
	if math.RoundToEven(scale*most) > float64(c.MaxSize) {
		scale = float64(c.MaxSize) / most
	}
	return scale
}

// pixels returns the first and the last pixel of an object, whose box is in fractions of
// the image, within the image.
func pixels(o *data.Object, height, width int, flipped bool) boxes.Box {
	w, h := float32(width), float32(height)
	side := func(from, to, size float32) (float32, float32) {
		first := max(0, min(round(from*size), size-1))
		return first, max(first, min(round(to*size)-1, size-1))
	}
	var b boxes.Box
	b.XMin, b.XMax = side(o.XMin, o.XMax, w)
	b.YMin, b.YMax = side(o.YMin, o.YMax, h)
	if flipped {
		b.XMin, b.XMax = w-1-b.XMax, w-1-b.XMin
	}
	return b
}

// A scaler scales images by bilinear interpolation, as OpenCV's resize does with images
// of float numbers and the factors fx and fy.
type scaler struct {
	at     []int     // for each column of the result, the left one of the two it is made of
	weight []float32 // of the right one
	rows   [2][]float32
	have   [2]int // the rows of the image that are in rows
}

// tap returns the first of the two places that place i of the result is made of, and
// the weight of the second.
func tap(i int, scale float64, size int) (int, float32) {
	v := float32((float64(i)+0.5)/scale - 0.5)
	from := int(math.Floor(float64(v)))
	switch {
	case from < 0:
		return 0, 0
	case from >= size-1:
		return size - 1, 0
	}
	return from, v - float32(from)
}

// scale writes the planes blue, green and red of an image, less the means.
func (s *scaler) scale(im *data.Image, scale float64, flipped bool, mean []float64, height, width int, planes []float32) {
	s.at, s.weight = layers.Resize(s.at, width), layers.Resize(s.weight, width)
	for x := range s.at {
		s.at[x], s.weight[x] = tap(x, scale, im.Width)
	}
	for k := range s.rows {
		s.rows[k] = layers.Resize(s.rows[k], width)
	}
	for c := range 3 {
		s.have = [2]int{-1, -1}
		for y := range height {
			from, weight := tap(y, scale, im.Height)
			upper, lower := s.row(im, from, c, flipped, mean[c]), []float32(nil)
			if weight > 0 {
				lower = s.row(im, from+1, c, flipped, mean[c])
			}
			out := planes[(c*height+y)*width:][:width]
			if lower == nil {
				copy(out, upper)
				continue
			}
			for x := range out {
				out[x] = float32(upper[x]*(1-weight)) + float32(lower[x]*weight)
			}
		}
	}
}

// row returns a row of a plane, scaled to the width of the result.
func (s *scaler) row(im *data.Image, y, c int, flipped bool, mean float64) []float32 {
	row := s.rows[y%2]
	if s.have[y%2] == y {
		return row
	}
	s.have[y%2] = y
	pix := im.Pix[y*im.Width*im.Channels:][:im.Width*im.Channels]
	value := func(x int) float32 {
		if flipped {
			x = im.Width - 1 - x
		}
		return float32(float64(pix[x*im.Channels+min(c, im.Channels-1)]) - mean)
	}
	for x, from := range s.at {
		row[x] = value(from)
		if w := s.weight[x]; w > 0 {
			row[x] = float32(row[x]*(1-w)) + float32(value(from+1)*w)
		}
	}
	return row
}
