package predict

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/layers/boxes"
)

// The blobs of R-CNN's nets: the input with height, width and scale of the scaled image;
// the regions, in pixels of it; the probabilities of the classes of each region, and the
// codes of boxes relative to it.
const (
	imageInfo   = "im_info"
	regionsBlob = "rois"
	classesBlob = "cls_prob"
	codesBlob   = "bbox_pred"
)

// RegionBlobs returns the names of the blobs of R-CNN's nets that a Detector reads, for
// net.Options.Keep.
func RegionBlobs() []string { return []string{regionsBlob, classesBlob, codesBlob} }

// What py-faster-rcnn does to images: lib/fast_rcnn/config.py (TEST.SCALES,
// TEST.MAX_SIZE, PIXEL_MEANS) and test.py (TEST.NMS).
const (
	defaultShortSide = 600
	defaultLongSide  = 1000
	defaultNMS       = 0.3
)

var rcnnMeans = []float32{102.9801, 115.9465, 122.7717}

// regions are the parts of a Detector for R-CNN's nets.
type regions struct {
	info, rois, classes, codes *blob.Blob
	shortSide, longSide        int
	means, stds                []float32 // of codes: none, four, or four for each class
	scale                      float32   // of the image in the last pass
}

// setRegions prepares the detector for an R-CNN net.
func (d *Detector) setRegions(prepare *Preparation, o *DetectOptions) error {
	n := d.net
	if slices.Contains(n.Inputs(), regionsBlob) {
		return fmt.Errorf("the net is given its regions, by the input %q, as those of Fast R-CNN; want a net that proposes them", regionsBlob)
	}
	r := &regions{shortSide: o.ShortSide, longSide: o.LongSide, means: o.BoxMeans, stds: o.BoxStds}
	for _, b := range []struct {
		to   **blob.Blob
		name string
	}{{&r.info, imageInfo}, {&r.rois, regionsBlob}, {&r.classes, classesBlob}, {&r.codes, codesBlob}} {
		if *b.to = n.Blob(b.name); *b.to == nil {
			return fmt.Errorf("the net has the input %q, as those of R-CNN, and no blob %q; its blobs are %v", imageInfo, b.name, list(n.BlobNames()))
		}
	}
	inputs := slices.DeleteFunc(slices.Clone(n.Inputs()), func(name string) bool { return name == imageInfo })
	if err := d.findInput(inputs); err != nil {
		return err
	}
	d.regions, d.classes = r, r.classes.Dim(1)
	if r.shortSide == 0 {
		r.shortSide = defaultShortSide
	}
	if r.longSide == 0 {
		r.longSide = defaultLongSide
	}
	const maxSide = 1 << 13
	prepared, err := prepare.readMean()
	switch {
	case err != nil:
		return err
	case r.shortSide < 1 || r.longSide < r.shortSide || r.longSide > maxSide:
		return fmt.Errorf("the shorter side of images has %d pixels, the longer one at most %d, want 1 or more, and as many or more up to %d", r.shortSide, r.longSide, maxSide)
	case prepared.Height != 0 || prepared.Width != 0 || prepared.Pad != 0:
		return errors.New("images are scaled to one size, or padded; R-CNN's nets take the sizes of their sides, shorter and longer")
	case prepared.Mean != nil:
		return errors.New("there is a mean image; R-CNN's nets, whose images have any size, take the means of channels")
	case o.Batch > 1:
		return fmt.Errorf("the batch size is %d; R-CNN's nets take 1", o.Batch)
	}
	for _, list := range [][]float32{r.means, r.stds} {
		if n := len(list); n != 0 && n != 4 && n != 4*d.classes {
			return fmt.Errorf("there are %d means or deviations of boxes, want 4, or 4 for each of the %d classes", n, d.classes)
		}
	}
	if len(prepared.MeanValues) == 0 && d.shape[0] == len(rcnnMeans) {
		prepared.MeanValues = rcnnMeans
		if prepared.ChannelSwap != nil {
			prepared.MeanValues = nil
			for _, c := range prepared.ChannelSwap {
				prepared.MeanValues = append(prepared.MeanValues, rcnnMeans[2-max(0, min(c, 2))]) // prepareAs reports other numbers
			}
		}
	}
	if err := d.prepareAs(prepared); err != nil {
		return err
	}
	if d.nms == nil {
		d.nms = &boxes.NMS{Threshold: defaultNMS}
	}
	d.nms.Pixel = 1
	d.batch = 1
	d.keep(RegionBlobs()...)
	return nil
}

// fit makes the input of the net as large as an image is when it is scaled for R-CNN
// (lib/fast_rcnn/test.py, _get_image_blob).
func (d *Detector) fit(image *data.Image) error {
	r := d.regions
	short, long := float64(min(image.Height, image.Width)), float64(max(image.Height, image.Width))
	if short == 0 {
		return errors.New("the image is empty")
	}
	scale := float64(r.shortSide) / short
	if math.RoundToEven(scale*long) > float64(r.longSide) {
		scale = float64(r.longSide) / long
	}
	d.height = max(1, int(math.RoundToEven(scale*float64(image.Height))))
	d.width = max(1, int(math.RoundToEven(scale*float64(image.Width))))
	d.shape[1], d.shape[2] = d.height, d.width
	d.crops = []data.Crop{d.centre(0)}
	r.scale = float32(scale)
	if err := r.info.Reshape(1, 3); err != nil {
		return err
	}
	copy(r.info.MutableData(), []float32{float32(d.height), float32(d.width), r.scale})
	return nil
}

// readRegions appends the boxes in an image, for each class but the background.
func (d *Detector) readRegions(images []*data.Image, found [][]Detection) error {
	r, image := d.regions, images[0]
	count, width := r.rois.Dim(0), r.codes.CountFrom(1)
	switch {
	case r.rois.CountFrom(1) != 5 || r.classes.Dim(0) != count || r.classes.CountFrom(1) != d.classes || r.codes.Dim(0) != count:
		return fmt.Errorf("the blobs %s, %s and %s have the shapes %v, %v and %v, want R x 5, R x %d, and R x %d or R x 8",
			regionsBlob, classesBlob, codesBlob, r.rois.Shape(), r.classes.Shape(), r.codes.Shape(), d.classes, 4*d.classes)
	case width != 4*d.classes && width != 8:
		return fmt.Errorf("the blob %s has %d elements for each region, want four for each of the %d classes, or 8 for all", codesBlob, width, d.classes)
	}
	rois, scores, codes := r.rois.Data(), r.classes.Data(), r.codes.Data()
	for i := range count {
		region := boxes.From(rois[5*i+1:])
		region = boxes.Box{XMin: region.XMin / r.scale, YMin: region.YMin / r.scale, XMax: region.XMax / r.scale, YMax: region.YMax / r.scale}
		for c := 1; c < d.classes; c++ {
			score := scores[i*d.classes+c]
			if !(score >= d.threshold) {
				if score != score {
					return errNaN
				}
				continue
			}
			from := 4 * c
			if width != 4*d.classes {
				from = 4 // R-FCN's class "object"
			}
			code := [4]float32(codes[i*width+from:])
			for k := range code {
				code[k] = code[k]*factor(r.stds, from+k, 1) + factor(r.means, from+k, 0)
			}
			box := decodeRegion(region, code).Clip(float32(image.Width-1), float32(image.Height-1))
			if isNaN(box) {
				return errNaN
			}
			found[0] = append(found[0], Detection{c, score, box})
		}
	}
	return nil
}

// factor returns element i of a list for four codes or those of all classes, or none.
func factor(list []float32, i int, none float32) float32 {
	switch {
	case len(list) == 0:
		return none
	case i < len(list):
		return list[i]
	}
	return list[i%4]
}

// decodeRegion returns the box with a code relative to a region, as bbox_transform_inv of
// py-faster-rcnn's lib/fast_rcnn/bbox_transform.py. The last pixel is part of the region.
func decodeRegion(r boxes.Box, code [4]float32) boxes.Box {
	w, h := r.XMax-r.XMin+1, r.YMax-r.YMin+1
	x, y := code[0]*w+(r.XMin+0.5*w), code[1]*h+(r.YMin+0.5*h)
	w, h = float32(math.Exp(float64(code[2])))*w, float32(math.Exp(float64(code[3])))*h
	return boxes.Box{XMin: x - 0.5*w, YMin: y - 0.5*h, XMax: x + 0.5*w, YMax: y + 0.5*h}
}
