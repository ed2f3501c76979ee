// Package cfmt prints numbers as C++ programs do, for logs that are read by
// tools written for Caffe's.
package cfmt

import (
	"math"
	"strconv"
)

// G returns x as a C++ stream prints it by default: six significant digits
// without trailing zeros, an exponent of two digits or more from 1e+06 up and
// below 1e-04, and nan, -nan, inf or -inf. A float32 converts to float64
// exactly, so both kinds print alike.
func G(x float64) string { return string(AppendG(nil, x)) }

// AppendG appends what G returns to b.
func AppendG(b []byte, x float64) []byte {
	switch {
	case math.IsNaN(x) && math.Signbit(x):
		return append(b, "-nan"...)
	case math.IsNaN(x):
		return append(b, "nan"...)
	case math.IsInf(x, 1):
		return append(b, "inf"...)
	case math.IsInf(x, -1):
		return append(b, "-inf"...)
	}
	return strconv.AppendFloat(b, x, 'g', 6, 64)
}
