package ssd

import (
	"fmt"
	"math/rand/v2"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/layers/boxes"
	"github.com/gocaffe/gocaffe/layers/feed"
)

// annotatedReader makes records into items. image is what the steps have made of the
// image so far, and other is memory for the next step.
type annotatedReader struct {
	layer        *annotatedData
	scratch      []byte
	record       data.AnnotatedDatum
	image, other *data.Image
	pixels       data.Pixels
	resizer      data.Resizer
	scaled       data.Image
	parts        []boxes.Box
	rows         []float32      // of the batch, for the second top
	policy       *resizeOptions // of the batch; nil for none
	part         boxes.Box      // of the image, that sample has cropped
	label        data.Image     // of the third top
	labels       [3]data.Image  // of which are made
}

var _ feed.Finisher = (*annotatedReader)(nil)

// load reads a record.
func (r *annotatedReader) load(number int) error {
	_, value, err := r.layer.db.Record(number, &r.scratch)
	if err != nil {
		return err
	}
	return r.record.Unmarshal(value)
}

// Read writes the image of an item, and keeps its boxes for Finish.
func (r *annotatedReader) Read(it *feed.Item) error {
	if err := r.load(it.Record); err != nil {
		return err
	}
	r.policy = r.layer.policyOf(it.Batch.Number)
	if r.image == nil {
		r.image, r.other = new(data.Image), new(data.Image)
	}
	if err := r.layer.transformer.SetImage(r.image, &r.record.Datum); err != nil {
		return err
	}
	if err := r.layer.transformer.ChangeColors(r.image, &r.pixels, it.Place); err != nil {
		return err
	}
	if err := r.expand(it.Rand); err != nil {
		return err
	}
	r.sample(it.Rand)
	if r.image.Height == 0 || r.image.Width == 0 {
		return fmt.Errorf("the image or its part is %d x %d (height x width)", r.image.Height, r.image.Width)
	}
	height, width := r.image.Height, r.image.Width
	r.resize(it.Rand)
	if err := r.write(it, height, width); err != nil {
		return err
	}
	if it.Index == 0 {
		r.rows = r.rows[:0]
	}
	switch {
	case it.Batch.Tops() < 2:
	case r.layer.boxes && r.layer.options.YOLO == 1:
		rows, err := it.Top(1, 1, yoloRows, 5)
		if err != nil {
			return err
		}
		r.yoloRows(rows)
	case r.layer.boxes:
		for _, o := range r.record.Objects {
			difficult := float32(0)
			if o.Difficult {
				difficult = 1
			}
			r.rows = append(r.rows, float32(it.Index), float32(o.Label), float32(o.Instance), o.XMin, o.YMin, o.XMax, o.YMax, difficult)
		}
	default:
		label, err := it.Top(1)
		if err != nil {
			return err
		}
		label[0] = float32(r.record.Datum.Label)
	}
	return nil
}

// Finish writes the boxes of a batch.
func (r *annotatedReader) Finish(b *feed.Batch) error {
	if b.Tops() < 2 || !r.layer.boxes || r.layer.options.YOLO == 1 {
		return nil
	}
	if len(r.rows) == 0 {
		r.rows = append(r.rows, -1, -1, -1, -1, -1, -1, -1, -1)
	}
	top := b.Top(1)
	if err := top.Reshape(1, 1, len(r.rows)/8, 8); err != nil {
		return err
	}
	copy(top.MutableData(), r.rows)
	return nil
}

// step makes the image that a step has made the current one.
func (r *annotatedReader) step() { r.image, r.other = r.other, r.image }

// expand puts the image at a random place of a larger canvas.
func (r *annotatedReader) expand(rng *rand.Rand) error {
	e := r.layer.transform.Expand
	if e == nil || rng.Float32() > e.Prob || e.Max-1 < 1e-2 {
		return nil
	}
	im := r.image
	ratio := uniform(rng, 1, e.Max)
	height, width := int(float32(im.Height)*ratio), int(float32(im.Width)*ratio)
	if err := data.CheckSize(height, width); err != nil {
		return fmt.Errorf("the image, expanded: %w", err)
	}
	top, left := rng.IntN(height-im.Height+1), rng.IntN(width-im.Width+1)
	if n := len(r.layer.mean); n > 1 && n != im.Channels {
		return fmt.Errorf("the image has %d channels, and there are %d mean_value, want 1 or %[1]d", im.Channels, n)
	}
	blank(r.other, im.Channels, height, width, r.layer.mean)
	paste(r.other, im, top, left)
	part := boxes.Box{
		XMin: -float32(left) / float32(im.Width), YMin: -float32(top) / float32(im.Height),
		XMax: float32(width-left) / float32(im.Width), YMax: float32(height-top) / float32(im.Height),
	}
	r.record.Objects = project(r.record.Objects, part, r.layer.transform.Emit)
	r.step()
	return nil
}

// sample crops one of the parts that the samplers have found, if there are any.
func (r *annotatedReader) sample(rng *rand.Rand) {
	r.parts, r.part = r.parts[:0], boxes.Box{XMax: 1, YMax: 1}
	for i := range r.layer.options.Samplers {
		r.parts = r.layer.options.Samplers[i].sample(rng, r.record.Objects, r.parts)
	}
	if len(r.layer.options.Samplers) == 0 && r.layer.options.Jitter > 0 {
		r.parts = append(r.parts, r.jitter(rng))
	}
	if len(r.parts) == 0 {
		return
	}
	part := r.parts[rng.IntN(len(r.parts))].Clip(1, 1)
	r.part = part
	p := part.Scale(float32(r.image.Width), float32(r.image.Height))
	r.other.Cut(r.image, data.Crop{Top: int(p.YMin), Left: int(p.XMin), Height: int(p.YMax - p.YMin), Width: int(p.XMax - p.XMin)}, 0)
	r.record.Objects = project(r.record.Objects, part, r.layer.transform.Emit)
	r.step()
}

// resize scales the image as resize_param says.
func (r *annotatedReader) resize(rng *rand.Rand) {
	o := r.policy
	if o == nil {
		return
	}
	how := data.Linear
	if n := len(o.Interp); n > 0 {
		how = interpolations[o.Interp[rng.IntN(n)]]
	}
	height, width := o.fit(r.image.Height, r.image.Width)
	if o.Mode != "FIT_LARGE_SIZE_AND_PAD" {
		r.resizer.Resize(r.other, r.image, height, width, how)
		r.step()
		return
	}
	r.resizer.Resize(&r.scaled, r.image, height, width, how)
	top, left := (o.Height-height)/2, (o.Width-width)/2
	color := o.PadValue
	if len(color) == 0 || len(color) != 1 && len(color) != r.image.Channels {
		color = []float32{0}
	}
	blank(r.other, r.image.Channels, o.Height, o.Width, color)
	paste(r.other, &r.scaled, top, left)
	if o.Pad != "CONSTANT" {
		extend(r.other, top, left, height, width, o.Pad == "MIRRORED")
	}
	r.step()
}

var interpolations = map[string]data.Interpolation{
	"LINEAR": data.Linear, "AREA": data.Area, "NEAREST": data.Nearest, "CUBIC": data.Cubic, "LANCZOS4": data.Lanczos4,
}

// fit returns the size to which an image is scaled, without padding.
func (o *resizeOptions) fit(h, w int) (height, width int) {
	height, width = o.Height, o.Width
	aspect, wanted := float32(w)/float32(h), float32(o.Width)/float32(o.Height)
	switch {
	case o.Mode == "FIT_SMALL_SIZE" && aspect < wanted, o.Mode == "FIT_LARGE_SIZE_AND_PAD" && aspect > wanted:
		height = max(1, int(float32(width)/aspect))
	case o.Mode != "WARP":
		width = max(1, int(aspect*float32(height)))
	}
	return height, width
}

// extend fills the border around a part of an image with the pixels of the part: its
// mirror image without the outermost pixel, or its outermost pixel.
func extend(im *data.Image, top, left, height, width int, mirrored bool) {
	inside := func(i, from, n int) int {
		i -= from
		for mirrored && n > 1 && (i < 0 || i >= n) {
			if i < 0 {
				i = -i
			} else {
				i = 2*(n-1) - i
			}
		}
		return from + max(0, min(i, n-1))
	}
	for y := range im.Height {
		for x := range im.Width {
			from := (inside(y, top, height)*im.Width + inside(x, left, width)) * im.Channels
			copy(im.Pix[(y*im.Width+x)*im.Channels:][:im.Channels], im.Pix[from:])
		}
	}
}

// write writes the image to the first top, and moves the boxes to where they are in it.
// The image had the given size before it was scaled.
func (r *annotatedReader) write(it *feed.Item, height, width int) error {
	im := r.image
	part := data.Crop{Height: im.Height, Width: im.Width}
	if h, w := r.layer.transform.CropH, r.layer.transform.CropW; h > 0 {
		if h > im.Height || w > im.Width {
			return fmt.Errorf("the image is %d x %d (height x width), less than its crop of %d x %d", im.Height, im.Width, h, w)
		}
		part.Height, part.Width = h, w
		part.Top, part.Left = (im.Height-h)/2, (im.Width-w)/2
		if r.layer.spec.Env.Phase == caffepb.Phase_TRAIN {
			part.Top, part.Left = it.Rand.IntN(im.Height-h+1), it.Rand.IntN(im.Width-w+1)
		}
	}
	part.Mirrored = r.layer.spec.Param.GetTransformParam().GetMirror() && it.Rand.IntN(2) == 1
	dst, err := it.Top(0, im.Channels, part.Height, part.Width)
	if err != nil {
		return err
	}
	r.pixels.SetImage(im)
	if err := r.layer.transformer.TransformCrop(dst, &r.pixels, part); err != nil {
		return err
	}
	r.moveBoxes(part, height, width)
	if it.Batch.Tops() > 2 {
		return r.segments(it, part)
	}
	return nil
}

// moveBoxes moves the boxes of an image of the given size to where they are in a part of
// the scaled image.
func (r *annotatedReader) moveBoxes(part data.Crop, height, width int) {
	h, w := float32(r.image.Height), float32(r.image.Width)
	objects := r.record.Objects
	for i, o := range objects {
		objects[i] = withBox(o, r.policy.place(boxOf(&o), height, width))
	}
	where := boxes.Box{
		XMin: float32(part.Left) / w, YMin: float32(part.Top) / h,
		XMax: float32(part.Left+part.Width) / w, YMax: float32(part.Top+part.Height) / h,
	}
	r.record.Objects = project(objects, where, r.layer.transform.Emit)
	for i, o := range r.record.Objects {
		if part.Mirrored {
			o.XMin, o.XMax = 1-o.XMax, 1-o.XMin
		}
		if s := r.policy; s != nil && s.Mode == "FIT_SMALL_SIZE" && s.HeightScale > 0 && s.WidthScale > 0 {
			o = withBox(o, boxOf(&o).Scale(float32(part.Width)/float32(s.WidthScale), float32(part.Height)/float32(s.HeightScale)))
		}
		r.record.Objects[i] = o
	}
}

// place returns where a box of an image of the given size is in the scaled image, with
// its padding, in fractions of it. o may be nil.
func (o *resizeOptions) place(b boxes.Box, height, width int) boxes.Box {
	if o == nil {
		return b
	}
	b = b.Clip(1, 1)
	if o.Mode != "FIT_LARGE_SIZE_AND_PAD" {
		return b
	}
	aspect, h, w := float32(width)/float32(height), float32(o.Height), float32(o.Width)
	if aspect > w/h {
		share := w / aspect / h // of the height
		b.YMin, b.YMax = (1-share)/2+float32(b.YMin*share), (1-share)/2+float32(b.YMax*share)
	} else {
		share := float32(aspect*h) / w
		b.XMin, b.XMax = (1-share)/2+float32(b.XMin*share), (1-share)/2+float32(b.XMax*share)
	}
	return b
}
