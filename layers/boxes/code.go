package boxes

import (
	"fmt"
	"math"
)

// A Code is how a net predicts a box: as four numbers t relative to a prior box, which
// has variances v that are divided by or, if the variance is encoded in the target,
// left out. With the width w and height h of the prior p, and c for centers, the codes
// of SSD (weiliu89/caffe, bbox_util.cpp) are:
//
//	            encode g                            decode t
//	Corner      (g - p) / v                         p + v t
//	CenterSize  (gc - pc) / w / v, log(gw / w) / v  c = v t w + pc, size = exp(v t) w
//	CornerSize  (g - p) / w / v                     p + v t w
//
// For y, the height takes the place of the width. Operations are done from left to
// right; the corners of CenterSize are c -+ size/2, computed in float64.
type Code byte

// The codes have the numbers of PriorBoxParameter.CodeType in SSD's caffe.proto.
const (
	Corner     Code = 1
	CenterSize Code = 2
	CornerSize Code = 3
)

// NoVariance is the variance of a code that does without.
var NoVariance = [4]float32{1, 1, 1, 1}

// CheckPrior returns an error if a box cannot be a prior of the code: one that divides
// by width and height needs positive ones.
func (c Code) CheckPrior(p Box) error {
	if c != Corner && !(p.XMax > p.XMin && p.YMax > p.YMin) {
		return fmt.Errorf("prior box %v has width %g and height %g, want positive ones", p, p.XMax-p.XMin, p.YMax-p.YMin)
	}
	return nil
}

// CheckTarget returns an error if a box cannot be encoded: CenterSize takes the
// logarithm of width and height.
func (c Code) CheckTarget(g Box) error {
	if c == CenterSize && !(g.XMax > g.XMin && g.YMax > g.YMin) {
		return fmt.Errorf("ground truth box %v has width %g and height %g, want positive ones", g, g.XMax-g.XMin, g.YMax-g.YMin)
	}
	return nil
}

// Encode returns the code of g relative to prior p with variances v.
func (c Code) Encode(p Box, v [4]float32, g Box) [4]float32 {
	w, h := p.XMax-p.XMin, p.YMax-p.YMin
	switch c {
	case CenterSize:
		return [4]float32{
			(center(g.XMin, g.XMax) - center(p.XMin, p.XMax)) / w / v[0],
			(center(g.YMin, g.YMax) - center(p.YMin, p.YMax)) / h / v[1],
			log((g.XMax-g.XMin)/w) / v[2],
			log((g.YMax-g.YMin)/h) / v[3],
		}
	case CornerSize:
		return [4]float32{(g.XMin - p.XMin) / w / v[0], (g.YMin - p.YMin) / h / v[1], (g.XMax - p.XMax) / w / v[2], (g.YMax - p.YMax) / h / v[3]}
	}
	return [4]float32{(g.XMin - p.XMin) / v[0], (g.YMin - p.YMin) / v[1], (g.XMax - p.XMax) / v[2], (g.YMax - p.YMax) / v[3]}
}

// Decode returns the box of which t is the code relative to prior p with variances v.
func (c Code) Decode(p Box, v, t [4]float32) Box {
	w, h := p.XMax-p.XMin, p.YMax-p.YMin
	for i := range t {
		t[i] = float32(v[i] * t[i])
	}
	switch c {
	case CenterSize:
		x := float32(t[0]*w) + center(p.XMin, p.XMax)
		y := float32(t[1]*h) + center(p.YMin, p.YMax)
		w, h = exp(t[2])*w, exp(t[3])*h
		return Box{
			float32(float64(x) - float64(w)/2), float32(float64(y) - float64(h)/2),
			float32(float64(x) + float64(w)/2), float32(float64(y) + float64(h)/2),
		}
	case CornerSize:
		return Box{p.XMin + float32(t[0]*w), p.YMin + float32(t[1]*h), p.XMax + float32(t[2]*w), p.YMax + float32(t[3]*h)}
	}
	return Box{p.XMin + t[0], p.YMin + t[1], p.XMax + t[2], p.YMax + t[3]}
}

func center(from, to float32) float32 { return (from + to) / 2 }

func exp(x float32) float32 { return float32(math.Exp(float64(x))) }
func log(x float32) float32 { return float32(math.Log(float64(x))) }
