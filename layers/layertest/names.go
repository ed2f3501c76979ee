package layertest

import "fmt"

// bottomName names a bottom in a message: bottom 0 "x".
func (f *Fixture) bottomName(i int) string {
	return fmt.Sprintf("bottom %d %q", i, f.Spec.Param.GetBottom()[i])
}

// topName names a top in a message: top 0 "y", or top 0 if the text leaves it out.
func (f *Fixture) topName(i int) string {
	if tops := f.Spec.Param.GetTop(); i < len(tops) {
		return fmt.Sprintf("top %d %q", i, tops[i])
	}
	return fmt.Sprintf("top %d", i)
}

// paramName names a weight blob in a message: param 0.
func (f *Fixture) paramName(i int) string { return fmt.Sprintf("param %d", i) }

// element names an element of a blob in a message, with its index on each axis:
// element 5 at [1 2].
func element(i int, shape []int) string {
	if len(shape) < 2 {
		return fmt.Sprintf("element %d", i)
	}
	index, rest := make([]int, len(shape)), i
	for axis := len(shape) - 1; axis >= 0; axis-- {
		index[axis], rest = rest%shape[axis], rest/shape[axis]
	}
	return fmt.Sprintf("element %d at %v", i, index)
}
