package kernel

// The functions of this file all find in the same way where z, which is
// scale·d + shift with d = x - mean, is above zero.

// normRectifyGeneric sets dst to z where z > 0 and to slope·z elsewhere.
func normRectifyGeneric(dst, x []float32, mean, scale, shift, slope float32) {
	for i := range dst {
		z := float32(scale*(x[i]-mean)) + shift
		if !(z > 0) {
			z = float32(slope*z) + 0 // not -0
		}
		dst[i] = z
	}
}

// normRectifySumsGeneric returns the sums of dz and of dz·d, where dz is dy
// where z > 0 and slope·dy elsewhere.
func normRectifySumsGeneric(x, dy []float32, mean, scale, shift, slope float32) (sum, dot float64) {
	var s [2]float64
	var p [2]float64
	for i, v := range x {
		d, dz := v-mean, dy[i]
		if !(float32(scale*d)+shift > 0) {
			dz *= slope
		}
		s[i%2] += float64(dz)
		p[i%2] += float64(dz) * float64(d)
	}
	return s[0] + s[1], p[0] + p[1]
}

// normRectifyGradGeneric sets dst to scale·(dz + constant + ofD·d), with dz as in
// normRectifySumsGeneric.
func normRectifyGradGeneric(dst, x, dy []float32, mean, scale, shift, slope, ofD, constant float32) {
	for i := range dst {
		d, dz := x[i]-mean, dy[i]
		if !(float32(scale*d)+shift > 0) {
			dz *= slope
		}
		dst[i] = (dz + constant + float32(ofD*d)) * scale
	}
}

// The functions for rows have mean, scale and shift for each number.

// normRectifyRowGeneric is normRectifyGeneric for a row.
func normRectifyRowGeneric(dst, x, mean, scale, shift []float32, slope float32) {
	for i := range dst {
		z := float32(scale[i]*(x[i]-mean[i])) + shift[i]
		if !(z > 0) {
			z = float32(slope*z) + 0 // not -0
		}
		dst[i] = z
	}
}

// normRectifySumsRowGeneric adds dz to sum and dz·d to dot, as
// normRectifySumsGeneric has them.
func normRectifySumsRowGeneric(x, dy, mean, scale, shift []float32, slope float32, sum, dot []float64) {
	for i, v := range x {
		d, dz := v-mean[i], dy[i]
		if !(float32(scale[i]*d)+shift[i] > 0) {
			dz *= slope
		}
		sum[i] += float64(dz)
		dot[i] += float64(dz) * float64(d)
	}
}

// normRectifyGradRowGeneric is normRectifyGradGeneric for a row.
func normRectifyGradRowGeneric(dst, x, dy, mean, scale, shift, ofD, constant []float32, slope float32) {
	for i := range dst {
		d, dz := x[i]-mean[i], dy[i]
		if !(float32(scale[i]*d)+shift[i] > 0) {
			dz *= slope
		}
		dst[i] = (dz + constant[i] + float32(ofD[i]*d)) * scale[i]
	}
}
