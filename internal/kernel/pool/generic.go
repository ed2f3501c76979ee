package pool

import "math"

// generic is the implementation in plain Go.
var generic = ops{lanes: 1, maxRow: maxRowGeneric, aveRow: aveRowGeneric}

// maxRowGeneric computes len(y) maxima of windows inside the plane, stride columns
// apart. x starts at the first window's first element, which has index first in the
// plane.
func maxRowGeneric(x []float32, width, kh, kw, stride, first int, y []float32, mask []int32) {
	for i := range y {
		y[i], mask[i] = maxWindow(x[i*stride:], width, kh, kw, first+i*stride)
	}
}

// maxWindow returns the largest element of the kh·kw window at the start of x and its
// index, if x[0] has index first. Like Caffe's pooling_layer.cpp, it takes the first of
// equal elements, and ignores elements of at most -MaxFloat32.
func maxWindow(x []float32, width, kh, kw, first int) (float32, int32) {
	best, at := float32(-math.MaxFloat32), int32(-1)
	for h := range kh {
		for w, v := range x[h*width : h*width+kw] {
			if v > best {
				best, at = v, int32(first+h*width+w)
			}
		}
	}
	return best, at
}

// aveRowGeneric is maxRowGeneric with the windows' sums divided by size.
func aveRowGeneric(x []float32, width, kh, kw, stride int, size float32, y []float32) {
	for i := range y {
		y[i] = sumWindow(x[i*stride:], width, kh, kw) / size
	}
}

func sumWindow(x []float32, width, kh, kw int) float32 {
	var sum float32
	for h := range kh {
		for _, v := range x[h*width : h*width+kw] {
			sum += v
		}
	}
	return sum
}
