// Package meanap computes the mean average precision of a detector, as TestDetection
// of the solver.cpp and ComputeAP of the bbox_util.cpp of SSD and Cascade R-CNN do.
package meanap

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// Versions are the ways to compute the average precision of a class from the precision
// after each detection, by descending score, as a function of recall: 11point, of
// VOC2007, is the mean of the largest precisions from the recalls 0, 0.1, ..., 1 on;
// 101point, of COCO, that from 0, 0.01, ..., 1 on; MaxIntegral, of VOC2012 and ILSVRC, the integral of the largest precision from a recall
// on; Integral the integral of the precision.
var Versions = []string{"11point", "101point", "MaxIntegral", "Integral"}

// RowLength is the number of elements of a row.
const RowLength = 5

// A Sum collects the rows of the top of a layer DetectionEvaluate, of any number of
// batches. The zero Sum is empty.
type Sum struct {
	positives map[int]int
	hits      map[int][]hit
}

// hit is a detection that counts.
type hit struct {
	score float32
	right bool
}

// A Class is the result for a class.
type Class struct {
	Label     int
	Precision float32 // average precision, 0 if nothing was found
	Found     bool    // whether there was any detection
}

// Add adds the rows of a batch: those of a class are -1, label, number of objects; those
// of a detection image, label, score, and whether it is a true and a false positive.
func (s *Sum) Add(rows []float32) error {
	if len(rows)%RowLength != 0 {
		return fmt.Errorf("%d elements are no rows of %d", len(rows), RowLength)
	}
	if s.positives == nil {
		s.positives, s.hits = make(map[int]int), make(map[int][]hit)
	}
	for ; len(rows) > 0; rows = rows[RowLength:] {
		label := int(rows[1])
		right, wrong := rows[3], rows[4]
		switch {
		case rows[0] == -1:
			s.positives[label] += int(rows[2])
		case right == 0 && wrong == 0: // a detection of something difficult
		case right+wrong != 1:
			return fmt.Errorf("a detection has %g true and %g false positives, want one of both", right, wrong)
		default:
			s.hits[label] = append(s.hits[label], hit{rows[2], right == 1})
		}
	}
	return nil
}

// Result returns the mean of the average precisions of all classes, and each of them,
// by label. version is one of Versions.
func (s *Sum) Result(version string) (mean float32, classes []Class, err error) {
	if !slices.Contains(Versions, version) {
		return 0, nil, fmt.Errorf("ap_version is %q, want %s", version, strings.Join(Versions, ", "))
	}
	if len(s.positives) == 0 {
		return 0, nil, errors.New("no row says how many objects a class has")
	}
	for _, label := range slices.Sorted(maps.Keys(s.positives)) {
		hits := s.hits[label]
		c := Class{Label: label, Found: len(hits) > 0}
		if c.Found && s.positives[label] > 0 {
			c.Precision = average(hits, s.positives[label], version)
		}
		mean += c.Precision
		classes = append(classes, c)
	}
	return mean / float32(len(classes)), classes, nil
}

// average returns the average precision of a class.
func average(hits []hit, positives int, version string) (ap float32) {
	hits = slices.Clone(hits)
	slices.SortStableFunc(hits, func(a, b hit) int { return cmp.Compare(b.score, a.score) })
	precision, recall := make([]float32, len(hits)), make([]float32, len(hits))
	right := 0
	for i, h := range hits {
		if h.right {
			right++
		}
		precision[i], recall[i] = float32(right)/float32(i+1), float32(right)/float32(positives)
	}
	const least = 1e-6
	step := func(a, b float32) float32 {
		if d := math.Abs(float64(a - b)); d > least {
			return float32(d)
		}
		return 0
	}
	last := len(hits) - 1
	switch version {
	case "11point":
		ap = points(10, recall, precision)
	case "101point":
		ap = points(100, recall, precision)
	case "MaxIntegral":
		at, best := recall[last], precision[last]
		for i := last - 1; i >= 0; i-- {
			best = max(best, precision[i])
			ap += float32(best * step(at, recall[i]))
			at = recall[i]
		}
		ap += float32(at * best)
	default:
		at := float32(0)
		for i, r := range recall {
			ap += float32(precision[i] * step(r, at))
			at = r
		}
	}
	return ap
}

// points returns the mean of the largest precisions from the recalls 0, 1/n, ..., 1 on.
func points(n int, recall, precision []float32) (mean float32) {
	for j := range n + 1 {
		best := float32(0)
		for i, r := range recall {
			if float64(r) >= float64(j)/float64(n) {
				best = max(best, precision[i])
			}
		}
		mean += best / float32(n+1)
	}
	return mean
}

// IsRows reports whether the blobs of a shape are rows, as a layer DetectionEvaluate
// makes them: 1 x 1 x K x 5 of SSD, or K x 5 x 1 x 1 of Cascade R-CNN.
func IsRows(shape []int) bool {
	n := len(shape)
	return n > 0 && shape[n-1] == RowLength || n == 4 && shape[1] == RowLength && shape[2] == 1 && shape[3] == 1
}
