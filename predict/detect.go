package predict

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/layers/boxes"
	"github.com/gocaffe/gocaffe/net"
)

// A Detection is an object that a net has found in an image.
type Detection struct {
	Class int     // the net's number for it; 0 mostly is the background, which is not found
	Score float32 // mostly a probability

	// Box is in pixels, with 0 at the left and upper edge of the image, within the
	// image. The maxima of R-CNN's nets are the last pixel, those of others the edge
	// after it.
	Box boxes.Box
}

// DetectOptions control a Detector. The zero value is for a net made by gocaffe deploy,
// and for those of py-faster-rcnn.
type DetectOptions struct {
	// Preparation says how an image becomes the input of the net; nil: as the net says
	// (PreparationOf). R-CNN's nets scale images to a size of their own, and without
	// any mean subtract that of py-faster-rcnn: 102.9801, 115.9465, 122.7717.
	Preparation *Preparation

	// Threshold is the lowest score of a detection.
	Threshold float32

	// NMS is the overlap up to which two boxes of a class are both detections. 0: 0.3 for
	// R-CNN's nets; for others, which have a layer for this, no more suppression.
	NMS float32

	// Blob is the name of the blob with the detections; "": the top of a layer such as
	// DetectionOutput, or the blobs of R-CNN's nets.
	Blob string

	// Batch is the number of images in a pass; 0: as many as the net's input has. R-CNN's
	// nets take one.
	Batch int

	// Observer receives an event.Note for each damaged image that is read as far as it
	// goes; nil for nobody.
	Observer event.Observer

	// The rest is for R-CNN's nets. Images are scaled so that the shorter side has
	// ShortSide pixels, or the longer one LongSide if that is smaller; 0: 600 and 1000.
	ShortSide, LongSide int

	// BoxMeans and BoxStds are the means and the standard deviations of the codes of
	// boxes that the net was trained with, four or four for each class, if its weights
	// do not contain them. py-faster-rcnn's snapshots do. nil: 0 and 1.
	BoxMeans, BoxStds []float32
}

// A Detector finds objects in images by a net. Like the net, it is for one goroutine at
// a time. There are two kinds of nets:
//
//   - those of SSD and YOLO have one input, and a top 1 x 1 x N x 7 with the rows image,
//     class, score, xmin, ymin, xmax, ymax in fractions of the input
//   - those of Faster R-CNN and R-FCN have the inputs data and im_info, and the blobs rois
//     (R x 5), cls_prob (R x classes) and bbox_pred (R x 4 * classes, or for all classes 8)
type Detector struct {
	feeder
	rows    *blob.Blob // nil for R-CNN's nets
	regions *regions   // nil for others
	classes int

	threshold float32
	nms       *boxes.NMS // nil for none
	ranking   boxes.Ranking
	order     []int32
	kept      []int32
}

// NewDetector returns a Detector that runs a net with its weights.
func NewDetector(n *net.Net, o DetectOptions) (*Detector, error) {
	if !(o.NMS >= 0 && o.NMS <= 1) {
		return nil, fmt.Errorf("the overlap for suppression is %g, want 0 to 1", o.NMS)
	}
	d := &Detector{feeder: feeder{net: n, observer: o.Observer}, threshold: o.Threshold}
	if o.NMS > 0 {
		d.nms = &boxes.NMS{Threshold: o.NMS}
	}
	prepare := o.Preparation
	if prepare == nil {
		prepare = PreparationOf(n)
	}
	if o.Blob == "" && slices.Contains(n.Inputs(), imageInfo) {
		return d, d.setRegions(prepare, &o)
	}
	if o.ShortSide != 0 || o.LongSide != 0 || o.BoxMeans != nil || o.BoxStds != nil {
		return nil, fmt.Errorf("a size of the sides, and means and deviations of boxes, are for R-CNN's nets, which have an input %q", imageInfo)
	}
	if err := d.findInput(n.Inputs()); err != nil {
		return nil, err
	}
	if err := d.findRows(o.Blob); err != nil {
		return nil, err
	}
	if err := d.prepareAs(prepare); err != nil {
		return nil, err
	}
	return d, d.setBatch(o.Batch)
}

// rowLength is the number of elements of a row of detections.
const rowLength = 7

// findRows finds the blob with the detections.
func (d *Detector) findRows(name string) error {
	var candidates []string
	if name != "" {
		candidates = []string{name}
	}
	for _, l := range d.net.Layers() {
		if strings.HasSuffix(l.Type, "DetectionOutput") && (name == "" || slices.Contains(l.TopNames, name)) {
			if name == "" {
				candidates = append(candidates, l.TopNames...)
			}
			if b := l.Bottoms; len(b) > 2 && b[2].Axes() == 3 && b[0].Axes() > 0 && b[0].Dim(0) > 0 && b[2].Dim(2) >= 4 { // SSD
				d.classes = b[1].Count() / b[0].Dim(0) / (b[2].Dim(2) / 4)
			}
		}
	}
	var outputs []string
	for _, o := range d.net.Outputs() {
		outputs = append(outputs, o.Name)
		if len(candidates) == 0 && areRows(o.Blob) {
			candidates = append(candidates, o.Name)
		}
	}
	switch len(candidates) {
	case 1:
	case 0:
		return fmt.Errorf("the net finds no boxes: want the top of a layer such as DetectionOutput, 1 x 1 x N x %d, or the input %s and the blobs of R-CNN's nets; its outputs are %s",
			rowLength, imageInfo, strings.Join(outputs, ", "))
	default:
		return fmt.Errorf("the net has %d blobs with detections%s: name one", len(candidates), list(candidates))
	}
	name = candidates[0]
	if d.rows = d.net.Blob(name); d.rows == nil {
		return fmt.Errorf("the net has no blob %q; its blobs are %s", name, strings.Join(d.net.BlobNames(), ", "))
	}
	if !areRows(d.rows) {
		return fmt.Errorf("the detections %q have the shape %v, want 1 x 1 x N x %d: image, class, score and box", name, d.rows.Shape(), rowLength)
	}
	d.keep(name)
	return nil
}

// areRows reports whether a blob has the shape of detections.
func areRows(b *blob.Blob) bool {
	return b.Axes() == 4 && b.Dim(0) == 1 && b.Dim(1) == 1 && b.Dim(3) == rowLength
}

// Classes returns the number of classes of the net, with the background, or 0 if that is
// not known.
func (d *Detector) Classes() int { return d.classes }

// Mode returns how images are to be decoded for the net.
func (d *Detector) Mode() data.Mode { return d.mode() }

// Detect returns what the net finds in each image, the highest score first; of equal ones
// the lower class comes first. An image has as many channels as the input of the net: Mode
// says how it is decoded. Images are not changed.
func (d *Detector) Detect(ctx context.Context, images ...*data.Image) ([][]Detection, error) {
	found := make([][]Detection, 0, len(images))
	for some := range slices.Chunk(images, d.batch) {
		if d.regions != nil {
			if err := d.fit(some[0]); err != nil {
				return nil, fmt.Errorf("image %d: %w", len(found), err)
			}
		}
		if err := d.fill(some, len(found)); err != nil {
			return nil, err
		}
		if _, err := d.net.Forward(ctx); err != nil {
			return nil, err
		}
		all := make([][]Detection, len(some))
		read := d.readRows
		if d.regions != nil {
			read = d.readRegions
		}
		if err := read(some, all); err != nil {
			return nil, err
		}
		for _, list := range all {
			found = append(found, d.choose(list))
		}
	}
	return found, nil
}

// Files finds objects in image files. For each file in order it calls result with the image
// and what the net finds, or with the error of reading the file; the others go on. It
// ends at the first error of the net, or that result returns.
func (d *Detector) Files(ctx context.Context, paths []string, result func(i int, image *data.Image, found []Detection, err error) error) error {
	return predictFiles(ctx, &d.feeder, paths, d.Detect, result)
}

// readRows appends the rows of detections in images to those of each.
func (d *Detector) readRows(images []*data.Image, found [][]Detection) error {
	crop := d.crops[0]
	for row := range slices.Chunk(d.rows.Data(), rowLength) {
		if row[1] == -1 { // SSD's mark that nothing was found
			continue
		}
		i, class := int(row[0]), int(row[1])
		if !(row[0] >= 0) || i >= len(images) || !(row[1] >= 0) {
			return fmt.Errorf("a detection has the image %g and the class %g, want an image below %d and a class of 0 or more", row[0], row[1], len(images))
		}
		if !(row[2] >= d.threshold) {
			if row[2] != row[2] {
				return errNaN
			}
			continue
		}
		// From fractions of the input to pixels of the scaled image, then of the image.
		x, y := float32(images[i].Width)/float32(d.width), float32(images[i].Height)/float32(d.height)
		box := boxes.From(row[3:]).Scale(float32(crop.Width)*x, float32(crop.Height)*y)
		box.XMin, box.XMax = box.XMin+float32(crop.Left)*x, box.XMax+float32(crop.Left)*x
		box.YMin, box.YMax = box.YMin+float32(crop.Top)*y, box.YMax+float32(crop.Top)*y
		box = box.Clip(float32(images[i].Width), float32(images[i].Height))
		if isNaN(box) {
			return errNaN
		}
		found[i] = append(found[i], Detection{class, row[2], box})
	}
	return nil
}

var errNaN = errors.New("a detection is NaN: the weights hold NaN or are those of a net that has diverged")

func isNaN(b boxes.Box) bool {
	sum := b.XMin + b.YMin + b.XMax + b.YMax
	return sum != sum
}

// choose returns the detections of an image, the highest score first, without those that
// overlap better ones of their class.
func (d *Detector) choose(list []Detection) []Detection {
	slices.SortStableFunc(list, func(a, b Detection) int { return a.Class - b.Class })
	if d.nms != nil {
		list = d.suppress(list)
	}
	for i, f := range list {
		d.ranking.Add(f.Score, i)
	}
	d.order = d.ranking.Top(-1, d.order[:0])
	chosen := make([]Detection, 0, len(list))
	for _, i := range d.order {
		chosen = append(chosen, list[i])
	}
	return chosen
}

// suppress returns the detections, which are sorted by class, that no better one of their
// class overlaps.
func (d *Detector) suppress(list []Detection) []Detection {
	var all []boxes.Box
	var kept []Detection
	for first := 0; first < len(list); {
		last := first
		all = all[:0]
		for ; last < len(list) && list[last].Class == list[first].Class; last++ {
			all = append(all, list[last].Box)
			d.ranking.Add(list[last].Score, last-first)
		}
		d.order = d.ranking.Top(-1, d.order[:0])
		d.kept = d.nms.Keep(all, d.order, d.kept[:0])
		for _, i := range d.kept {
			kept = append(kept, list[first+int(i)])
		}
		first = last
	}
	return kept
}
