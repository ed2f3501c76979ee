package ssd

import (
	"context"
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

// multiboxTask computes the loss of each image.
type multiboxTask struct{ *multiboxLoss }

// Do computes the loss of an image, but for confidences without mining.
func (t *multiboxTask) Do(_, image int) {
	a := &t.images[image]
	t.matchImage(a)
	t.mine(a, image)
	a.positives, a.location, a.confided = 0, 0, 0
	a.slopes = a.slopes[:0]
	mines := t.options.Mining != "NONE"
	for list := range t.lists {
		for i, m := range a.match[list*t.p:][:t.p] {
			if m < 0 {
				continue
			}
			a.positives++
			for _, d := range t.difference(a, image, list, i, int(m)) {
				loss, slope := t.penalty(d)
				a.location += float64(loss)
				a.slopes = append(a.slopes, slope)
			}
			if mines {
				a.confided += t.confidence(image, i, t.classOf(a, m))
			}
		}
	}
	for _, i := range a.negatives {
		a.confided += t.confidence(image, int(i), t.options.Background)
	}
}

// matchImage matches the boxes of an image with its objects.
func (l *multiboxLoss) matchImage(a *imageLoss) {
	for i := range a.match {
		a.match[i] = unmatched
	}
	if len(a.objects) == 0 {
		return
	}
	if l.options.PriorsForMatching {
		match, largest := a.match[:l.p], a.largest[:l.p]
		a.matcher.match(a.objects, -1, a.priors, match, largest)
		if l.lists > 1 {
			l.distribute(a)
		}
		return
	}
	for list := range l.lists {
		label := -1
		if l.lists > 1 {
			if label = list; label == l.options.Background {
				continue
			}
		}
		at := list * l.p
		a.matcher.match(a.objects, label, a.decoded[at:][:l.p], a.match[at:][:l.p], a.largest[at:][:l.p])
	}
}

// distribute gives the matches of the first list to the lists of the objects' labels.
func (l *multiboxLoss) distribute(a *imageLoss) {
	for i, m := range a.match[:l.p] {
		if m < 0 {
			continue
		}
		a.match[i] = unmatched
		a.match[int(a.objects[m].label)*l.p+i] = m
	}
}

// confidence returns the loss of the confidences of a box that has a class.
func (l *multiboxLoss) confidence(image, i, class int) (sum float64) {
	at := (image*l.p + i) * l.classes
	if l.options.ConfLoss == "SOFTMAX" {
		return -math.Log(float64(max(l.prob[at+class], 0x1p-126)))
	}
	for c, x := range l.confidences[at : at+l.classes] {
		sum += crossEntropy(x, l.targetOf(c, class))
	}
	return sum
}

// targetOf returns the target of the sigmoid of class c, for a box of a class.
func (l *multiboxLoss) targetOf(c, class int) float32 {
	if c == class {
		return 1
	}
	return float32(l.options.Background)
}

// setTargets sets the targets of all confidences, for a loss without mining: the class
// of each box, or with LOGISTIC as many numbers as there are confidences. As in Caffe,
// those of image i then begin i * P numbers in.
func (l *multiboxLoss) setTargets() {
	logistic := l.options.ConfLoss == "LOGISTIC"
	n := l.n * l.p
	if logistic {
		n *= l.classes
	}
	l.target = layers.Resize(l.target, n)
	kernel.Fill(l.spec.Env.Workers, float32(l.options.Background), l.target)
	for image := range l.n {
		a := &l.images[image]
		for at, m := range a.match {
			switch i := at % l.p; {
			case m < 0:
			case logistic:
				l.target[image*l.p+i*l.classes+l.classOf(a, m)] = 1
			default:
				l.target[image*l.p+i] = float32(l.classOf(a, m))
			}
		}
	}
}

// allConfidences returns the loss of all confidences.
func (l *multiboxLoss) allConfidences() (sum float64) {
	if l.options.ConfLoss == "LOGISTIC" {
		for i, t := range l.target {
			sum += crossEntropy(l.confidences[i], t)
		}
		return sum
	}
	for i, class := range l.target {
		sum -= math.Log(float64(max(l.prob[i*l.classes+int(class)], 0x1p-126)))
	}
	return sum
}

// BackwardReads returns that Backward reads no data.
func (l *multiboxLoss) BackwardReads() (bottom, top bool) { return false, false }

// Backward computes the diffs of locations and confidences.
func (l *multiboxLoss) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	for i := 2; i < len(propagateDown); i++ {
		if propagateDown[i] {
			return l.spec.ErrorAt("bottom", i, fmt.Errorf("priors and ground truth have no gradient: "+
				"the layer needs propagate_down: true propagate_down: true propagate_down: false propagate_down: false"))
		}
	}
	weight := top[0].Diff()[0] / l.norm.Normalizer(l.n, l.p, l.positives)
	if propagateDown[0] {
		dx := bottom[0].MutableDiff()
		kernel.Fill(l.spec.Env.Workers, 0, dx)
		l.locationDiffs(weight*l.options.LocWeight, dx)
	}
	if propagateDown[1] {
		dx := bottom[1].MutableDiff()
		if l.options.Mining == "NONE" {
			l.allConfidenceDiffs(weight, dx)
			return nil
		}
		kernel.Fill(l.spec.Env.Workers, 0, dx)
		for image := range l.n {
			a := &l.images[image]
			for i, m := range a.match {
				if m >= 0 {
					l.confidenceDiff(weight, image, i, l.classOf(a, m), dx)
				}
			}
			for _, i := range a.negatives {
				l.confidenceDiff(weight, image, int(i), l.options.Background, dx)
			}
		}
	}
	return nil
}

func (l *multiboxLoss) locationDiffs(weight float32, dx []float32) {
	for image := range l.n {
		a := &l.images[image]
		slopes := a.slopes
		for at, m := range a.match {
			if m < 0 {
				continue
			}
			list, i := at/l.p, at%l.p
			kernel.Scale(nil, weight, slopes[:4], dx[((image*l.p+i)*l.lists+list)*4:][:4])
			slopes = slopes[4:]
		}
	}
}

// confidenceDiff writes the diffs of the confidences of a box that has a class.
func (l *multiboxLoss) confidenceDiff(weight float32, image, i, class int, dx []float32) {
	at := (image*l.p + i) * l.classes
	for c, p := range l.prob[at : at+l.classes] {
		target := float32(0)
		switch {
		case l.options.ConfLoss == "LOGISTIC":
			target = l.targetOf(c, class)
		case c == class:
			target = 1
		}
		dx[at+c] = weight * (p - target)
	}
}

// allConfidenceDiffs writes the diffs of all confidences, for a loss without mining.
func (l *multiboxLoss) allConfidenceDiffs(weight float32, dx []float32) {
	if l.options.ConfLoss == "LOGISTIC" {
		for i, t := range l.target {
			dx[i] = weight * (l.prob[i] - t)
		}
		return
	}
	kernel.Scale(l.spec.Env.Workers, weight, l.prob, dx)
	for i, class := range l.target {
		dx[i*l.classes+int(class)] -= weight
	}
}
