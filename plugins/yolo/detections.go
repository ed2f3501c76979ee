package yolo

import (
	"context"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/boxes"
)

// detections is the part that the two types of detection output have in common: each
// image's candidates, the suppression of those that overlap better ones, and the top.
type detections struct {
	spec    *layers.Spec
	collect func(f *finder, image int) // adds the candidates of an image
	overlap float32                    // from which the lower score goes, of any class
	images  []finder
	bottom  []*blob.Blob // of the pass
}

// finder has the candidates of an image, and what is kept of them.
type finder struct {
	found       []boxes.Box
	labels      []int32
	scores      []float32
	ranking     boxes.Ranking
	nms         boxes.NMS
	order, kept []int32
}

// newDetections returns detections of a layer whose options are in the given field.
func newDetections(s *layers.Spec, field string, threshold, overlap float32) (detections, error) {
	switch {
	case threshold != threshold:
		return detections{}, s.Errorf(field+".confidence_threshold", "confidence_threshold is NaN, want a number")
	case !(overlap > 0): // true for NaN too
		return detections{}, s.Errorf(field+".nms_threshold", "nms_threshold is %g, want a positive number", overlap)
	}
	return detections{spec: s, overlap: overlap}, nil
}

// add adds a candidate: a class, whose label is one higher, and a box by its center and
// size.
func (f *finder) add(class int, score, x, y, w, h float32) {
	f.ranking.Add(score, len(f.found))
	f.found = append(f.found, corners(x, y, w, h))
	f.labels = append(f.labels, int32(class)+1)
	f.scores = append(f.scores, score)
}

// corners returns the box of a center and a size.
func corners(x, y, w, h float32) boxes.Box {
	return boxes.Box{
		XMin: float32(float64(x) - float64(w)/2), YMin: float32(float64(y) - float64(h)/2),
		XMax: float32(float64(x) + float64(w)/2), YMax: float32(float64(y) + float64(h)/2),
	}
}

// AllowForceBackward returns false: there is no gradient.
func (d *detections) AllowForceBackward(int) bool { return false }

// BackwardReads returns that Backward reads no data.
func (d *detections) BackwardReads() (bottom, top bool) { return false, false }

// SetUp does nothing.
func (d *detections) SetUp(_, _ []*blob.Blob) error { return nil }

// Forward finds the detections.
func (d *detections) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	n := bottom[0].Dim(0)
	d.start(bottom)
	d.spec.Env.Workers.Run(n, d)
	d.bottom = nil
	return d.write(d.images[:n], top[0])
}

// start prepares Do for the images of bottoms.
func (d *detections) start(bottom []*blob.Blob) {
	for len(d.images) < bottom[0].Dim(0) {
		f := finder{}
		// as the fork, which removes a box at an overlap that is the threshold
		f.nms.Threshold = math.Nextafter32(d.overlap, -1)
		d.images = append(d.images, f)
	}
	d.bottom = bottom
	for _, b := range bottom {
		b.Data() // copied from a device once, not by each thread
	}
}

// Do finds the detections of an image.
func (d *detections) Do(_, image int) {
	f := &d.images[image]
	f.found, f.labels, f.scores = f.found[:0], f.labels[:0], f.scores[:0]
	d.collect(f, image)
	f.order = f.ranking.Top(-1, f.order[:0])
	f.kept = f.nms.Keep(f.found, f.order, f.kept[:0])
}

// write writes the rows of the top.
func (d *detections) write(images []finder, top *blob.Blob) error {
	rows := 0
	for i := range images {
		rows += len(images[i].kept)
	}
	none := rows == 0
	if none {
		rows = len(images)
	}
	if err := top.Reshape(1, 1, rows, 7); err != nil {
		return d.spec.ErrorAt("top", 0, err)
	}
	y := top.MutableData()
	for i := range images {
		f := &images[i]
		for _, k := range f.kept {
			y[0], y[1], y[2] = float32(i), float32(f.labels[k]), f.scores[k]
			f.found[k].Put(y[3:])
			y = y[7:]
		}
		if none {
			copy(y, []float32{float32(i), -1, -1, -1, -1, -1, -1})
			y = y[7:]
		}
	}
	return nil
}

// Backward returns an error if a gradient is asked for.
func (d *detections) Backward(_ context.Context, _ []*blob.Blob, propagateDown []bool, _ []*blob.Blob) error {
	return d.spec.NoGradient(propagateDown, 0)
}

func sigmoid(x float32) float32 { return float32(1 / (1 + math.Exp(-float64(x)))) }

func exp(x float32) float32 { return float32(math.Exp(float64(x))) }
