package yolo

import (
	"context"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

// loss is the part that the two losses have in common. Of each predicted number it has
// an error, from which loss and gradient come.
type loss struct {
	spec    *layers.Spec
	anchors anchors
	truth   truths
	softmax bool    // classes exclude each other
	unit    float64 // biases in a cell
	which   []uint32
	thresh  float32
	measure measure // that thresh compares
	nothing func(p float32) float32
	match   func(a *imageLoss, image int)

	scores  []float32 // sigmoid of the bottom, or softmax; width and height as they are
	errors  []float32
	boxless bool // whether the squares of the errors of boxes are not in the loss
	images  []imageLoss
	x       []float32 // the bottom, of the pass
	h, w    int       // the grid
	boxTask boxTask
	task    matchTask
}

// imageLoss is what an image adds to the loss.
type imageLoss struct {
	sum, disagreement float64
	matches           int
}

func (l *loss) SetUp(_, _ []*blob.Blob) error { return nil }

// AllowForceBackward returns true for the predictions.
func (l *loss) AllowForceBackward(i int) bool { return i == 0 }

// BackwardReads returns that Backward reads no data.
func (l *loss) BackwardReads() (bottom, top bool) { return false, false }

// Reshape checks the bottoms.
func (l *loss) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	if err := l.anchors.reshape(bottom, 0); err != nil {
		return err
	}
	if err := l.spec.NoItems(bottom[0].Count(), bottom[0]); err != nil {
		return err
	}
	if err := l.truth.check(bottom[1], bottom[0].Dim(0)); err != nil {
		return err
	}
	return top[0].Reshape()
}

// Forward computes the loss.
func (l *loss) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	if err := l.truth.read(bottom[1]); err != nil {
		return err
	}
	b := bottom[0]
	n := b.Dim(0)
	l.h, l.w = b.Dim(2), b.Dim(3)
	l.x = b.Data()
	l.scores, l.errors = layers.Resize(l.scores, len(l.x)), layers.Resize(l.errors, len(l.x))
	l.images = layers.Resize(l.images, n)
	l.boxTask.loss, l.task.loss = l, l
	pool := l.spec.Env.Workers
	for i := range n * l.anchors.count {
		if from := 5 * l.h * l.w; l.softmax {
			kernel.Softmax(pool, 1, l.anchors.classes, l.h*l.w, l.numbers(l.x, 0, i)[from:], l.numbers(l.scores, 0, i)[from:])
		}
	}
	pool.Run(n*l.anchors.count, &l.boxTask)
	pool.Run(n, &l.task)
	l.x = nil
	var all imageLoss
	for _, a := range l.images {
		all.sum, all.disagreement, all.matches = all.sum+a.sum, all.disagreement+a.disagreement, all.matches+a.matches
	}
	if all.matches > 0 {
		all.sum += all.disagreement / float64(all.matches)
	}
	top[0].MutableData()[0] = float32(all.sum / float64(n))
	return nil
}

// numbers returns the numbers of box k of an image in a slice like the bottom.
func (l *loss) numbers(x []float32, image, k int) []float32 {
	n := l.anchors.len() * l.h * l.w
	return x[(image*l.anchors.count+k)*n:][:n]
}

// boxTask computes the scores of each box, and the errors of its objectness as if it
// had no object.
type boxTask struct{ *loss }

// Do computes those of box i mod count of image i / count.
func (t *boxTask) Do(_, i int) {
	image, k := i/t.anchors.count, i%t.anchors.count
	cells := t.h * t.w
	x, scores, errors := t.numbers(t.x, image, k), t.numbers(t.scores, image, k), t.numbers(t.errors, image, k)
	kernel.Sigmoid(nil, x[:2*cells], scores[:2*cells])
	copy(scores[2*cells:4*cells], x[2*cells:])
	if t.softmax {
		kernel.Sigmoid(nil, x[4*cells:5*cells], scores[4*cells:5*cells])
	} else {
		kernel.Sigmoid(nil, x[4*cells:], scores[4*cells:])
	}
	clear(errors)
	objects := t.truth.objects[image]
	for cell := range cells {
		best := float32(0)
		if len(objects) > 0 {
			pred := t.predicted(scores[cell:], k, cell)
			for o := range objects {
				if objects[o].box.x == 0 { // as the fork, which takes it for the end
					break
				}
				best = max(best, 0, nanToZero(float32(t.measure.of(pred, objects[o].box))))
			}
		}
		if !(best > t.thresh) {
			errors[4*cells+cell] = t.nothing(scores[4*cells+cell])
		}
	}
}

// predicted returns box k of a cell, whose scores begin at x.
func (l *loss) predicted(x []float32, k, cell int) box {
	cells := l.h * l.w
	w, h := l.anchor(l.which[k])
	return box{
		(float64(cell%l.w) + float64(x[0])) / float64(l.w), (float64(cell/l.w) + float64(x[cells])) / float64(l.h),
		math.Exp(float64(x[2*cells])) * w, math.Exp(float64(x[3*cells])) * h,
	}
}

// anchor returns the size of an anchor in fractions of the image.
func (l *loss) anchor(i uint32) (w, h float64) {
	return float64(l.anchors.biases[2*i]) / (l.unit * float64(l.w)), float64(l.anchors.biases[2*i+1]) / (l.unit * float64(l.h))
}

// matchTask matches the objects of each image with boxes and adds up its errors.
type matchTask struct{ *loss }

// Do matches those of an image.
func (t *matchTask) Do(_, image int) {
	a := &t.images[image]
	*a = imageLoss{}
	t.match(a, image)
	n := t.anchors.count * t.anchors.len() * t.h * t.w
	cells := t.h * t.w
	for i, e := range t.errors[image*n:][:n] {
		if !t.boxless || i/cells%t.anchors.len() >= 4 {
			a.sum += float64(e) * float64(e)
		}
	}
}

// Backward computes the diff of the predictions.
func (l *loss) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 1); err != nil {
		return err
	}
	if propagateDown[0] {
		kernel.Scale(l.spec.Env.Workers, top[0].Diff()[0]/float32(bottom[0].Dim(0)), l.errors, bottom[0].MutableDiff())
	}
	return nil
}

func nanToZero(x float32) float32 {
	if x != x {
		return 0
	}
	return x
}
