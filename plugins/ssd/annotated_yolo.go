package ssd

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/gocaffe/gocaffe/layers/boxes"
)

// What MobileNet-YOLO has added to AnnotatedData: images of several sizes, another way
// to crop, and ground truth as YOLO's losses read it.

const (
	yoloRows     = 300 // of ground truth of an image
	yoloSameSize = 10  // batches
)

// checkYOLO checks the options, and sets the jitter.
func (l *annotatedData) checkYOLO() error {
	o, s := &l.options, l.spec
	if !s.HasOption("yolo_data_jitter") && o.YOLO == 0 {
		o.Jitter = 0 // for the nets of SSD
	}
	switch {
	case o.YOLO != 0 && o.YOLO != 1:
		return s.Errorf("annotated_data_param.yolo_data_type", "yolo_data_type is %d, want 0 or 1", o.YOLO)
	case !(o.Jitter >= 0 && o.Jitter < 1): // true for NaN too
		return s.Errorf("annotated_data_param.yolo_data_jitter", "yolo_data_jitter is %g, want 0 to less than 1", o.Jitter)
	case o.Warmup:
		return s.Errorf("annotated_data_param.difficult_label_warmup", "difficult_label_warmup is not implemented: remove it, or set train_diffcult")
	}
	return l.checkSegments()
}

// checkPolicies checks the probabilities of several resize_param.
func (l *annotatedData) checkPolicies() error {
	all := l.transform.Resize
	if len(all) < 2 {
		return nil // its probability is ignored
	}
	sum := 0.0
	for i, r := range all {
		if !(r.Prob >= 0 && r.Prob <= 1) {
			return l.spec.ErrorAt("transform_param.resize_param", i, fmt.Errorf("resize_param: prob is %g, want 0 to 1", r.Prob))
		}
		sum += float64(r.Prob)
	}
	if math.Abs(sum-1) > 0.0101 {
		return l.spec.Errorf("transform_param.resize_param", "the prob of %d resize_param are %.6g together, want 1", len(all), sum)
	}
	return nil
}

// policyOf returns how the images of a batch are scaled: one way for ten batches.
func (l *annotatedData) policyOf(batch int64) *resizeOptions {
	all := l.transform.Resize
	if len(all) == 0 {
		return nil
	}
	var word [1]uint32
	l.sizes.Uint32(nil, uint64(batch/yoloSameSize), 0, word[:])
	sum := float32(0)
	for _, r := range all {
		sum += r.Prob
	}
	at := float32(word[0]>>8) / (1 << 24) * sum
	for i := range all[:len(all)-1] {
		if at -= all[i].Prob; at < 0 {
			return &all[i]
		}
	}
	return &all[len(all)-1]
}

// jitter returns a random part of the image: one time in five all of it, one time in
// five one that is cut by half of the jitter at most, else by the jitter.
func (r *annotatedReader) jitter(rng *rand.Rand) boxes.Box {
	most := r.layer.options.Jitter
	switch rng.IntN(5) {
	case 0:
		return boxes.Box{XMax: 1, YMax: 1}
	case 1:
		most /= 2
	}
	w := uniform(rng, 1-most, 1)
	h := w
	if r.policy == nil || r.policy.Mode != "FIT_LARGE_SIZE_AND_PAD" {
		h = uniform(rng, 1-most, 1)
	}
	x, y := uniform(rng, 0, 1-w), uniform(rng, 0, 1-h)
	return boxes.Box{XMin: x, YMin: y, XMax: x + w, YMax: y + h}
}

// yoloRows writes the objects of an image as ground truth: class, center and size. Like
// the fork, it has no room for more than 300.
func (r *annotatedReader) yoloRows(rows []float32) {
	clear(rows)
	for _, o := range r.record.Objects {
		if len(rows) == 0 {
			break
		}
		if o.Difficult && !r.layer.options.Difficult {
			continue
		}
		copy(rows, []float32{float32(o.Label - 1), (o.XMin + o.XMax) / 2, (o.YMin + o.YMax) / 2, o.XMax - o.XMin, o.YMax - o.YMin})
		rows = rows[5:]
	}
}
