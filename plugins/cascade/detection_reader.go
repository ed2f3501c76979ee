package cascade

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/layers/boxes"
	"github.com/gocaffe/gocaffe/layers/feed"
)

// detectionReader makes images into items.
type detectionReader struct {
	windowReader
	images  *detectionImages
	options *detectionDataOptions
	other   data.Image
	pixels  data.Pixels

	ratio         float32 // of the batch: template_ratio
	height, width int     // of the batch
	x, y          float32 // the center of what is taken
	part          placing
	labels        labeler
}

// A placing says where a part of the image is in the top.
type placing struct {
	data.Crop     // the part
	top, left int // its place in the top
}

var _ feed.Finisher = (*detectionReader)(nil)

// Read writes the image of an item and its maps, and keeps its boxes for Finish.
func (r *detectionReader) Read(it *feed.Item) error {
	if err := r.load(it.Record); err != nil {
		return err
	}
	if r.images.colors != nil {
		if err := r.images.colors.ChangeColors(&r.image, &r.pixels, it.Place); err != nil {
			return err
		}
	}
	if it.Index == 0 {
		r.ratio = 1
		if n := len(r.options.TemplateRatio); n > 0 {
			r.ratio = r.options.TemplateRatio[it.Rand.IntN(n)]
		}
	}
	if r.images.mirror && it.Rand.IntN(2) == 1 {
		r.flip()
	}
	if err := r.resize(r.options.scaled(r.image.Height, r.image.Width, r.ratio)); err != nil {
		return err
	}
	if it.Index == 0 {
		r.height, r.width = r.options.template(r.image.Height, r.image.Width, r.ratio)
		if err := data.CheckSize(r.height, r.width); err != nil {
			return fmt.Errorf("the part of the image: %w", err)
		}
	}
	if err := r.rescale(it.Rand); err != nil {
		return err
	}
	r.place(it.Rand)
	dst, err := it.Top(0, 3, r.height, r.width)
	if err != nil {
		return err
	}
	clear(dst)
	r.write(dst, r.height, r.width, r.part.Crop, r.part.top, r.part.left)
	r.ignoreObjects()
	for m := range r.options.Stride {
		h, w := mapSize(r.height, r.options.Stride[m]), mapSize(r.width, r.options.Stride[m])
		y, err := it.Top(1+m, 6, h, w)
		if err != nil {
			return err
		}
		r.labels.set(m, y, h, w)
	}
	r.labels.label(r.options, r.objects, r.ignored, r.part)
	r.keep(it.Index)
	return nil
}

// Finish writes the boxes of a batch.
func (r *detectionReader) Finish(b *feed.Batch) error {
	if !r.options.Boxes {
		return nil
	}
	return r.finish(b, b.Tops()-1)
}

// flip makes left right. As in the fork, a box moves by one pixel.
func (r *detectionReader) flip() {
	w := float32(r.image.Width)
	r.other.Cut(&r.image, data.Crop{Height: r.image.Height, Width: r.image.Width, Mirrored: true}, 0)
	r.image, r.other = r.other, r.image
	for i, o := range r.objects {
		r.objects[i].XMin, r.objects[i].XMax = w-o.XMax, w-o.XMin
	}
	for i, b := range r.ignored {
		r.ignored[i].XMin, r.ignored[i].XMax = w-b.XMax, w-b.XMin
	}
}

// scaled returns the size that an image is scaled to.
func (o *detectionDataOptions) scaled(h, w int, ratio float32) (height, width int) {
	switch {
	case o.Width > 0:
		return o.Height, o.Width
	case o.Ratio > 0:
		return round(float32(h) * o.Ratio), round(float32(w) * o.Ratio)
	case o.Short > 0:
		scale := float32(multiple(o.Short, ratio)) / float32(min(w, h))
		return round(float32(h) * scale), round(float32(w) * scale)
	}
	return h, w
}

// multiple returns the multiple of 32 that is nearest to size times ratio.
func multiple(size int, ratio float32) int { return 32 * round(float32(size)*ratio/32) }

// template returns the size of a batch whose first image has that size.
func (o *detectionDataOptions) template(h, w int, ratio float32) (height, width int) {
	switch {
	case o.CropWidth > 0:
		return o.CropHeight, o.CropWidth
	case o.Width > 0:
		return o.Height, o.Width
	case o.CropShort > 0:
		height, width = o.CropLong, o.CropShort
	case o.Short > 0:
		height, width = multiple(o.Long, ratio), multiple(o.Short, ratio)
	default:
		return h, w
	}
	if h < w {
		height, width = width, height
	}
	return height, width
}

// rescale scales the image at random, and finds the center of what is taken of it.
func (r *detectionReader) rescale(random *rand.Rand) error {
	o, h, w := r.options, r.image.Height, r.image.Width
	var chosen *object
	if n := len(r.objects); n > 0 {
		chosen = &r.objects[random.IntN(n)]
		r.x, r.y = (chosen.XMin+chosen.XMax)/2, (chosen.YMin+chosen.YMax)/2
	} else {
		r.x, r.y = somewhere(random, w, r.width), somewhere(random, h, r.height)
	}
	if o.MaxScale == 0 && o.HighScale == 0 || random.Float32() >= o.ScaleProb {
		return nil
	}
	low, high := o.LowScale, o.HighScale
	if o.MaxScale > 0 {
		low, high = 2, 2 // as in the fork
		if chosen != nil {
			size := float32(math.Sqrt(float64(chosen.Area(1))))
			if size == 0 {
				return fmt.Errorf("object %v has no size, and min_scale and max_scale say how large it becomes", chosen.Box)
			}
			low, high = o.MinScale/size, o.MaxScale/size
		}
	}
	factor := between(random, low, high)
	fw, fh := factor, factor
	if o.MaxAspect > 0 {
		root := float32(math.Sqrt(float64(between(random, o.MinAspect, o.MaxAspect))))
		fw, fh = fw*root, fh/root
	}
	r.around(fh, fw)
	height, width := round(float32(r.image.Height)*fh), round(float32(r.image.Width)*fw)
	if err := data.CheckSize(height, width); err != nil {
		return fmt.Errorf("the image, scaled by %g and %g: %w", fh, fw, err)
	}
	r.image.Resize(height, width)
	r.affine(fw, fh, 0, 0)
	r.x, r.y = r.x*fw, r.y*fh
	return nil
}

// around cuts away what of the image will not be taken if it is much enlarged: all that
// is far from the center.
func (r *detectionReader) around(fh, fw float32) {
	if fw <= 1.5 && fh <= 1.5 {
		return
	}
	cut := func(center, factor float32, size int) (from, length int) {
		length = min(round(1.2*float32(size)/factor), size)
		from = max(round(center-float32(length)*0.5), 0)
		return min(from, size-length), length
	}
	var part data.Crop
	part.Left, part.Width = cut(r.x, fw, r.image.Width)
	part.Top, part.Height = cut(r.y, fh, r.image.Height)
	r.other.Cut(&r.image, part, 0)
	r.image, r.other = r.other, r.image
	r.affine(1, 1, -float32(part.Left), -float32(part.Top))
	r.x, r.y = r.x-float32(part.Left), r.y-float32(part.Top)
}

// somewhere returns the center of a part of an image at a random place.
func somewhere(random *rand.Rand, size, part int) float32 {
	if part > size {
		return float32(size) / 2
	}
	return float32(random.IntN(size-part+1)) + float32(part)/2
}

// between returns a random number from low to high whose logarithm is uniform.
func between(random *rand.Rand, low, high float32) float32 {
	l := math.Log2(float64(low))
	return float32(math.Exp2(l + random.Float64()*(math.Log2(float64(high))-l)))
}

// place finds the part of the image that is taken, around the center with some noise,
// or its place in the top if the image is smaller, and moves the boxes.
func (r *detectionReader) place(random *rand.Rand) {
	noiseX, noiseY := random.IntN(20)-10, random.IntN(20)-10
	side := func(size, top int, center float32, noise int) (from, length, at int) {
		if size < top {
			return 0, size, min(max(round(float32(top-size)/2)+noise, 0), top-size)
		}
		return min(max(round(center)+noise-round(float32(top)/2), 0), size-top), top, 0
	}
	p := &r.part
	p.Left, p.Width, p.left = side(r.image.Width, r.width, r.x, noiseX)
	p.Top, p.Height, p.top = side(r.image.Height, r.height, r.y, noiseY)
	r.affine(1, 1, float32(p.left-p.Left), float32(p.top-p.Top))
}

// ignoreObjects marks objects that are not in the part or too small.
func (r *detectionReader) ignoreObjects() {
	for i := range r.objects {
		o := &r.objects[i]
		x, y := (o.XMin+o.XMax)/2, (o.YMin+o.YMax)/2
		if x < 0 || x >= float32(r.width) || y < 0 || y >= float32(r.height) ||
			o.XMax-o.XMin+1 < r.options.LeastWidth || o.YMax-o.YMin+1 < r.options.LeastHeight {
			o.ignore = true
		}
	}
}

// A labeler makes the label maps of an image.
type labeler struct {
	maps   []labelMap
	areas  []float32 // of the objects
	counts []int     // of the anchors with the class of an object
	most   []float32 // the largest overlap of an object with an anchor
	where  []int     // the map with it
}

// A labelMap is a map of h x w anchors with six numbers each.
type labelMap struct {
	y    []float32
	h, w int
}

// set sets map m.
func (l *labeler) set(m int, y []float32, h, w int) {
	l.maps = append(l.maps[:m], labelMap{y, h, w})
}

// put writes the numbers of an object at an anchor.
func (m *labelMap) put(at, label int, b boxes.Box, overlap float32) {
	for k, v := range [6]float32{float32(label), (b.XMin + b.XMax) / 2, (b.YMin + b.YMax) / 2, b.XMax - b.XMin + 1, b.YMax - b.YMin + 1, overlap} {
		m.y[k*m.h*m.w+at] = v
	}
}

// label writes all maps.
func (l *labeler) label(o *detectionDataOptions, objects []object, ignored []boxes.Box, part placing) {
	l.areas, l.counts, l.most, l.where = l.areas[:0], l.counts[:0], l.most[:0], l.where[:0]
	for i := range objects {
		l.areas, l.counts, l.most, l.where = append(l.areas, objects[i].Area(1)), append(l.counts, 0), append(l.most, 0), append(l.where, 0)
	}
	for m := range l.maps[:len(o.Stride)] {
		lm := &l.maps[m]
		clear(lm.y)
		for at := range lm.h * lm.w {
			l.anchor(o, m, at, objects, ignored, part)
		}
	}
	for i, obj := range objects {
		if obj.ignore || l.counts[i] > 0 || l.most[i] < o.Pickup || len(o.Stride) == 0 {
			continue
		}
		lm, stride := &l.maps[l.where[i]], float32(o.Stride[l.where[i]])
		pixel := func(center float32, size int) int {
			return min(max(int(math.Floor(float64(center/stride))), 0), size-1)
		}
		at := pixel((obj.YMin+obj.YMax)/2, lm.h)*lm.w + pixel((obj.XMin+obj.XMax)/2, lm.w)
		if lm.h > 0 && lm.w > 0 && lm.y[at] == 0 {
			lm.put(at, obj.label, obj.Box, l.most[i])
		}
	}
}

// anchor writes the numbers of an anchor.
func (l *labeler) anchor(o *detectionDataOptions, m, at int, objects []object, ignored []boxes.Box, part placing) {
	lm, stride := &l.maps[m], float32(o.Stride[m])
	overlapAt := 5*lm.h*lm.w + at
	row, column := at/lm.w, at%lm.w
	inMap := func(k, at, length int) bool {
		first := mapSize(at, o.Stride[m])
		return k >= first && k < first+mapSize(length, o.Stride[m])
	}
	if !inMap(column, part.left, part.Width) || !inMap(row, part.top, part.Height) {
		lm.y[overlapAt] = 1
		return
	}
	x, y := (float32(column)+0.5)*stride, (float32(row)+0.5)*stride
	rw, rh := float32(o.W[m])/2, float32(o.H[m])/2
	box := boxes.Box{XMin: x - rw, YMin: y - rh, XMax: x + rw, YMax: y + rh}
	area := box.Area(1)
	image := boxes.Box{XMin: float32(part.left), YMin: float32(part.top), XMax: float32(part.left + part.Width), YMax: float32(part.top + part.Height)}
	switch {
	case o.hasMargin:
		w, h := o.Margin*rw, o.Margin*rh
		if box.XMin < image.XMin-w || box.XMax >= image.XMax+w || box.YMin < image.YMin-h || box.YMax >= image.YMax+h {
			lm.y[overlapAt] = 1
			return
		}
	case o.hasInside:
		if overFirst.overlap(box, image, area, image.Area(1)) < o.Inside {
			lm.y[overlapAt] = 1
			return
		}
	}
	var out float32
	for _, b := range ignored {
		out += overFirst.overlap(box, b, area, b.Area(1))
	}
	best, most := -1, float32(0)
	for i := range objects {
		v := overUnion.overlap(objects[i].Box, box, l.areas[i], area)
		if v > most {
			best, most = i, v
		}
		if v > l.most[i] {
			l.most[i], l.where[i] = v, m
		}
	}
	switch {
	case most > o.Fore:
		label := objects[best].label
		if objects[best].ignore {
			label = 0
		}
		lm.put(at, label, objects[best].Box, most)
		l.counts[best]++
	case out >= o.IgnoreFrom:
		lm.y[overlapAt] = 1
	default:
		lm.y[overlapAt] = most
	}
}
