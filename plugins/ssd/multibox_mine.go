package ssd

import (
	"math"

	"github.com/gocaffe/gocaffe/layers/boxes"
)

// mine chooses the boxes of an image that the loss is over, as Caffe's
// MineHardExamples: it sets negatives, and with HARD_EXAMPLE makes boxes unmatched that
// are not chosen. a is the image's matches, of which there is one list.
func (l *multiboxLoss) mine(a *imageLoss, image int) {
	a.negatives = a.negatives[:0]
	if l.options.Mining == "NONE" || len(a.objects) == 0 {
		return
	}
	match := a.match[:l.p]
	hard := l.options.Mining == "HARD_EXAMPLE"
	positives := 0
	a.candidates = a.candidates[:0]
	for i, m := range match {
		if m >= 0 {
			positives++
		}
		if hard || m == unmatched && a.largest[i] < l.options.NegOverlap {
			a.candidates = append(a.candidates, int32(i))
		}
	}
	take := min(l.options.SampleSize, len(a.candidates))
	if !hard {
		take = int(min(float32(positives)*l.options.NegPosRatio, float32(len(a.candidates))))
	}
	chosen := l.hardest(a, image, hard, take)
	a.taken = a.taken[:l.p]
	clear(a.taken)
	for _, i := range chosen {
		a.taken[i] = true
	}
	for i, m := range match {
		switch {
		case m >= 0 && hard && !a.taken[i]:
			match[i] = unmatched
		case m == unmatched && a.taken[i]:
			a.negatives = append(a.negatives, int32(i))
		}
	}
}

// hardest returns the candidates with the largest losses, at most take of them.
func (l *multiboxLoss) hardest(a *imageLoss, image int, hard bool, take int) []int32 {
	for _, i := range a.candidates {
		loss := l.confidenceLoss(a, image, int(i))
		if m := a.match[i]; hard && m >= 0 {
			loss += l.locationLoss(a, image, int(i), int(m))
		}
		a.ranking.Add(loss, int(i))
	}
	n := l.options.NMS
	if n == nil || n.Threshold <= 0 {
		a.order = a.ranking.Top(take, a.order[:0])
		return a.order
	}
	a.order = a.ranking.Top(n.TopK, a.order[:0])
	all := a.priors
	if !l.options.PriorsForNMS {
		all = a.decoded[:l.p]
	}
	large := a.order[:0]
	for _, i := range a.order {
		if !(all[i].Area(0) < 1e-5) {
			large = append(large, i)
		}
	}
	a.nms.Threshold = n.Threshold
	a.kept = a.nms.Keep(all, large, a.kept[:0])
	return a.kept[:min(take, len(a.kept))]
}

// confidenceLoss returns the loss of box i of an image as its match has it, with the
// background as the class of boxes without one.
func (l *multiboxLoss) confidenceLoss(a *imageLoss, image, i int) float32 {
	class := l.options.Background
	if m := a.match[i]; m >= 0 {
		class = l.classOf(a, m)
	}
	at := (image*l.p + i) * l.classes
	if l.options.ConfLoss == "SOFTMAX" {
		return float32(-math.Log(float64(max(l.prob[at+class], 0x1p-126))))
	}
	var loss float32
	for c, x := range l.confidences[at : at+l.classes] {
		target := float32(0)
		if c == class {
			target = 1
		}
		loss += float32(crossEntropy(x, target))
	}
	return loss
}

// crossEntropy returns the sigmoid cross-entropy of score x and a target.
func crossEntropy(x, target float32) float64 {
	positive := 0.
	if x >= 0 {
		positive = 1
	}
	v := float64(x)
	return -(v*(float64(target)-positive) - math.Log(1+math.Exp(v-2*v*positive)))
}

// difference returns the prediction of box i less its target, for list and object.
func (l *multiboxLoss) difference(a *imageLoss, image, list, i, object int) (d [4]float32) {
	prior, v := a.priors[i], boxes.NoVariance
	truth := a.objects[object].box
	if l.variance {
		v = a.variances[i]
	}
	t := l.code.Encode(prior, v, truth)
	inner := prior // whose coordinates bp_inside wants inside
	if !l.options.PriorsForMatching && l.options.Inside {
		inner = a.decoded[list*l.p+i]
	}
	where := [4]float32{inner.XMin, inner.YMin, inner.XMax, inner.YMax}
	x := l.locations[((image*l.p+i)*l.lists+list)*4:]
	for k := range d {
		switch {
		case l.options.Inside && !(where[k] >= 0 && where[k] <= 1):
			d[k] = 0
		case l.variance:
			d[k] = x[k] - t[k]
		default:
			d[k] = x[k]/a.variances[i][k] - t[k]/a.variances[i][k]
		}
	}
	return d
}

// penalty returns the loss of a difference and its derivative.
func (l *multiboxLoss) penalty(d float32) (loss, slope float32) {
	if l.options.LocLoss == "L2" {
		return 0.5 * d * d, d
	}
	return smoothL1(d)
}

// locationLoss returns the loss of the location of box i.
func (l *multiboxLoss) locationLoss(a *imageLoss, image, i, object int) (sum float32) {
	for _, d := range l.difference(a, image, 0, i, object) {
		loss, _ := l.penalty(d)
		sum += loss
	}
	return sum
}
