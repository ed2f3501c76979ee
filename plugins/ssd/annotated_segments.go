package ssd

import (
	"errors"
	"fmt"
	"os"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/layers/feed"
	"github.com/gocaffe/gocaffe/prototxt"
)

// maxPlanes bounds the classes of the third top.
const maxPlanes = 255

// checkSegments checks the options of the third top.
func (l *annotatedData) checkSegments() error {
	o, s := &l.options, l.spec
	if len(s.Param.GetTop()) < 3 {
		return nil
	}
	t := &l.transform
	switch {
	case t.Expand != nil && t.Expand.Max > 1:
		return s.Errorf("transform_param.expand_param", "expand_param does not move the pixels of the third top")
	case t.CropH > 0 || t.CropW > 0 || s.Param.GetTransformParam().GetCropSize() > 0:
		return s.Errorf("transform_param", "a crop does not move the pixels of the third top: AnnotatedData has batch_sampler")
	case o.Scales < 1:
		return s.Errorf("annotated_data_param.seg_scales", "seg_scales is %d, want 1 or more", o.Scales)
	case o.SegHeight < 0 || o.SegWidth < 0:
		return s.Errorf("annotated_data_param", "seg_resize_height is %d and seg_resize_width %d, want 0 or more", o.SegHeight, o.SegWidth)
	case !o.Single && o.Map == "":
		return s.Errorf("annotated_data_param", "label_map_file is missing, which says what the pixels of the third top are")
	}
	for i, r := range t.Resize {
		if r.Mode != "WARP" {
			return s.ErrorAt("transform_param.resize_param", i, fmt.Errorf("resize_mode %s does not move the pixels of the third top, want WARP", r.Mode))
		}
	}
	if o.SegHeight > 0 && o.SegWidth > 0 {
		if err := data.CheckSize(o.SegHeight, o.SegWidth); err != nil {
			return s.Errorf("annotated_data_param.seg_resize_height", "seg_resize_height and seg_resize_width: %w", err)
		}
	}
	return nil
}

// readClasses reads the classes of pixels.
func (l *annotatedData) readClasses(tops int) error {
	l.planes = 1
	if tops < 3 || l.options.Single {
		return nil
	}
	bad := func(err error) error { return l.spec.ErrorAt("annotated_data_param.label_map_file", 0, err) }
	path := l.options.Map
	text, err := os.ReadFile(path)
	if err != nil {
		return bad(err)
	}
	var file caffepb.LabelMap
	if err := prototxt.Parse(path, text, &file, nil); err != nil {
		return bad(err)
	}
	l.planes = 0
	l.classes = make([]int, max(256, len(file.GetItem())))
	for i, item := range file.GetItem() {
		class := int(item.GetLabelId())
		if class < 0 || class > maxPlanes {
			return bad(fmt.Errorf("%s: item %d has label_id %d, want 0 to %d", path, i, class, maxPlanes))
		}
		l.classes[i], l.planes = class, max(l.planes, class)
	}
	if l.planes == 0 {
		return bad(fmt.Errorf("%s: no item has a label_id above 0", path))
	}
	return nil
}

// segments returns the size of the third top for that of the first.
func (o *annotatedDataOptions) segments(height, width int) (h, w int) {
	if o.SegHeight > 0 && o.SegWidth > 0 {
		return o.SegHeight, o.SegWidth
	}
	return height / o.Scales, width / o.Scales
}

// Labels returns the shape of an item's part of the third top.
func (l *annotatedData) Labels(i int, item []int) []int {
	if i < 2 || len(item) < 3 {
		return nil
	}
	if l.planes == 0 && l.readClasses(3) != nil {
		return nil // the file is not there
	}
	h, w := l.options.segments(item[1], item[2])
	return []int{l.planes, h, w}
}

// segments writes the third top: the label image, cropped, scaled and mirrored as the
// image was.
func (r *annotatedReader) segments(it *feed.Item, image data.Crop) error {
	if r.record.Segments == nil {
		return errors.New("the record has no label image, which the third top needs")
	}
	l, whole, part, plane := r.layer, &r.labels[0], &r.labels[1], &r.labels[2]
	if err := whole.Decode(r.record.Segments, data.Gray); err != nil {
		return fmt.Errorf("the label image: %w", err)
	}
	box := r.part.Scale(float32(whole.Width), float32(whole.Height))
	height, width := int(box.YMax-box.YMin), int(box.XMax-box.XMin)
	if height == 0 || width == 0 {
		return fmt.Errorf("the part of the label image is %d x %d (height x width)", height, width)
	}
	part.Cut(whole, data.Crop{Top: int(box.YMin), Left: int(box.XMin), Height: height, Width: width}, 0)
	h, w := l.options.segments(image.Height, image.Width)
	if h == 0 || w == 0 {
		return fmt.Errorf("seg_scales is %d, and the image %d x %d (height x width)", l.options.Scales, image.Height, image.Width)
	}
	dst, err := it.Top(2, l.planes, h, w)
	if err != nil {
		return err
	}
	for class := 1; class <= l.planes; class++ {
		from := part
		if !l.options.Single {
			plane.Cut(part, data.Crop{Height: height, Width: width}, 0)
			for i, v := range part.Pix {
				plane.Pix[i] = 0
				if l.classes[v] == class {
					plane.Pix[i] = 255
				}
			}
			from = plane
		}
		r.resizer.Resize(&r.label, from, h, w, data.Area)
		r.putPlane(dst[(class-1)*h*w:][:h*w], w, image.Mirrored)
	}
	return nil
}

// putPlane writes a plane of the third top: how much of each pixel is of a class.
func (r *annotatedReader) putPlane(dst []float32, w int, mirrored bool) {
	for i, v := range r.label.Pix {
		if mirrored {
			i += w - 1 - 2*(i%w)
		}
		dst[i] = float32(v) * (1. / 255)
		if r.layer.options.Single {
			dst[i] = 0
			if v > 100 {
				dst[i] = 1
			}
		}
	}
}
