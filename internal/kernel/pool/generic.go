package pool

import "math"

// maxRowGeneric computes len(y) maxima of windows that lie inside the
// plane, stride columns apart: x starts at the first window's first element,
// whose index in the plane is first.
func maxRowGeneric(x []float32, width, kh, kw, stride, first int, y []float32, mask []int32) {
	for i := range y {
		y[i], mask[i] = maxWindow(x[i*stride:], width, kh, kw, first+i*stride)
	}
}

// maxWindow returns the largest element of the kh·kw window at the start of x
// and its index, if that of x[0] is first. Of equal ones it takes the first,
// and nothing at or below -MaxFloat32: as Caffe's pooling_layer.cpp.
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

// aveRowGeneric is maxRowGeneric with the windows' sums over size.
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
